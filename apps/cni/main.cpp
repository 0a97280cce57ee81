// weft-cni: the CNI plugin. Reads the request from environment and stdin as the specification says, hands it to the
// agent, prints what the agent says. It decides nothing by itself, needs no cluster, and is one static file that can be
// copied to any node.
//
//   ADD without an agent   → error 11 (try again later): the runtime repeats it
//   DEL without an agent   → noted in <stateDir>/delete-queue, success: a node that shuts down must not hang on us
//
// Our own keys of the network configuration: "socketPath" (default /var/run/weft/weft.sock),
// "stateDir" (default /var/run/weft/state).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>

#include "agent_client.h"

namespace {

namespace json = boost::json;

constexpr unsigned kInvalidEnvironment = 4, kIoFailure = 5, kDecodeFailure = 6, kTryAgainLater = 11, kUnavailable = 50,
                   kInternal = 100;
constexpr int kAnswerSeconds = 90;

std::string env(const char* name) {
  const char* v = std::getenv(name);
  return v == nullptr ? "" : v;
}

int print(const json::value& v) {
  const std::string text = json::serialize(v) + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}

int print_error(const std::string& version, unsigned code, const std::string& message,
                const std::string& details = {}) {
  json::object o{{"cniVersion", version}, {"code", code}, {"msg", message}};
  if (!details.empty()) o["details"] = details;
  print(o);
  return 1;
}

std::string read_stdin() {
  std::string out;
  char buffer[8192];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

// "K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop"
json::object parse_args(std::string_view text) {
  json::object out;
  while (!text.empty()) {
    const auto end = text.find(';');
    const auto pair = text.substr(0, end);
    if (const auto eq = pair.find('='); eq != std::string_view::npos)
      out[pair.substr(0, eq)] = std::string(pair.substr(eq + 1));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

std::string text_of(const json::object& o, std::string_view key, std::string_view otherwise) {
  const auto* v = o.if_contains(key);
  return std::string(v != nullptr && v->is_string() && !v->get_string().empty() ? std::string_view(v->get_string())
                                                                                : otherwise);
}

// One file per attachment: a second DEL for the same replaces the first. Complete or not there at all.
std::expected<std::string, std::string> queue_delete(const std::string& state_dir, const std::string& container,
                                                     const std::string& ifname, const std::string& body) {
  const std::string dir = state_dir + "/delete-queue";
  for (std::size_t slash = 1; slash != std::string::npos;) {
    slash = dir.find('/', slash + 1);
    if (::mkdir(dir.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST)
      return std::unexpected(dir + ": " + std::strerror(errno));
  }
  const std::string path = dir + "/" + container + "-" + ifname + ".json";
  const std::string beside = path + ".tmp" + std::to_string(::getpid());
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(beside + ": " + std::strerror(errno));
  const bool whole = ::write(fd, body.data(), body.size()) == static_cast<ssize_t>(body.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (whole && ::rename(beside.c_str(), path.c_str()) == 0) return path;
  const std::string why = path + ": " + std::strerror(errno);
  ::unlink(beside.c_str());
  return std::unexpected(why);
}

int run() {
  const std::string command = env("CNI_COMMAND");
  boost::system::error_code ec;
  const json::value parsed = json::parse(read_stdin(), ec);
  const json::object config = !ec && parsed.is_object() ? parsed.get_object() : json::object{};
  const std::string version = text_of(config, "cniVersion", "1.0.0");
  if (command == "VERSION") {
    json::array all;
    for (const char* v : {"0.3.1", "0.4.0", "1.0.0", "1.1.0"})
      all.emplace_back(v);  // as pods/cni.cpp; podnet_test compares
    return print(json::object{{"cniVersion", version}, {"supportedVersions", std::move(all)}});
  }
  if (command.empty())
    return print_error(version, kInvalidEnvironment,
                       "CNI_COMMAND: missing; weft-cni is run by the container runtime, not by hand");
  if (ec || !parsed.is_object())
    return print_error(version, kDecodeFailure, "network configuration (stdin): must be a JSON object",
                       ec ? ec.message() : "");

  const std::string container = env("CNI_CONTAINERID");
  const std::string ifname = env("CNI_IFNAME");
  const json::object request{{"command", command},
                             {"containerId", container},
                             {"netns", env("CNI_NETNS")},
                             {"ifname", ifname},
                             {"args", parse_args(env("CNI_ARGS"))},
                             {"config", parsed}};
  const std::string body = json::serialize(request);
  const std::string socket_path = text_of(config, "socketPath", "/var/run/weft/weft.sock");
  const std::string state_dir = text_of(config, "stateDir", "/var/run/weft/state");

  auto answer = weft::cni::post(socket_path, "/v1/cni", body, kAnswerSeconds);
  if (!answer && answer.error().agent_down) {
    const std::string down = "the weft agent on this node does not answer (" + answer.error().why + ")";
    if (command == "STATUS")
      return print_error(version, kUnavailable, down, "see: kubectl -n kube-system get pods -l k8s-app=weft");
    if (command == "GC") return 0;  // best effort by the specification; the next GC finds what this one left
    if (command != "DEL")
      return print_error(version, kTryAgainLater, down + "; trying again will work once it runs",
                         "see: kubectl -n kube-system get pods -l k8s-app=weft");
    if (container.empty() || container.find('/') != std::string::npos || ifname.empty() ||
        ifname.find('/') != std::string::npos)
      return print_error(version, kInvalidEnvironment, "CNI_CONTAINERID and CNI_IFNAME: must be set and hold no '/'");
    const auto queued = queue_delete(state_dir, container, ifname, body);
    if (!queued)
      return print_error(version, kIoFailure, down + " and the delete could not be noted for it: " + queued.error());
    // An agent that came up meanwhile has read its queue already: tell it, too. Failure is fine, the note stays.
    if (weft::cni::post(socket_path, "/v1/cni", body, kAnswerSeconds)) ::unlink(queued->c_str());
    return 0;
  }
  if (!answer) return print_error(version, kInternal, answer.error().why);

  const json::value result = json::parse(*answer, ec);
  if (ec || !result.is_object())
    return print_error(version, kDecodeFailure, "the agent's answer is not a JSON object", *answer);
  if (result.get_object().contains("code")) {
    print(result);
    return 1;
  }
  return command == "ADD" ? print(result) : 0;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& e) {
    return print_error("1.0.0", kInternal, e.what());
  }
}
