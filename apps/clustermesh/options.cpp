#include "apps/clustermesh/options.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/file.h"

namespace weft::clustermesh {
namespace {

std::optional<std::string> value_of(const Options& o, const char* key) {
  auto text = read_file(o.config_dir + "/" + key);
  if (!text) return std::nullopt;
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  return *text;
}

Result<ClusterId> number(const char* key, const std::string& text) {
  ClusterId n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc{} || end != text.data() + text.size())
    return fail(Errc::invalid, fmt::format("{} \"{}\" is not a number", key, text));
  return n;
}

}  // namespace

Result<> read_config_dir(Options& o) {
  if (o.config_dir.empty()) return {};
  if (const auto name = value_of(o, "cluster-name"); name && o.local.name.empty()) o.local.name = *name;
  if (const auto id = value_of(o, "cluster-id"); id && o.local.id == 0) {
    auto n = number("cluster-id", *id);
    if (!n) return fail(n.error());
    o.local.id = *n;
  }
  if (const auto max = value_of(o, "max-connected-clusters"); max && !max->empty()) {
    auto n = number("max-connected-clusters", *max);
    if (!n) return fail(n.error());
    o.local.max_connected_clusters = *n;
  }
  if (const auto global = value_of(o, "clustermesh-default-global-namespace"); global && !global->empty()) {
    if (*global != "true" && *global != "false")
      return fail(Errc::invalid,
                  fmt::format("clustermesh-default-global-namespace \"{}\": use true or false", *global));
    o.namespaces_global_by_default = *global == "true";
  }
  if (value_of(o, "debug").value_or("") == "true") o.log_level = log::Level::debug;
  if (value_of(o, "log-format").value_or("") == "json") o.log_format = log::Format::json;
  return {};
}

Result<> validate_run(const Options& o) {
  if (o.local.max_connected_clusters != 255 && o.local.max_connected_clusters != 511)
    return fail(Errc::invalid, fmt::format("max-connected-clusters {} is not possible: use 255 or 511",
                                           o.local.max_connected_clusters));
  if (!Address::parse(o.health_address))
    return fail(
        Errc::invalid,
        fmt::format("health-address {} is not an IP address: use 127.0.0.1, or :: for all of them", o.health_address));
  WEFT_TRY(validate_cluster_id(o.local.id, o.local.max_connected_clusters));
  WEFT_TRY(validate_cluster_name(o.local.name, o.local.id));
  if (o.lease_ttl < std::chrono::seconds(25) || o.lease_ttl > std::chrono::hours(24))
    return fail(Errc::invalid,
                fmt::format("kvstore-lease-ttl {} s is out of range: use 25 to 86400", o.lease_ttl.count()));
  return {};
}

}  // namespace weft::clustermesh
