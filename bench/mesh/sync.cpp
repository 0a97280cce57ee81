// A fresh agent syncing one remote cluster from a real etcd: 10 000 services, 100 000 ip entries, 20 000 identities.
// Seconds until the remote is ready and peak memory, beside a bare gRPC range read of the same keys. Each reader is a
// process of its own, so that memory is its own too.
//
// bench_mesh_sync [--json]     runs all; with --read or --bare ENDPOINT it is one of the readers,
//                              with --fill ENDPOINT it writes the keys.
#include <grpcpp/create_channel.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "async/scope.h"
#include "kvstore/proto/rpc.grpc.pb.h"
#include "kvstore/testing/etcd_server.h"
#include "mesh/remote_cluster.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

using namespace std::chrono_literals;
using kvstore::Client;

constexpr int kServices = 10'000, kIps = 100'000, kIdentities = 20'000;
const std::string kCluster = "cluster2";
constexpr ClusterId kId = 2;
constexpr int kRuns = 3;
// What the readers may cost: of the bare read's seconds, and in memory.
constexpr double kMostRatio = 3, kMostMib = 250;

struct Measured {
  double seconds = 0;
  double peak_mib = 0;
  long keys = 0;
};

double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void report(double seconds, long keys) { std::printf("%.6f %.2f %ld\n", seconds, peak_mib(), keys); }

// ---- filling

Task<> write(Client& c, kvstore::Txn txn) {
  const auto r = co_await c.txn(std::move(txn));
  if (!r) {
    std::fprintf(stderr, "bench: %s\n", r.error().message.c_str());
    std::exit(1);
  }
}

Task<int> fill(asio::io_context& io, kvstore::Options options) {
  Client c(io, options);
  kvstore::Txn txn;
  const auto base = *Address::parse("10.64.0.0");
  for (int i = 0; i < kIps + kServices + kIdentities; ++i) {
    if (i < kIps) {
      IpIdentity row;
      row.prefix = Prefix::host(base.plus(static_cast<std::uint64_t>(i)));
      row.host = *Address::parse("172.18.2.11");
      row.id = (kId << 16) + 256 + static_cast<NumericIdentity>(i % kIdentities);
      row.ns = fmt::format("namespace-{}", i % 100);
      row.pod = fmt::format("deployment-{}-7d9f8b6c5d-x{:05}", i % 1000, i);
      txn.then.push_back(kvstore::Op::put(data_prefix(Kind::ip, kCluster) + ip_key(row.prefix), encode_ip(row)));
    } else if (i < kIps + kServices) {
      const int n = i - kIps;
      ClusterService s;
      s.cluster = kCluster, s.cluster_id = kId,
      s.name = {fmt::format("namespace-{}", n % 100), fmt::format("service-{}", n)};
      s.frontends[Address::v4(0x0a610000u + static_cast<std::uint32_t>(n))]["http"] = {Protocol::tcp, 80};
      for (int b = 0; b < 5; ++b)
        s.backends[base.plus(static_cast<std::uint64_t>(n * 5 + b))]["http"] = {Protocol::tcp, 8080};
      s.labels = {{"app", s.name.name}}, s.selector = s.labels;
      txn.then.push_back(
          kvstore::Op::put(data_prefix(Kind::services, kCluster) + s.name.to_string(), encode_service(s)));
    } else {
      const auto id = (kId << 16) + 256 + static_cast<NumericIdentity>(i - kIps - kServices);
      const Labels labels{{"k8s:app", fmt::format("service-{}", id)},
                          {"k8s:io.cilium.k8s.policy.cluster", kCluster},
                          {"k8s:io.cilium.k8s.policy.serviceaccount", "default"},
                          {"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", "namespace-1"},
                          {"k8s:io.kubernetes.pod.namespace", "namespace-1"}};
      txn.then.push_back(
          kvstore::Op::put(data_prefix(Kind::identities, kCluster) + std::to_string(id), encode_identity(labels)));
    }
    if (txn.then.size() == 100) {
      co_await write(c, std::move(txn));
      txn = {};
    }
  }
  for (const Kind k : kMirroredKinds)
    txn.then.push_back(kvstore::Op::put(canary_key(k, kCluster), "2026-01-01T00:00:00Z"));
  txn.then.push_back(
      kvstore::Op::put(cluster_config_key(kCluster),
                       encode_cluster_config({.id = kId, .synced_canaries = true, .max_connected_clusters = 255})));
  co_await write(c, std::move(txn));
  co_return 0;
}

// ---- reading

Task<int> read_all(asio::io_context& io, std::string endpoint) {
  Table<Node> nodes(io, "nodes");
  Table<ClusterService> services(io, "services");
  Table<IpIdentity> ips(io, "ips");
  Table<Identity> identities(io, "identities");
  Table<RemoteStatus> remotes(io, "remotes");
  IdRegistry ids;
  RemoteOptions options;
  options.store.endpoints = {endpoint};
  const LocalCluster local{"cluster1", 1, 255};
  const auto began = Steady::now();

  RemoteCluster remote(io, local, kCluster, options, {nodes, services, ips, identities, remotes}, ids, true);

  remote.start();
  const auto done = [&] {
    return nodes.initialized() && services.initialized() && ips.initialized() && identities.initialized();
  };
  while (!done()) co_await sleep_for(1ms);
  const double seconds = std::chrono::duration<double>(Steady::now() - began).count();
  report(seconds, static_cast<long>(services.size() + ips.size() + identities.size()));
  co_await remote.stop();
  co_return 0;
}

int read_bare(const std::string& endpoint) {
  const auto began = Steady::now();
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  const auto stub = etcdserverpb::KV::NewStub(
      grpc::CreateCustomChannel(endpoint.substr(endpoint.find("//") + 2), grpc::InsecureChannelCredentials(), args));
  long keys = 0;
  for (const Kind k : kMirroredKinds) {
    grpc::ClientContext context;
    etcdserverpb::RangeRequest request;
    request.set_key(data_prefix(k, kCluster));
    request.set_range_end(kvstore::prefix_end(request.key()));
    etcdserverpb::RangeResponse response;
    if (const auto status = stub->Range(&context, request, &response); !status.ok()) {
      std::fprintf(stderr, "bench: %s\n", status.error_message().c_str());
      return 1;
    }
    keys += response.kvs_size();
  }
  report(std::chrono::duration<double>(Steady::now() - began).count(), keys);
  return 0;
}

Measured run_reader(const std::string& program, const char* mode, const std::string& endpoint) {
  const std::string command = fmt::format("'{}' {} {}", program, mode, endpoint);
  FILE* pipe = ::popen(command.c_str(), "r");
  Measured m;
  if (!pipe || std::fscanf(pipe, "%lf %lf %ld", &m.seconds, &m.peak_mib, &m.keys) != 3) {
    std::fprintf(stderr, "bench: the reader %s failed\n", mode);
    std::exit(1);
  }
  ::pclose(pipe);
  return m;
}

Measured best_of(int runs, const std::string& program, const char* mode, const std::string& endpoint) {
  Measured best = run_reader(program, mode, endpoint);
  for (int i = 1; i < runs; ++i) {
    const Measured m = run_reader(program, mode, endpoint);
    best.seconds = std::min(best.seconds, m.seconds);
    best.peak_mib = std::max(best.peak_mib, m.peak_mib);
  }
  return best;
}

int run_all(bool as_json) {
  kvstore::testing::EtcdServer etcd;
  asio::io_context io;
  if (run_to_completion(io, fill(io, etcd.options())) != 0) return 1;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const Measured bare = best_of(kRuns, program, "--bare", etcd.endpoint());
  const Measured agent = best_of(kRuns, program, "--read", etcd.endpoint());
  const double ratio = agent.seconds / bare.seconds;
  const bool ok = ratio <= kMostRatio && agent.peak_mib < kMostMib && agent.keys == bare.keys;
  if (as_json) {
    boost::json::object out{{"name", "mesh_sync"},
                            {"keys", agent.keys},
                            {"seconds", agent.seconds},
                            {"bare_seconds", bare.seconds},
                            {"ratio", ratio},
                            {"most_ratio", kMostRatio},
                            {"peak_rss_mib", agent.peak_mib},
                            {"bare_peak_rss_mib", bare.peak_mib},
                            {"ok", ok}};
    std::puts(boost::json::serialize(out).c_str());
  } else {
    const auto line = [](const char* what, const Measured& m) {
      std::printf("%-58s%8.2f%9.0f\n", what, m.seconds, m.peak_mib);
    };
    std::printf("%-58s%8s%9s   %ld keys, best time and worst memory of %d runs\n", "", "seconds", "peak MiB",
                agent.keys, kRuns);
    line("bare gRPC range read of the same keys", bare);
    line("a fresh agent until the remote is ready", agent);
    std::printf("at most %.0f times bare: it takes %.2f times; below %.0f MiB; all %ld keys: %s\n", kMostRatio, ratio,
                kMostMib, bare.keys, ok ? "ok" : "MISSED");
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace weft::mesh

int main(int argc, char** argv) {
  using namespace weft;
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "--bare" && argc > 2) return mesh::read_bare(argv[2]);
  if (mode == "--read" && argc > 2) {
    asio::io_context io;
    return run_to_completion(io, mesh::read_all(io, argv[2]));
  }
  if (mode == "--fill" && argc > 2) {
    asio::io_context io;
    kvstore::Options options;
    options.endpoints = {argv[2]};
    return run_to_completion(io, mesh::fill(io, options));
  }
  return mesh::run_all(mode == "--json");
}
