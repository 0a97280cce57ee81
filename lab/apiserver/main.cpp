// weft-lab-apiserver: the lab's Kubernetes API server. Flags are named as the real kube-apiserver's.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "async/scope.h"
#include "base/file.h"
#include "base/log.h"
#include "lab/apiserver/api.h"

namespace weft::lab::api {
namespace {

struct Flags {
  std::vector<std::string> etcd_servers;
  std::string etcd_ca, etcd_cert, etcd_key;
  std::string listen = "0.0.0.0:6443", cert, key, client_ca;
  std::string service_ranges = "10.96.0.0/16", node_ports = "30000-32767";
  std::string account_key, issuer = "https://kubernetes.default.svc.cluster.local";
  std::string advertise;
  std::vector<std::string> authorization = {"Node", "RBAC"};
  std::size_t history = 8192;
  bool debug = false;
};

Result<ApiOptions> options_of(const Flags& f, const SocketAddress& listen) {
  ApiOptions out;
  for (std::size_t begin = 0; begin <= f.service_ranges.size();) {
    const auto end = std::min(f.service_ranges.find(',', begin), f.service_ranges.size());
    auto range = Prefix::parse(f.service_ranges.substr(begin, end - begin));
    if (!range) return fail(range.error().in("--service-cluster-ip-range"));
    out.service_ranges.push_back(*range);
    begin = end + 1;
  }
  if (out.service_ranges.size() > 2 ||
      (out.service_ranges.size() == 2 && out.service_ranges[0].family() == out.service_ranges[1].family()))
    return fail(Errc::invalid, fmt::format("--service-cluster-ip-range {}: expected one range, or one of each family",
                                           f.service_ranges));
  unsigned first = 0, last = 0;
  if (std::sscanf(f.node_ports.c_str(), "%u-%u", &first, &last) != 2 || first == 0 || first > last || last > 65535)
    return fail(Errc::invalid,
                fmt::format("--service-node-port-range {}: expected FIRST-LAST, e.g. 30000-32767", f.node_ports));
  out.first_node_port = static_cast<Port>(first);
  out.last_node_port = static_cast<Port>(last);
  if (!f.account_key.empty()) {
    auto pem = read_file(f.account_key);
    if (!pem) return fail(pem.error().in("--service-account-key-file"));
    auto signer = TokenSigner::make(*pem, f.issuer);
    if (!signer) return fail(signer.error().in("--service-account-key-file " + f.account_key));
    out.signer = std::move(*signer);
  }
  auto advertise = Address::parse(f.advertise.empty() ? listen.address.to_string() : f.advertise);
  if (!advertise) return fail(advertise.error().in("--advertise-address"));
  if (advertise->is_unspecified())
    return fail(Errc::invalid, fmt::format("--advertise-address: needed when --listen is {}", f.listen));
  out.rbac = std::ranges::find(f.authorization, "AlwaysAllow") == f.authorization.end();
  out.advertise = *advertise;
  out.port = listen.port;
  return out;
}

Task<Result<>> serve_until_stopped(asio::io_context& io, const Flags& flags, SocketAddress listen) {
  kvstore::Options etcd;
  etcd.endpoints = flags.etcd_servers;
  etcd.tls = {flags.etcd_ca, flags.etcd_cert, flags.etcd_key};
  Store store(io, std::move(etcd), flags.history);
  auto options = options_of(flags, listen);
  if (!options) co_return std::unexpected(options.error());
  Api api(store, std::move(*options));
  Api* api_pointer = &api;
  HttpServer server(io, {listen, flags.cert, flags.key, flags.client_ca},
                    [api_pointer](HttpRequest r) { return api_pointer->handle(std::move(r)); });
  WEFT_CO_TRY(server.start());
  auto loaded = co_await store.load();
  if (!loaded) co_return fail(loaded.error().in("reading etcd"));
  Scope scope(io, "apiserver");
  Error lost;
  Notifier done(io);
  struct Run {
    static Task<> follow(Store& s, Error& lost, Notifier& done) {
      auto r = co_await s.follow();
      if (!r) lost = r.error();
      done.notify();
    }
    static Task<> signals(Notifier& done) {
      co_await wait_for_termination();
      done.notify();
    }
  };
  const auto seen = done.version();
  scope.spawn("follow etcd", Run::follow(store, lost, done));
  scope.spawn("signals", Run::signals(done));
  auto ready = co_await api.bootstrap();
  if (!ready) co_return fail(ready.error().in("making the system's objects"));
  scope.spawn("events", api.expire_events());
  scope.spawn("compact etcd", store.compact());
  scope.spawn("definitions", api.clean_up_definitions());
  scope.spawn("accept", server.run());
  log::info("serving", {{"address", listen.to_string()}, {"port", server.port()}, {"objects_at", store.revision()}});
  co_await done.changed_since(seen);
  co_await scope.stop();
  co_await server.stop();
  if (!lost.message.empty()) co_return fail(lost.in("following etcd"));
  co_return Result<>{};
}

int run(int argc, char** argv) {
  Flags f;
  CLI::App app{"The lab's Kubernetes API server over etcd. A stand-in: what it offers it does as the real one does."};
  app.add_option("--etcd-servers", f.etcd_servers, "etcd endpoints")->delimiter(',')->required();
  app.add_option("--etcd-cafile", f.etcd_ca, "CA of etcd");
  app.add_option("--etcd-certfile", f.etcd_cert, "client certificate for etcd");
  app.add_option("--etcd-keyfile", f.etcd_key, "its key");
  app.add_option("--listen", f.listen, "ADDRESS:PORT to serve on")->capture_default_str();
  app.add_option("--tls-cert-file", f.cert, "server certificate")->required();
  app.add_option("--tls-private-key-file", f.key, "its key")->required();
  app.add_option("--client-ca-file", f.client_ca, "CA of client certificates");
  app.add_option("--service-cluster-ip-range", f.service_ranges, "one range, or one of each family: v4,v6")
      ->capture_default_str();
  app.add_option("--service-node-port-range", f.node_ports, "FIRST-LAST")->capture_default_str();
  app.add_option("--service-account-key-file", f.account_key,
                 "RSA private key that signs and verifies service account tokens");
  app.add_option("--service-account-issuer", f.issuer, "issuer in tokens")->capture_default_str();
  app.add_option("--advertise-address", f.advertise,
                 "address of the kubernetes service's endpoint; default: the one listened on");
  app.add_option("--authorization-mode", f.authorization,
                 "Node,RBAC, or AlwaysAllow: whoever is known may do everything")
      ->delimiter(',')
      ->check(CLI::IsMember({"Node", "RBAC", "AlwaysAllow"}))
      ->capture_default_str();
  app.add_option("--default-watch-cache-size", f.history, "changes of each resource that a watch can resume over")
      ->capture_default_str();
  app.add_flag("--debug", f.debug, "log more");
  CLI11_PARSE(app, argc, argv);
  log::configure(f.debug ? log::Level::debug : log::Level::info, log::Format::text);
  const auto listen = SocketAddress::parse(f.listen);
  if (!listen) {
    log::error("wrong flag", {{"flag", "--listen"}, {"error", listen.error().message}});
    return 2;
  }
  asio::io_context io(1);
  struct Main {
    static Task<int> go(asio::io_context& io, const Flags& flags, SocketAddress listen) {
      auto r = co_await serve_until_stopped(io, flags, listen);
      if (r) co_return 0;
      log::error("stopped", {{"error", r.error().message}});
      co_return 1;
    }
  };
  return run_to_completion(io, Main::go(io, f, *listen));
}

}  // namespace
}  // namespace weft::lab::api

int main(int argc, char** argv) { return weft::lab::api::run(argc, argv); }
