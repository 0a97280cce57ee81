// bgp-speaker: Weft's BGP speaker in a process of its own, for tests against other speakers and for benchmarks.
#include <CLI/CLI.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdio>

#include "async/scope.h"
#include "async/signal.h"
#include "base/file.h"
#include "base/log.h"
#include "bgp/speaker/bfd_edge.h"
#include "bgp/speaker/kernel_routes.h"
#include "bgp/speaker/speaker.h"
#include "netlink/kernel.h"
#include "tests/interop/tool/config.h"
#include "tests/interop/tool/control.h"

namespace {

using namespace weft;

struct Arguments {
  std::string config;
  std::string control;
  std::string bfd_socket;
  bool restarting = false;
  bool graceful = false;
};

struct End {
  explicit End(asio::io_context& io) : gate(io) {}
  Gate gate;
  std::string text;
  bool graceful = false;
};

Task<> wait_for_signal(End& end) {
  const int signal = co_await wait_for_termination();
  log::info("stopping", {{"signal", signal}});
  end.gate.open();
}

Task<int> run(asio::io_context& io, const Arguments& arguments) {
  const auto text = read_file(arguments.config);
  if (!text) {
    log::error("no configuration", {{"why", text.error().message}});
    co_return 2;
  }
  auto wanted = bgp::parse_config(*text);
  if (!wanted) {
    log::error("bad configuration", {{"file", arguments.config}, {"why", wanted.error().message}});
    co_return 2;
  }
  auto kernel = netlink::make_linux_kernel();
  std::unique_ptr<bgp::KernelRoutes> routes;
  if (kernel) routes = std::make_unique<bgp::KernelRoutes>(**kernel);

  bfd::ClientOptions bfd_options{.name = "bgp-speaker"};
  if (!arguments.bfd_socket.empty()) bfd_options.socket = arguments.bfd_socket;
  bfd::Client bfd(io, bfd_options);
  bgp::BfdClientEdge bfd_edge(io, bfd);

  bgp::SpeakerOptions options;
  options.restarting = arguments.restarting;
  bgp::Speaker::Edges edges;
  edges.kernel = routes.get();
  if (!arguments.bfd_socket.empty()) edges.bfd = &bfd_edge;
  bgp::Speaker speaker(io, edges, options);

  End end(io);
  end.graceful = arguments.graceful;
  Scope scope(io, "bgp-speaker");
  scope.spawn("control",
              bgp::serve_control(arguments.control, scope, speaker, [&end](std::string words, bool graceful) {
                end.text = std::move(words);
                end.graceful = graceful;
                end.gate.open();
              }));
  scope.spawn("signals", wait_for_signal(end));
  if (edges.bfd != nullptr) scope.spawn("bfd", bfd.run());
  for (const bgp::PeerFault& f : speaker.apply(std::move(*wanted)))
    log::warn("BGP configuration refused", {{"why", f.why}});
  co_await end.gate.wait();
  co_await speaker.stop(end.text, end.graceful);
  if (edges.bfd != nullptr && !end.graceful) co_await bfd.bye();
  co_await scope.stop();
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"Weft's BGP speaker alone, for tests and benchmarks; see tests/interop/tool/README.md", "bgp-speaker"};
  app.add_option("--config", arguments.config, "JSON file: instances, peers, route sets")->required();
  app.add_option("--control", arguments.control, "path of the control socket")->required();
  app.add_flag("--restarting", arguments.restarting, "an earlier run left sessions with graceful restart behind");
  app.add_flag("--graceful", arguments.graceful, "on SIGTERM leave peers with graceful restart without a word");
  app.add_option("--bfd-socket", arguments.bfd_socket, "socket of weft-bfd, for peers with BFD");
  CLI11_PARSE(app, argc, argv);
  asio::io_context io(1);
  return run_to_completion(io, run(io, arguments));
}
