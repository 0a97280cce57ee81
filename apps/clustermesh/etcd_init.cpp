#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <filesystem>

#include "apps/clustermesh/commands.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "kvstore/etcd_process.h"
#include "mesh/store_users.h"

namespace weft::clustermesh {
namespace {

// Two free loopback ports, held at the same time so that they differ.
std::pair<int, int> two_ports() {
  int ports[2] = {0, 0};
  Fd sockets[2];
  for (int i = 0; i < 2; ++i) {
    sockets[i] = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    if (::bind(sockets[i].get(), reinterpret_cast<sockaddr*>(&a), n) == 0 &&
        ::getsockname(sockets[i].get(), reinterpret_cast<sockaddr*>(&a), &n) == 0)
      ports[i] = ntohs(a.sin_port);
  }
  return {ports[0], ports[1]};
}

// The last lines of etcd's own log: what it could not do.
std::string tail(const std::string& file) {
  std::string text = read_file(file).value_or("");
  return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
}

Task<Result<>> prepare(kvstore::Client& client, std::string cluster, std::vector<mesh::StoreUser> users) {
  const auto until = Steady::now() + std::chrono::seconds(60);
  for (;;) {
    const auto up = co_await client.get("cilium/.heartbeat");
    if (up) break;
    if (up.error().code == Errc::unauthorized) {
      log::info("the store has its users already");
      co_return Result<>{};
    }
    if (Steady::now() > until) co_return std::unexpected(up.error());
    co_await sleep_for(std::chrono::milliseconds(50));
  }
  if (auto r = co_await mesh::set_store_users(client, std::move(cluster), std::move(users)); !r) co_return r;
  const auto enabled = co_await client.auth_enable();
  co_return enabled;
}

}  // namespace

Task<int> etcd_init(asio::io_context& io, Options o) {
  if (auto r = validate_cluster_name(o.local.name, 1); !r) {
    log::error("cannot prepare the store", {{"error", r.error().message}});
    co_return 2;
  }
  std::vector<mesh::StoreUser> users;
  if (!o.users_config.empty()) {
    const auto text = read_file(o.users_config);
    if (!text) {
      log::warn("no users of other clusters yet", {{"file", o.users_config}, {"error", text.error().message}});
    } else {
      auto parsed = mesh::parse_store_users(*text);
      if (!parsed) {
        log::error("cannot prepare the store", {{"file", o.users_config}, {"error", parsed.error().message}});
        co_return 2;
      }
      users = std::move(*parsed);
    }
  }
  std::error_code ec;
  std::filesystem::create_directories(o.data_dir, ec);
  std::filesystem::permissions(o.data_dir, std::filesystem::perms::owner_all, ec);  // etcd insists on 0700
  const auto [client_port, peer_port] = two_ports();
  const std::string url = fmt::format("http://127.0.0.1:{}", client_port),
                    peer = fmt::format("http://127.0.0.1:{}", peer_port);
  const std::string log_file =
      (std::filesystem::temp_directory_path() / fmt::format("weft-etcdinit-{}.log", ::getpid())).string();
  const std::vector<std::string> args{"--name=clustermesh-apiserver",
                                      "--data-dir=" + o.data_dir,
                                      "--listen-client-urls=" + url,
                                      "--advertise-client-urls=" + url,
                                      "--listen-peer-urls=" + peer,
                                      "--initial-advertise-peer-urls=" + peer,
                                      "--initial-cluster=clustermesh-apiserver=" + peer,
                                      "--initial-cluster-token=" + o.cluster_token};
  auto etcd = kvstore::EtcdProcess::start(o.etcd, args, log_file);
  if (!etcd) {
    log::error("cannot prepare the store", {{"error", etcd.error().message}});
    co_return 1;
  }
  kvstore::Options store;
  store.endpoints = {url};
  kvstore::Client client(io, store);
  Result<> r = co_await prepare(client, o.local.name, std::move(users));
  etcd->stop();
  if (!r) {
    log::error("cannot prepare the store", {{"error", r.error().message}, {"etcd", tail(log_file)}});
  } else {
    log::info("the store is prepared", {{"cluster", o.local.name}, {"data", o.data_dir}});
  }
  std::filesystem::remove(log_file, ec);
  co_return r ? 0 : 1;
}

}  // namespace weft::clustermesh
