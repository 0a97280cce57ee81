#include "podnet/world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "api/server.h"
#include "async/scope.h"
#include "base/log.h"
#include "netlink/netns.h"
#include "pods/endpoint_manager.h"
#include "pods/pods_api.h"
#include "routing/router.h"

namespace weft::podnet {

namespace fs = std::filesystem;

namespace {

socklen_t fill(sockaddr_storage& s, const Address& a, Port port) {
  std::memset(&s, 0, sizeof s);
  if (a.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(s);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, a.bytes().data(), 4);
    return sizeof in;
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(s);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, a.bytes().data(), 16);
  return sizeof in;
}

}  // namespace

Result<std::string> peer_seen(const World& world, const std::string& server_ns, const Address& server,
                              const std::string& client_ns) {
  auto s_ns = netlink::open_netns(world.netns(server_ns));
  if (!s_ns) return fail(s_ns.error());
  auto c_ns = netlink::open_netns(world.netns(client_ns));
  if (!c_ns) return fail(c_ns.error());
  const int family = server.is_v4() ? AF_INET : AF_INET6;
  sockaddr_storage address{};
  const socklen_t length = fill(address, server, 8080);

  Fd listener;
  WEFT_TRY(netlink::run_in_netns(s_ns->get(), [&]() -> Result<> {
    listener = Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
      return fail(errno_error("bind", errno));
    if (::listen(listener.get(), 4) != 0) return fail(errno_error("listen", errno));
    return {};
  }));
  Fd client;
  WEFT_TRY(netlink::run_in_netns(c_ns->get(), [&]() -> Result<> {
    client = Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{5, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(client.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
      return fail(errno_error("connect from " + client_ns + " to " + server.to_string(), errno));
    return {};
  }));
  // More than one segment of the biggest size, so that a wrong MTU shows.
  const std::string load(64 * 1024, 'x');
  if (::send(client.get(), load.data(), load.size(), MSG_NOSIGNAL) < 0) return fail(errno_error("send", errno));
  pollfd ready{listener.get(), POLLIN, 0};
  if (::poll(&ready, 1, 5000) != 1) return fail(Errc::timeout, "no connection arrived");
  sockaddr_storage peer{};
  socklen_t peer_length = sizeof peer;
  const Fd accepted(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &peer_length, SOCK_CLOEXEC));
  const timeval limit{5, 0};
  ::setsockopt(accepted.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::size_t got = 0;
  std::string buffer(65536, 0);
  while (got < load.size()) {
    const auto n = ::recv(accepted.get(), buffer.data(), buffer.size(), 0);
    if (n <= 0)
      return fail(Errc::timeout,
                  "only " + std::to_string(got) + " of " + std::to_string(load.size()) + " bytes arrived");
    got += static_cast<std::size_t>(n);
  }
  char text[INET6_ADDRSTRLEN];
  if (peer.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(peer).sin_addr, text, sizeof text);
  } else {
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(peer).sin6_addr, text, sizeof text);
  }
  return std::string(text);
}

AgentProcess::AgentProcess(const World& world, std::string ns, Node self, std::vector<Node> nodes,
                           routing::Config config)
    : world_(world),
      ns_(std::move(ns)),
      dir_(world.dir() + "/" + ns_),
      self_(std::move(self)),
      nodes_(std::move(nodes)),
      config_(std::move(config)) {
  config_.local = self_.key();
  fs::create_directories(dir_);
}

void AgentProcess::start() {
  const std::string ready = dir_ + "/ready";
  fs::remove(ready);
  pid_ = ::fork();
  if (pid_ == 0) run();
  for (int i = 0; i < 1000; ++i) {
    if (fs::exists(ready)) return;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      break;
    }
    ::usleep(10'000);
  }
  throw std::runtime_error("agent of " + ns_ + " did not become ready: " + shell("tail -5 " + dir_ + "/log").out);
}

void AgentProcess::stop() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 500; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    ::usleep(10'000);
  }
  kill();
}

void AgentProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

namespace {

Task<api::Response> answer_cni(pods::PodsApi& pods, api::Request request) {
  auto body = request.json_body();
  if (!body) co_return api::Response::of(body.error());
  auto answer = co_await pods.handle(std::move(*body));
  co_return api::Response::of(answer);
}

Task<> serve(api::Server& server) {
  auto r = co_await server.run();
  if (!r) log::error("server", {{"error", r.error().message}});
}

Task<int> agent_main(asio::io_context& io, pods::EndpointManager& manager, api::Server& server,
                     routing::NodeRouter& router, std::vector<Prefix> cidrs, std::string ready) {
  auto started = manager.start(cidrs);
  if (!started) {
    log::error("start", {{"error", started.error().message}});
    co_return 1;
  }
  Scope scope(io, "agent");
  auto listening = server.listen();
  if (!listening) {
    log::error("listen", {{"error", listening.error().message}});
    co_return 1;
  }
  scope.spawn("api", serve(server));
  router.start(scope);
  while (!router.status().settled) {
    const auto status = router.status();
    for (const auto& p : status.problems) log::warn("waiting", {{"problem", p}});
    co_await sleep_for(std::chrono::milliseconds(10));
  }
  std::ofstream(ready).close();
  co_await wait_for_termination();
  co_await scope.stop();
  co_return 0;
}

}  // namespace

// In the child: never returns, runs no destructor of the test.
void AgentProcess::run() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open((dir_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  auto ns = netlink::open_netns(world_.netns(ns_));
  if (!ns || ::setns(ns->get(), CLONE_NEWNET) != 0) ::_exit(2);
  auto kernel = netlink::make_linux_kernel();
  if (!kernel) ::_exit(3);
  asio::io_context io;
  Table<LocalPod> pods(io, "pods");
  Table<Node> nodes(io, "nodes");
  for (const auto& n : nodes_) nodes.upsert(n);
  auto monitor = netlink::Monitor::open(io);
  if (!monitor) ::_exit(4);
  std::vector<Address> ips;
  for (const Family f : {Family::v4, Family::v6})
    if (const auto ip = self_.internal_ip(f)) ips.push_back(*ip);
  const routing::Underlay underlay{.v4 = self_.internal_ip(Family::v4), .v6 = self_.internal_ip(Family::v6)};
  pods::EndpointManager manager(**kernel, pods, {.state_dir = state_dir(), .mtu = routing::pod_mtu(config_, underlay)});
  pods::PodsApi cni_api(manager);
  api::Server server(io, socket());
  server.route("POST", "/v1/cni", [&cni_api](api::Request q) { return answer_cni(cni_api, std::move(q)); });
  routing::NodeRouter router(io, **kernel, nodes, config_, ips, std::move(*monitor));
  ::_exit(run_to_completion(io, agent_main(io, manager, server, router, self_.pod_cidrs, dir_ + "/ready")));
}

Outcome cni(const AgentProcess& agent, const std::string& command, const std::string& container,
            const std::string& netns_path, const std::string& more_config) {
  const std::string config = R"({"cniVersion":"1.1.0","name":"weft","type":"weft-cni","socketPath":")" +
                             agent.socket() + R"(","stateDir":")" + agent.state_dir() + "\"" + more_config + "}";
  return shell("echo '" + config + "' | CNI_COMMAND=" + command + " CNI_CONTAINERID=" + container +
               " CNI_NETNS=" + netns_path +
               " CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=test;K8S_POD_NAME=" +
               container + "' " WEFT_CNI);
}

}  // namespace weft::podnet
