// What Client and WatchStream share. Internal to kvstore.
#pragma once

#include "kvstore/client.h"
#include "kvstore/connection.h"
#include "kvstore/hub.h"

namespace weft::kvstore {

/// Takes the strings out of `kv`.
KeyValue from_proto(mvccpb::KeyValue& kv);

namespace detail {

/// One call: request and answer on the wire, and what we make of the answer, already on gRPC's thread.
template <class Request, class Response, class Out>
struct Call {
  grpc::ClientContext context;
  Request request;
  Response response;
  std::function<Out(Response&)> convert;
  Out out{};
  void finish() {
    if (convert) out = convert(response);
  }
};

}  // namespace detail

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
  Impl(asio::io_context& io_context, Options options)
      : io(io_context), hub(Hub::of(io_context)), connection(std::move(options)) {}

  /// Cluster still the same, our turn by the rate limit, authenticated.
  Task<Result<>> before_call();
  Task<Result<>> authenticate();
  void note_failure(const grpc::Status& status, const std::string& endpoint);

  static Task<Result<RangeResult>> range(std::shared_ptr<Impl> impl, RangeRequest request);
  template <class Request, class Response, class Out, class Start>
  Task<Result<Out>> call(std::shared_ptr<detail::Call<Request, Response, Out>> c, Start start);

  asio::io_context& io;
  std::shared_ptr<Hub> hub;
  Connection connection;
  Steady::time_point next_slot{};
};

}  // namespace weft::kvstore
