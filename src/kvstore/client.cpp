#include "kvstore/client.h"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "async/signal.h"
#include "async/task.h"
#include "base/clock.h"
#include "kvstore/client_impl.h"

namespace weft::kvstore {
namespace pb = etcdserverpb;

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) < 0xff) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
      return end;
    }
    end.pop_back();
  }
  return std::string(1, '\0');  // everything, as etcd writes it
}

KeyValue from_proto(mvccpb::KeyValue& kv) {
  return {std::move(*kv.mutable_key()),
          std::move(*kv.mutable_value()),
          kv.create_revision(),
          kv.mod_revision(),
          kv.version(),
          kv.lease()};
}

namespace {

void fill(pb::RangeRequest& out, RangeRequest&& in) {
  // Room for the caller's empty prefix: etcd wants a key, and \0 is the first of all.
  out.set_key(in.key.empty() ? std::string(1, '\0') : std::move(in.key));
  out.set_range_end(std::move(in.end));
  out.set_limit(in.limit);
  out.set_revision(in.revision);
  out.set_keys_only(in.keys_only);
  out.set_count_only(in.count_only);
  out.set_serializable(in.serializable);
}

RangeResult convert(pb::RangeResponse& in) {
  RangeResult out{{}, in.more(), in.count(), in.header().revision()};
  out.kvs.reserve(static_cast<std::size_t>(in.kvs_size()));
  for (auto& kv : *in.mutable_kvs()) out.kvs.push_back(from_proto(kv));
  return out;
}

void fill(pb::Compare& out, Compare&& in) {
  out.set_key(std::move(in.key));
  out.set_result(static_cast<pb::Compare::CompareResult>(in.relation));
  switch (in.target) {
    case Compare::Target::version:
      out.set_target(pb::Compare::VERSION);
      out.set_version(in.number);
      break;
    case Compare::Target::create_revision:
      out.set_target(pb::Compare::CREATE);
      out.set_create_revision(in.number);
      break;
    case Compare::Target::mod_revision:
      out.set_target(pb::Compare::MOD);
      out.set_mod_revision(in.number);
      break;
    case Compare::Target::value:
      out.set_target(pb::Compare::VALUE);
      out.set_value(std::move(in.text));
      break;
    case Compare::Target::lease:
      out.set_target(pb::Compare::LEASE);
      out.set_lease(in.number);
      break;
  }
}

void fill(pb::RequestOp& out, Op&& in) {
  switch (in.kind) {
    case Op::Kind::get: fill(*out.mutable_request_range(), RangeRequest{std::move(in.key), std::move(in.end)}); break;
    case Op::Kind::put: {
      auto& put = *out.mutable_request_put();
      put.set_key(std::move(in.key));
      put.set_value(std::move(in.value));
      put.set_lease(in.lease);
      put.set_prev_kv(in.prev_kv);
      break;
    }
    case Op::Kind::del: {
      auto& del = *out.mutable_request_delete_range();
      del.set_key(std::move(in.key));
      del.set_range_end(std::move(in.end));
      del.set_prev_kv(in.prev_kv);
      break;
    }
  }
}

TxnResult convert(pb::TxnResponse& in) {
  TxnResult out{in.succeeded(), in.header().revision(), {}};
  for (auto& r : *in.mutable_responses()) {
    OpResult one;
    if (r.has_response_range()) {
      auto range = convert(*r.mutable_response_range());
      one = {std::move(range.kvs), range.count};
    } else if (r.has_response_put() && r.response_put().has_prev_kv()) {
      one.kvs.push_back(from_proto(*r.mutable_response_put()->mutable_prev_kv()));
    } else if (r.has_response_delete_range()) {
      one.count = r.response_delete_range().deleted();
      for (auto& kv : *r.mutable_response_delete_range()->mutable_prev_kvs()) one.kvs.push_back(from_proto(kv));
    }
    out.results.push_back(std::move(one));
  }
  return out;
}

// A keepalive is a stream in etcd; we ask once and read one answer.
class KeepAliveReactor : public grpc::ClientBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> {
 public:
  using Call = detail::Call<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse, std::int64_t>;
  KeepAliveReactor(std::shared_ptr<Call> call, Hub::Done done) : call_(std::move(call)), done_(std::move(done)) {}
  void start() {
    StartWriteLast(&call_->request, {});
    StartRead(&call_->response);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    answered_ = ok;
    if (ok) call_->context.TryCancel();  // one answer is all we want
  }
  void OnDone(const grpc::Status& status) override {
    done_(answered_     ? grpc::Status()
          : status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "lease keepalive ended without an answer")
                        : status);
    delete this;
  }

 private:
  std::shared_ptr<Call> call_;
  Hub::Done done_;
  bool answered_ = false;
};

}  // namespace

// ---- one call, for every kind of call

template <class Request, class Response, class Out, class Start>
Task<Result<Out>> Client::Impl::call(std::shared_ptr<detail::Call<Request, Response, Out>> c, Start start) {
  if (auto r = co_await before_call(); !r) co_return std::unexpected(r.error());
  auto stubs = connection.stubs();
  if (!stubs) co_return std::unexpected(stubs.error());
  connection.prepare(c->context, false);
  std::function<void(Hub::Done)> begin = [c, start, s = *stubs, connection = &connection,
                                          self = shared_from_this()](Hub::Done done) {
    start(*s, c, [c, connection, self, s, done = std::move(done)](grpc::Status status) {
      if (status.ok() && !connection->same_cluster(c->response.header()))
        status = grpc::Status(grpc::StatusCode::ABORTED, "another cluster_id");
      if (status.ok()) c->finish();
      done(std::move(status));
    });
  };
  std::function<void()> cancel = [c] { c->context.TryCancel(); };
  const std::string endpoint = connection.endpoint();
  const auto status = co_await hub->await(std::move(begin), std::move(cancel));
  if (auto r = connection.intact(); !r) co_return std::unexpected(r.error());
  if (!status.ok()) {
    note_failure(status, endpoint);
    co_return std::unexpected(to_error(status, endpoint));
  }
  co_return std::move(c->out);
}

void Client::Impl::note_failure(const grpc::Status& status, const std::string& endpoint) {
  const auto code = status.error_code();
  if (code == grpc::StatusCode::UNAUTHENTICATED ||
      status.error_message().find("invalid auth token") != std::string::npos)
    connection.set_token({});
  const bool dead = code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (dead && endpoint == connection.endpoint()) connection.failed();
}

Task<Result<>> Client::Impl::before_call() {
  if (auto r = connection.intact(); !r) co_return std::unexpected(r.error());
  if (connection.options().qps > 0) {
    const auto step =
        std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(1 / connection.options().qps));
    const auto now = Steady::now();
    const auto slot = std::max(now, next_slot);
    next_slot = slot + step;
    if (slot > now) co_await sleep_for(slot - now);
  }
  if (!connection.options().username.empty() && connection.token().empty()) {
    if (auto r = co_await authenticate(); !r) co_return std::unexpected(r.error());
  }
  co_return Result<>{};
}

Task<Result<>> Client::Impl::authenticate() {
  auto stubs = connection.stubs();
  if (!stubs) co_return std::unexpected(stubs.error());
  auto c = std::make_shared<detail::Call<pb::AuthenticateRequest, pb::AuthenticateResponse, int>>();
  c->request.set_name(connection.options().username);
  c->request.set_password(connection.options().password);
  connection.prepare(c->context, false);
  std::function<void(Hub::Done)> begin = [c, s = *stubs](Hub::Done done) {
    s->auth->async()->Authenticate(&c->context, &c->request, &c->response,
                                   [c, s, done = std::move(done)](grpc::Status status) { done(std::move(status)); });
  };
  std::function<void()> cancel = [c] { c->context.TryCancel(); };
  const std::string endpoint = connection.endpoint();
  const auto status = co_await hub->await(std::move(begin), std::move(cancel));
  if (!status.ok()) {
    note_failure(status, endpoint);
    co_return std::unexpected(to_error(status, endpoint));
  }
  connection.set_token(c->response.token());
  co_return Result<>{};
}

// ---- the calls

#define WEFT_ETCD_CALL(stub, method) \
  [](Stubs& s, auto c, auto done) { s.stub->async()->method(&c->context, &c->request, &c->response, std::move(done)); }

Client::Client(asio::io_context& io, Options options) : impl_(std::make_shared<Impl>(io, std::move(options))) {}
Client::~Client() = default;

const Options& Client::options() const { return impl_->connection.options(); }
asio::io_context& Client::io() const { return impl_->io; }
std::uint64_t Client::cluster_id() const { return impl_->connection.cluster_id(); }
const std::string& Client::endpoint() const { return impl_->connection.endpoint(); }

Task<Result<RangeResult>> Client::range(RangeRequest request) { return Impl::range(impl_, std::move(request)); }

Task<Result<std::optional<KeyValue>>> Client::get(std::string key) {
  RangeRequest request{std::move(key)};
  auto r = co_await range(std::move(request));
  if (!r) co_return std::unexpected(r.error());
  if (r->kvs.empty()) co_return std::optional<KeyValue>{};
  co_return std::optional<KeyValue>(std::move(r->kvs.front()));
}

Task<Result<PutResult>> Client::put(std::string key, std::string value, LeaseId lease) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::PutRequest, pb::PutResponse, PutResult>>();
  c->request.set_key(std::move(key));
  c->request.set_value(std::move(value));
  c->request.set_lease(lease);
  c->convert = [](pb::PutResponse& r) { return PutResult{r.header().revision()}; };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(kv, Put));
}

Task<Result<DeleteResult>> Client::del(std::string key, std::string end) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::DeleteRangeRequest, pb::DeleteRangeResponse, DeleteResult>>();
  c->request.set_key(std::move(key));
  c->request.set_range_end(std::move(end));
  c->convert = [](pb::DeleteRangeResponse& r) { return DeleteResult{r.deleted(), r.header().revision()}; };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(kv, DeleteRange));
}

Task<Result<TxnResult>> Client::txn(Txn txn) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::TxnRequest, pb::TxnResponse, TxnResult>>();
  for (auto& w : txn.when) fill(*c->request.add_compare(), std::move(w));
  for (auto& o : txn.then) fill(*c->request.add_success(), std::move(o));
  for (auto& o : txn.otherwise) fill(*c->request.add_failure(), std::move(o));
  c->convert = [](pb::TxnResponse& r) { return convert(r); };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(kv, Txn));
}

Task<Result<>> Client::compact(EtcdRevision revision) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::CompactionRequest, pb::CompactionResponse, int>>();
  c->request.set_revision(revision);
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(kv, Compact)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<ServerStatus>> Client::status() {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::StatusRequest, pb::StatusResponse, ServerStatus>>();
  c->convert = [](pb::StatusResponse& r) {
    return ServerStatus{r.version(), r.dbsize(), r.leader() != 0, r.header().cluster_id(), r.header().revision()};
  };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(maintenance, Status));
}

namespace {

// A page asked for while the one before it is being worked on.
struct NextPage {
  explicit NextPage(asio::io_context& io) : arrived(io) {}
  Notifier arrived;
  std::optional<Result<RangeResult>> result;
  asio::cancellation_signal cancel;
};

// Dropped, it cancels the request.
class PageAhead {
 public:
  ~PageAhead() {
    if (page_) page_->cancel.emit(asio::cancellation_type::terminal);
  }
  void ask(asio::io_context& io, Task<Result<RangeResult>> request) {
    page_ = std::make_shared<NextPage>(io);
    asio::co_spawn(io, std::move(request),
                   asio::bind_cancellation_slot(page_->cancel.slot(), [page = page_](const std::exception_ptr& error,
                                                                                     Result<RangeResult> r) {
                     page->result = error ? Result<RangeResult>(fail(Errc::unavailable, "cancelled")) : std::move(r);
                     page->arrived.notify();
                   }));
  }
  Task<Result<RangeResult>> take() {
    const auto page = page_;
    while (!page->result) co_await page->arrived.changed_since(page->arrived.version());
    page_.reset();
    co_return std::move(*page->result);
  }

 private:
  std::shared_ptr<NextPage> page_;
};

}  // namespace

Task<Result<RangeResult>> Client::Impl::range(std::shared_ptr<Impl> impl, RangeRequest request) {
  auto c = std::make_shared<detail::Call<pb::RangeRequest, pb::RangeResponse, RangeResult>>();
  fill(c->request, std::move(request));
  c->convert = [](pb::RangeResponse& r) { return convert(r); };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(kv, Range));
}

Task<Result<EtcdRevision>> Client::list(RangeRequest request, std::function<void(std::vector<KeyValue>)> page,
                                        std::int64_t first_page) {
  // etcd walks the whole rest of the range for every page, so small pages throughout would cost the square of the keys.
  constexpr std::int64_t kLargestPage = 8192;
  const auto impl = impl_;
  request.limit = first_page;
  PageAhead ahead;
  ahead.ask(impl->io, Impl::range(impl, request));
  for (;;) {
    auto r = co_await ahead.take();
    if (!r) co_return std::unexpected(r.error());
    if (request.revision == 0) request.revision = r->revision;
    const bool more = r->more && !r->kvs.empty();
    if (more) {
      request.key = r->kvs.back().key;
      request.key.push_back('\0');
      request.limit = std::min(request.limit * 2, kLargestPage);
      ahead.ask(impl->io, Impl::range(impl, request));
      co_await yield();  // so that the request leaves before we are busy
    }
    page(std::move(r->kvs));
    if (!more) co_return request.revision;
  }
}

Task<Result<LeaseGrant>> Client::lease_grant(std::chrono::seconds ttl) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::LeaseGrantRequest, pb::LeaseGrantResponse, LeaseGrant>>();
  c->request.set_ttl(ttl.count());
  c->convert = [](pb::LeaseGrantResponse& r) { return LeaseGrant{r.id(), r.ttl()}; };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(lease, LeaseGrant));
}

Task<Result<std::int64_t>> Client::lease_keepalive(LeaseId id) {
  const auto impl = impl_;
  auto c = std::make_shared<KeepAliveReactor::Call>();
  c->request.set_id(id);
  c->convert = [](pb::LeaseKeepAliveResponse& r) { return r.ttl(); };
  auto start = [](Stubs& s, std::shared_ptr<KeepAliveReactor::Call> c, auto done) {
    auto* reactor = new KeepAliveReactor(c, std::move(done));
    s.lease->async()->LeaseKeepAlive(&c->context, reactor);
    reactor->start();
  };
  auto r = co_await impl->call(c, start);
  if (!r) co_return std::unexpected(r.error());
  if (*r <= 0)
    co_return fail(Errc::not_found,
                   fmt::format("etcd {}: lease {:x} has expired: grant another", impl->connection.endpoint(), id));
  co_return *r;
}

Task<Result<>> Client::lease_revoke(LeaseId id) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::LeaseRevokeRequest, pb::LeaseRevokeResponse, int>>();
  c->request.set_id(id);
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(lease, LeaseRevoke)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<>> Client::user_add(std::string name) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::AuthUserAddRequest, pb::AuthUserAddResponse, int>>();
  c->request.set_name(std::move(name));
  c->request.mutable_options()->set_no_password(true);
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, UserAdd)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<>> Client::user_delete(std::string name) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::AuthUserDeleteRequest, pb::AuthUserDeleteResponse, int>>();
  c->request.set_name(std::move(name));
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, UserDelete)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<std::vector<std::string>>> Client::user_list() {
  const auto impl = impl_;
  using Names = std::vector<std::string>;
  auto c = std::make_shared<detail::Call<pb::AuthUserListRequest, pb::AuthUserListResponse, Names>>();
  c->convert = [](pb::AuthUserListResponse& r) { return Names(r.users().begin(), r.users().end()); };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(auth, UserList));
}

Task<Result<std::vector<std::string>>> Client::user_roles(std::string name) {
  const auto impl = impl_;
  using Names = std::vector<std::string>;
  auto c = std::make_shared<detail::Call<pb::AuthUserGetRequest, pb::AuthUserGetResponse, Names>>();
  c->request.set_name(std::move(name));
  c->convert = [](pb::AuthUserGetResponse& r) { return Names(r.roles().begin(), r.roles().end()); };
  co_return co_await impl->call(c, WEFT_ETCD_CALL(auth, UserGet));
}

Task<Result<>> Client::user_grant_role(std::string user, std::string role) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::AuthUserGrantRoleRequest, pb::AuthUserGrantRoleResponse, int>>();
  c->request.set_user(std::move(user));
  c->request.set_role(std::move(role));
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, UserGrantRole)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<>> Client::user_revoke_role(std::string user, std::string role) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::AuthUserRevokeRoleRequest, pb::AuthUserRevokeRoleResponse, int>>();
  c->request.set_name(std::move(user));
  c->request.set_role(std::move(role));
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, UserRevokeRole)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<>> Client::role_add(std::string name) {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::AuthRoleAddRequest, pb::AuthRoleAddResponse, int>>();
  c->request.set_name(std::move(name));
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, RoleAdd)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<>> Client::role_grant_read(std::string role, std::string key, std::string end) {
  const auto impl = impl_;
  auto c =
      std::make_shared<detail::Call<pb::AuthRoleGrantPermissionRequest, pb::AuthRoleGrantPermissionResponse, int>>();
  c->request.set_name(std::move(role));
  c->request.mutable_perm()->set_permtype(authpb::Permission::READ);
  c->request.mutable_perm()->set_key(std::move(key));
  c->request.mutable_perm()->set_range_end(std::move(end));
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, RoleGrantPermission)); !r)
    co_return std::unexpected(r.error());
  co_return Result<>{};
}

Task<Result<>> Client::auth_enable() {
  const auto impl = impl_;
  auto c = std::make_shared<detail::Call<pb::AuthEnableRequest, pb::AuthEnableResponse, int>>();
  if (auto r = co_await impl->call(c, WEFT_ETCD_CALL(auth, AuthEnable)); !r) co_return std::unexpected(r.error());
  co_return Result<>{};
}

}  // namespace weft::kvstore
