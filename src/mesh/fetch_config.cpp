#include "mesh/fetch_config.h"

#include <fmt/format.h>

#include "kvstore/tls_probe.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

constexpr std::chrono::milliseconds kProbe{1'000};

}  // namespace

Task<Result<ClusterConfig>> fetch_cluster_config(kvstore::Client& client, ConfigQuestion question) {
  const auto& [us, name, store] = question;
  const std::string key = cluster_config_key(name);
  const std::string asked = client.endpoint();  // when it fails, the client moves on
  std::string ask = key;
  auto got = co_await client.get(std::move(ask));
  const std::string who = fmt::format("cluster {} at {}", name, asked);
  if (!got) {
    Error error = got.error();
    if (error.code == Errc::unavailable || error.code == Errc::timeout) {
      // The connection itself fails: find out whether certificates are the reason.
      std::string url = asked;
      kvstore::Options copy = store;
      copy.dial_timeout = std::min(copy.dial_timeout, kProbe);
      std::string server = fmt::format("the mesh store of cluster {}", name);
      const auto probe = co_await kvstore::probe_tls(std::move(url), std::move(copy), std::move(server));
      if (!probe) error = probe.error();
      co_return std::unexpected(error.in(fmt::format("cluster {} cannot reach cluster {}", us, name)));
    }
    if (error.code == Errc::unauthorized)
      co_return fail(
          Errc::unauthorized,
          fmt::format(
              "{} does not let cluster {} read {}: it knows another cluster.name than \"{}\" for itself, or has "
              "no user for our certificate ({})",
              who, us, key, name, error.message));
    co_return std::unexpected(error.in(fmt::format("cluster {} reading the configuration of {}", us, who)));
  }
  if (!*got)
    co_return fail(
        Errc::invalid,
        fmt::format(
            "{} has no cluster configuration for cluster {} to read (key {}): check that its cluster.name is \"{}\" "
            "and that weft-clustermesh runs there",
            who, us, key, name));
  auto config = decode_cluster_config((*got)->value);
  if (!config)
    co_return fail(Errc::invalid,
                   fmt::format("{} has a cluster configuration that cluster {} cannot read (key {}): {}; restart its "
                               "clustermesh-apiserver so that it writes it again",
                               who, us, key, config.error().message));
  co_return *config;
}

}  // namespace weft::mesh
