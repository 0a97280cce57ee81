#include "node.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <boost/json.hpp>

#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "base/fd.h"

namespace weft::bench {
namespace {

namespace json = boost::json;

std::string beside(const char* program) {
  std::error_code ec;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / program;
  if (!std::filesystem::exists(path, ec)) throw std::runtime_error(path.string() + " is not built: build it first");
  return path.string();
}

std::string config_of(const NodeSpec& s) {
  json::object peer{{"name", "tor"},
                    {"address", s.router},
                    {"remote_asn", s.router_asn},
                    {"connect_retry", 1},
                    {"families", json::array{"ipv4", "ipv6"}},
                    {"routes", "own"}};
  if (s.bfd) peer["bfd"] = json::object{{"transmit_interval_ms", 100}, {"receive_interval_ms", 100}, {"multiplier", 3}};
  if (s.graceful_restart > 0) peer["graceful_restart"] = json::object{{"restart_time", s.graceful_restart}};
  json::array routes;
  for (const auto& p : s.prefixes) routes.push_back(json::object{{"prefix", p}});
  const json::object instance{{"name", "main"},
                              {"local_asn", s.asn},
                              {"router_id", "192.0.2.2"},
                              {"listen_port", 179},
                              {"peers", json::array{peer}}};
  return json::serialize(
      json::object{{"instances", json::array{instance}}, {"route_sets", {{"own", routes}}}, {"complete", true}});
}

}  // namespace

void Node::start(bool restarting) {
  std::error_code ec;
  const auto run = [&](interop::Daemon& daemon, const std::string& name, interop::Argv argv,
                       const std::string& socket) {
    std::filesystem::remove(socket, ec);
    daemon.start(host_, argv, path("node.log"));
    interop::wait_until(
        std::chrono::seconds(60), name + " listens",
        [&] { return !daemon.running() || std::filesystem::exists(socket); }, [&] { return log(); });
    if (!daemon.running()) throw std::runtime_error(name + " ended at once:\n" + log());
  };
  host_.write("speaker.json", config_of(spec_));
  if (spec_.bfd && !bfd_.running())
    run(bfd_, "weft-bfd", {beside("weft-bfd"), "--socket", path("bfd.sock")}, path("bfd.sock"));
  interop::Argv argv{beside("bgp-speaker"), "--config", path("speaker.json"), "--control", path("speaker.sock")};
  if (restarting) argv.emplace_back("--restarting");
  if (spec_.bfd) argv.insert(argv.end(), {"--bfd-socket", path("bfd.sock")});
  run(speaker_, "bgp-speaker", argv, path("speaker.sock"));
}

void Node::forgive() {
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("speaker.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  const timeval limit{30, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const std::string request = R"({"command": "reset", "peer": "tor"})"
                              "\n";
  std::string answer(4096, '\0');
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    throw std::runtime_error("bgp-speaker does not answer:\n" + log());
  const auto n = ::recv(fd.get(), answer.data(), answer.size(), 0);
  answer.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  if (answer.empty() || answer.find("\"error\"") != std::string::npos)
    throw std::runtime_error("bgp-speaker does not reset its peer: " + answer);
}

std::string Node::log() const { return interop::slurp(path("node.log")); }

}  // namespace weft::bench
