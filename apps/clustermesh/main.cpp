// weft-clustermesh: keeps this cluster's mesh store. See `weft-clustermesh --help`.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/clustermesh/commands.h"
#include "async/scope.h"
#include "base/log.h"

int main(int argc, char** argv) {
  using namespace weft;
  clustermesh::Options o;
  std::string endpoint = "https://127.0.0.1:2379";
  long lease_ttl = o.lease_ttl.count();
  bool debug = false, json = false;

  CLI::App app{"Keeps a cluster's mesh store: what other clusters read", "weft-clustermesh"};
  app.set_version_flag("--version", "weft-clustermesh " WEFT_VERSION);
  app.require_subcommand(1);
  app.add_flag("--debug", debug, "log more");
  app.add_flag("--log-json", json, "log as JSON lines");

  auto* init = app.add_subcommand("etcdinit", "prepare the store's data directory: users, roles, authentication");
  init->add_option("--cluster-name", o.local.name, "name of this cluster")->required();
  init->add_option("--etcd-data-dir", o.data_dir, "data directory of the etcd that will serve")->capture_default_str();
  init->add_option("--etcd-cluster-token", o.cluster_token, "makes the store's cluster id its own")
      ->capture_default_str();
  init->add_option("--etcd-binary", o.etcd, "etcd to run")->capture_default_str();
  init->add_option("--users-config", o.users_config, "users.yaml with users of other clusters");

  auto* run = app.add_subcommand("run", "mirror the cluster into the store");
  run->add_option("--config-dir", o.config_dir, "folder with one file a key, as a mounted ConfigMap");
  run->add_option("--cluster-name", o.local.name, "name of this cluster");
  run->add_option("--cluster-id", o.local.id, "id of this cluster, 1 to 255");
  run->add_option("--max-connected-clusters", o.local.max_connected_clusters, "255 or 511, the same in the whole mesh")
      ->capture_default_str();
  run->add_option("--etcd-endpoint", endpoint, "URL of the store")->capture_default_str();
  run->add_option("--etcd-ca", o.store.tls.ca, "CA of the store's certificate");
  run->add_option("--etcd-cert", o.store.tls.cert, "our client certificate, common name admin-<cluster>");
  run->add_option("--etcd-key", o.store.tls.key, "its key");
  run->add_option("--kvstore-lease-ttl", lease_ttl, "seconds that keys outlive this process")->capture_default_str();
  run->add_option("--users-config", o.users_config, "users.yaml with users of other clusters");
  run->add_option("--kubeconfig", o.kubeconfig, "how to reach the Kubernetes API; default: as a pod");
  run->add_option("--health-port", o.health_port, "/healthz, /readyz and /metrics; 0: none")->capture_default_str();
  run->add_option("--health-address", o.health_address, "address that they are served on")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (auto r = clustermesh::read_config_dir(o); !r) {
    std::fprintf(stderr, "weft-clustermesh: %s\n", r.error().message.c_str());
    return 2;
  }
  if (debug) o.log_level = log::Level::debug;
  if (json) o.log_format = log::Format::json;
  log::configure(o.log_level, o.log_format);
  o.store.endpoints = {endpoint};
  o.lease_ttl = std::chrono::seconds(lease_ttl);
  asio::io_context io(1);
  return run_to_completion(io, *init ? clustermesh::etcd_init(io, std::move(o)) : clustermesh::run(io, std::move(o)));
}
