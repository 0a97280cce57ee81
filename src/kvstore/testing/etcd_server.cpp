#include "kvstore/testing/etcd_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "async/scope.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/tests/free_port.h"

namespace weft::kvstore::testing {
namespace fs = std::filesystem;

namespace {
bool listening(const std::string& host, int port) {
  const Fd s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  a.sin_addr.s_addr = ::inet_addr(host.c_str());
  return ::connect(s.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
}
}  // namespace

EtcdServer::EtcdServer(Config config) : config_(std::move(config)) {
  std::string name = (fs::temp_directory_path() / "weft-etcd-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
  dir_ = name;
  home_port_ = config_.port ? config_.port : weft::testing::free_port();
  peer_port_ = weft::testing::free_port();
  if (config_.ca) {
    const auto server = config_.ca->issue(
        "clustermesh-apiserver.cilium.io",
        {"DNS:clustermesh-apiserver.cilium.io", "DNS:*.mesh.cilium.io", "DNS:localhost", "IP:127.0.0.1", "IP:::1"});
    (void)write_file(dir_ + "/ca.crt", config_.ca->pem());
    (void)write_file(dir_ + "/server.crt", server.cert);
    (void)write_file(dir_ + "/server.key", server.key, 0600);
  }
  start();
}

EtcdServer::~EtcdServer() {
  process_ = EtcdProcess();
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
}

std::string EtcdServer::endpoint() const {
  return fmt::format("{}://{}:{}", config_.ca ? "https" : "http", config_.host, port_);
}
std::string EtcdServer::log() const { return read_file(dir_ + "/etcd.log").value_or(""); }

Options EtcdServer::options(const std::string& common_name) const {
  Options o;
  o.endpoints = {endpoint()};
  if (config_.ca) {
    const auto cert = config_.ca->issue(common_name);
    o.tls = {dir_ + "/ca.crt", dir_ + "/" + common_name + ".crt", dir_ + "/" + common_name + ".key"};
    (void)write_file(o.tls.cert, cert.cert);
    (void)write_file(o.tls.key, cert.key, 0600);
  }
  return o;
}

void EtcdServer::start() {
  port_ = home_port_;
  launch();
}
void EtcdServer::start_hidden() {
  port_ = weft::testing::free_port();
  launch();
}
void EtcdServer::launch() {
  const std::string peer = fmt::format("http://127.0.0.1:{}", peer_port_);
  std::vector<std::string> args{"--name=t", "--data-dir=" + dir_ + "/data", "--listen-client-urls=" + endpoint(),
                                "--advertise-client-urls=" + endpoint(), "--listen-peer-urls=" + peer,
                                "--initial-advertise-peer-urls=" + peer, "--initial-cluster=t=" + peer,
                                // Another token makes another cluster_id once the data is wiped.
                                fmt::format("--initial-cluster-token=life-{}", life_), "--unsafe-no-fsync",
                                "--logger=zap", "--log-level=warn"};
  if (config_.ca) {
    args.insert(args.end(), {"--cert-file=" + dir_ + "/server.crt", "--key-file=" + dir_ + "/server.key",
                             "--trusted-ca-file=" + dir_ + "/ca.crt", "--client-cert-auth"});
  }
  auto process = EtcdProcess::start("etcd", args, dir_ + "/etcd.log");
  if (!process) throw std::runtime_error(process.error().message);
  process_ = std::move(*process);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!listening(config_.host, port_)) {
    if (!process_.running() || std::chrono::steady_clock::now() > until)
      throw std::runtime_error("etcd did not start:\n" + log());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // It listens before it has elected itself. Any answer will do, also a refusal.
  asio::io_context io;
  const auto answered = [](asio::io_context& io, Options options) -> Task<int> {
    Client client(io, std::move(options));
    const auto r = co_await client.get("up");
    co_return r || r.error().code == Errc::unauthorized;
  };
  Options asking = options("startup");
  asking.request_timeout = std::chrono::seconds(20);
  if (run_to_completion(io, answered(io, asking)) != 1) throw std::runtime_error("etcd does not answer:\n" + log());
}

void EtcdServer::stop() { process_.stop(); }
void EtcdServer::kill() { process_ = EtcdProcess(); }
void EtcdServer::wipe() {
  ++life_;
  std::error_code ignored;
  fs::remove_all(dir_ + "/data", ignored);
}
void EtcdServer::pause() { process_.signal(SIGSTOP); }
void EtcdServer::resume() { process_.signal(SIGCONT); }

}  // namespace weft::kvstore::testing
