#include "lab/apiserver/tests/server_fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/tests/free_port.h"
#include "lab/pki/pki.h"

namespace weft::lab::api {
namespace {

template <class T>
T must(Result<T> r) {
  if (!r) throw std::runtime_error(r.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*r);
}

}  // namespace

Ran run(const std::string& command) {
  Ran out;
  FILE* pipe = ::popen(("( " + command + " ) 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  char buffer[4096];
  for (std::size_t n = 0; (n = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.out.append(buffer, n);
  const int status = ::pclose(pipe);
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return out;
}

std::string tool(const std::string& name) {
  std::vector<std::string> folders;
  if (const char* dir = std::getenv("WEFT_TOOLS_DIR")) folders.emplace_back(dir);
  folders.emplace_back(WEFT_SOURCE_DIR "/.cache/tools/bin");
  for (const auto& f : folders)
    if (::access((f + "/" + name).c_str(), X_OK) == 0) return f + "/" + name;
  const auto found = run("command -v " + name);
  return found.code == 0 ? found.out.substr(0, found.out.find('\n')) : "";
}

TestServer::TestServer(std::string extra_flags) : flags_(std::move(extra_flags)) {
  char name[] = "/tmp/weft-apiserver-test-XXXXXX";
  if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
  dir_ = name;
  port_ = weft::testing::free_port();
  const auto ca = must(make_ca("test-ca")), other = must(make_ca("test-ca"));
  const auto admin = must(issue_client(ca, "kubernetes-admin", {"system:masters"}));
  must(write_pair(dir_, "ca", ca));
  must(write_pair(dir_, "server",
                  must(issue_server(ca, "kube-apiserver", {"localhost"}, {*Address::parse("127.0.0.1")}))));
  must(write_pair(dir_, "admin", admin));
  must(write_pair(dir_, "node-n1", must(issue_client(ca, "system:node:n1", {"system:nodes"}))));
  must(write_pair(dir_, "other-ca", must(issue_client(other, "kubernetes-admin", {"system:masters"}))));
  must(write_pair(dir_, "sa", must(make_signing_key())));
  must(write_kubeconfig(kubeconfig(), {{"test", fmt::format("https://127.0.0.1:{}", port_), ca.cert, admin}}));
  start();
}

TestServer::~TestServer() {
  stop();
  std::filesystem::remove_all(dir_);
}

void TestServer::start() {
  const char* bin = std::getenv("WEFT_BIN_DIR");  // binaries of another build, with sanitizers say
  const std::string command = fmt::format(
      "exec {0}/weft-lab-apiserver --etcd-servers {1} --listen 127.0.0.1:{2} --tls-cert-file {3}/server.crt "
      "--tls-private-key-file {3}/server.key "
      "--client-ca-file {3}/ca.crt --service-account-key-file {3}/sa.key --service-cluster-ip-range "
      "10.96.0.0/16,fd00:96:1::/108 {4} >>{3}/log 2>&1",
      bin != nullptr ? bin : WEFT_BIN_DIR, etcd_.endpoint(), port_, dir_, flags_);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  const auto deadline = Steady::now() + std::chrono::seconds(20);
  while (request("GET", "/readyz").code != 200) {
    if (Steady::now() > deadline || ::waitpid(pid_, nullptr, WNOHANG) == pid_)
      throw std::runtime_error("the server does not come up:\n" + log());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void TestServer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the server did not end well:\n" << log();
}

std::string TestServer::log() const { return read_file(dir_ + "/log").value_or(""); }

Reply TestServer::request(const std::string& method, const std::string& path, const std::string& body,
                          const std::string& content_type, const std::string& accept, const std::string& as) {
  std::string who;
  if (as.starts_with("Bearer "))
    who = "-H 'Authorization: " + as + "'";
  else if (!as.empty())
    who = fmt::format("--cert {0}/{1}.crt --key {0}/{1}.key", dir_, as);
  (void)write_file(dir_ + "/body", body);
  const auto ran = run(fmt::format(
      "curl -s --max-time 20 --cacert {0}/ca.crt {1} -X {2} -H 'Content-Type: {3}' -H 'Accept: {4}' {5} -w "
      "'\\n%{{http_code}}' 'https://127.0.0.1:{6}{7}'",
      dir_, who, method, content_type, accept, body.empty() ? "" : "--data-binary @" + dir_ + "/body", port_, path));
  Reply out;
  const auto last = ran.out.rfind('\n');
  if (last == std::string::npos) return out;
  out.code = std::atoi(ran.out.c_str() + last + 1);
  out.body = ran.out.substr(0, last);
  if (auto v = parse_json(out.body)) out.json = std::move(*v);
  return out;
}

std::vector<json::value> TestServer::watch(const std::string& path, int seconds) {
  const auto r = request("GET", fmt::format("{}{}watch=true&timeoutSeconds={}", path,
                                            path.find('?') == std::string::npos ? "?" : "&", seconds));
  std::vector<json::value> out;
  for (std::size_t begin = 0; begin < r.body.size();) {
    const auto end = std::min(r.body.find('\n', begin), r.body.size());
    if (auto v = parse_json(r.body.substr(begin, end - begin)); v && v->is_object()) out.push_back(std::move(*v));
    begin = end + 1;
  }
  return out;
}

}  // namespace weft::lab::api
