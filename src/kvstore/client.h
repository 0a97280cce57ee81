// Client: etcd v3 over gRPC, for coroutines of one io_context.
//
// gRPC works on threads of its own; answers come back to the io_context by asio::post, already decoded. Cancelling a
// coroutine that waits here cancels the call. Calls are not retried: who asks knows whether asking twice is right.
//
// Errors: unavailable (no endpoint answers; the next call tries the next endpoint), timeout, unauthorized (permission
// denied, or no user for our certificate), expired (revision compacted), not_found (lease), exists (user, role),
// exhausted (quota), invalid, and conflict: the endpoint now answers for another data set (its cluster_id changed).
// After a conflict every further call fails the same way: drop the client, make a new one and list everything again
// (cilium-compat section 1.11, "Replica switch detection").
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "kvstore/types.h"

namespace weft::kvstore {

/// Paths of PEM files. They are read again when a connection fails, so that renewed certificates are taken up.
struct TlsFiles {
  std::string ca;
  std::string cert;  // may be empty together with key: no client certificate
  std::string key;
  bool operator==(const TlsFiles&) const = default;
};

struct Options {
  std::vector<std::string> endpoints;  // "https://host:2379", "http://[fd00::1]:2379"
  TlsFiles tls;                        // needed for https
  std::string server_name_override;    // instead of the endpoint's host, for the certificate check
  std::string username;                // with password; empty: by client certificate or no authentication
  std::string password;
  std::chrono::milliseconds dial_timeout{5'000};
  std::chrono::milliseconds request_timeout{10'000};
  std::chrono::milliseconds keepalive_time{15'000};
  std::chrono::milliseconds keepalive_timeout{25'000};
  double qps = 0;  // unary calls a second; 0: no limit
  bool operator==(const Options&) const = default;
};

class WatchStream;

class Client {
 public:
  /// Does not connect yet. Wrong options (no endpoint, unreadable certificate) show up as errors of the calls.
  Client(asio::io_context& io, Options options);
  ~Client();  // not while a coroutine waits on it
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const Options& options() const;
  asio::io_context& io() const;
  /// As of the first answer; 0 before.
  std::uint64_t cluster_id() const;
  /// The endpoint that calls go to at present.
  const std::string& endpoint() const;

  Task<Result<std::optional<KeyValue>>> get(std::string key);
  Task<Result<RangeResult>> range(RangeRequest request);
  Task<Result<PutResult>> put(std::string key, std::string value, LeaseId lease = 0);
  Task<Result<DeleteResult>> del(std::string key, std::string end = {});
  Task<Result<TxnResult>> txn(Txn txn);
  Task<Result<>> compact(EtcdRevision revision);
  Task<Result<ServerStatus>> status();

  /// Lists [key, end) at one revision in growing pages, `first_page` keys first, and hands each page to `page`, which
  /// runs on the io_context. Returns the revision to watch from, less one.
  Task<Result<EtcdRevision>> list(RangeRequest request, std::function<void(std::vector<KeyValue>)> page,
                                  std::int64_t first_page = 256);

  Task<Result<LeaseGrant>> lease_grant(std::chrono::seconds ttl);
  /// The TTL that the lease has now; Errc::not_found when it has expired.
  Task<Result<std::int64_t>> lease_keepalive(LeaseId id);
  Task<Result<>> lease_revoke(LeaseId id);

  /// Opens a watch and waits until the server has confirmed it. The stream asks for a member with a leader.
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request);

  // Users and roles (cilium-compat section 1.15). Already there: Errc::exists; not there: Errc::not_found or
  // Errc::invalid.
  Task<Result<>> user_add(std::string name);  // no password: client certificate's common name only
  /// With every role it has. What it asks from then on is refused; a watch that is open goes on until its connection
  /// ends, since etcd asks for permission when a watch begins and not again.
  Task<Result<>> user_delete(std::string name);
  Task<Result<std::vector<std::string>>> user_list();
  Task<Result<std::vector<std::string>>> user_roles(std::string name);
  Task<Result<>> user_grant_role(std::string user, std::string role);
  Task<Result<>> user_revoke_role(std::string user, std::string role);
  Task<Result<>> role_add(std::string name);
  /// Read permission on [key, end); an empty end means the one key.
  Task<Result<>> role_grant_read(std::string role, std::string key, std::string end);
  Task<Result<>> auth_enable();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

/// One watch. Destroying it ends the watch.
class WatchStream {
 public:
  ~WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  /// The next batch, in order. After an error the stream is dead: open another from the last revision + 1.
  /// Errc::expired: the start revision is compacted, see compact_revision().
  Task<Result<WatchBatch>> next();
  /// Whether next() would return at once.
  bool pending() const;
  /// The store's revision when the watch was made.
  EtcdRevision created_revision() const;
  EtcdRevision compact_revision() const;
  /// Asks for a progress batch now (etcd 3.4 or later).
  void request_progress();

  struct Impl;
  explicit WatchStream(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::kvstore
