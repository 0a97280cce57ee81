#include "apps/bfd/daemon.h"

#include <sys/resource.h>
#include <unistd.h>

#include "async/scope.h"
#include "base/log.h"
#include "bfd/loop/loop.h"
#include "bfd/server/server.h"

namespace weft::bfd {
namespace {

// A socket for each of kMaxSessions, and some for clients.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Task<int> serve(asio::io_context& io, Server& server) {
  Scope scope(io, "bfd");
  scope.spawn("server", server.run());
  const int signal = co_await wait_for_termination();
  log::info("stopping, peers are told AdminDown", {{"signal", signal}});
  co_await scope.stop();
  co_return 0;
}

}  // namespace

int run_daemon(const DaemonOptions& options) {
  raise_descriptor_limit();
  std::string memory = "not locked: not asked for";
  if (options.lock_memory) {
    const auto locked = lock_memory();
    memory = locked ? "locked" : "not locked: " + locked.error().message;
  }
  auto loop =
      Loop::start({.control_plane_independent = options.control_plane_independent, .realtime = options.realtime});
  if (!loop) {
    log::error("cannot start", {{"error", loop.error().message}});
    return 1;
  }
  DaemonInfo info;
  info.version = WEFT_VERSION;
  info.pid = ::getpid();
  info.scheduling = (*loop)->scheduling().to_string();
  info.memory = memory;
  info.without_v6 = (*loop)->without_v6();
  info.control_plane_independent = options.control_plane_independent;
  asio::io_context io(1);
  Server server(io, **loop, info, options.socket);
  if (auto r = server.listen(); !r) {
    log::error("cannot start", {{"error", r.error().message}});
    return 1;
  }
  log::info("weft-bfd runs", {{"version", info.version},
                              {"socket", options.socket},
                              {"thread", info.scheduling},
                              {"memory", info.memory},
                              {"ipv6", info.without_v6.empty() ? "served" : info.without_v6}});
  const int code = run_to_completion(io, serve(io, server));
  (*loop)->stop();
  log::info("weft-bfd ended");
  return code;
}

}  // namespace weft::bfd
