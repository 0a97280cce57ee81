#include "bgp/control/parse_common.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::bgp::control {

namespace {

constexpr std::int64_t kMax32 = 4294967295;

struct Named {
  std::string_view name;
  Community value;
};
// cilium-compat section 4.9.
constexpr Named kWellKnown[] = {{"internet", 0},
                                {"planned-shut", 0xffff0000},
                                {"accept-own", 0xffff0001},
                                {"route-filter-translated-v4", 0xffff0002},
                                {"route-filter-v4", 0xffff0003},
                                {"route-filter-translated-v6", 0xffff0004},
                                {"route-filter-v6", 0xffff0005},
                                {"llgr-stale", 0xffff0006},
                                {"no-llgr", 0xffff0007},
                                {"blackhole", 0xffff029a},
                                {"no-export", 0xffffff01},
                                {"no-advertise", 0xffffff02},
                                {"no-export-subconfed", 0xffffff03},
                                {"no-peer", 0xffffff04}};

template <class T>
void sort_unique(std::vector<T>& v) {
  std::sort(v.begin(), v.end());
  v.erase(std::unique(v.begin(), v.end()), v.end());
}

template <class T>
void read_texts(const Reader& r, std::string_view key, Result<T> (*parse)(std::string_view), std::string_view mend,
                std::vector<T>& out) {
  const auto texts = r.texts(key);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (const auto v = parse(texts[i])) {
      out.push_back(*v);
    } else {
      r.error_at(key, i, "\"" + texts[i] + "\"", "is not such a community", std::string(mend));
    }
  }
}

void read_communities(const Reader& r, AdvertisedAttributes& out) {
  read_texts<Community>(r, "standard", parse_community,
                        "give a decimal number of 32 bits, or two of 16 bits as 65000:100", out.communities);
  const auto names = r.texts("wellKnown");
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto* it =
        std::find_if(std::begin(kWellKnown), std::end(kWellKnown), [&](const Named& n) { return n.name == names[i]; });
    if (it != std::end(kWellKnown)) {
      out.communities.push_back(it->value);
      continue;
    }
    std::string all;
    for (const Named& n : kWellKnown) all += (all.empty() ? "" : ", ") + std::string(n.name);
    r.error_at("wellKnown", i, "\"" + names[i] + "\"", "is not a community with a name", "give one of " + all);
  }
  read_texts<LargeCommunity>(r, "large", parse_large_community, "give three numbers of 32 bits as 65000:1:2",
                             out.large);
  read_texts<ExtendedCommunity>(r, "extended", parse_extended_community,
                                "give rt:65000:1, soo:192.0.2.1:7 or 0x and sixteen hexadecimal digits", out.extended);
  sort_unique(out.communities);
  sort_unique(out.large);
  sort_unique(out.extended);
}

std::optional<PrefixRule> read_prefix_rule(const Reader& r) {
  r.require("prefix");
  const std::string text = r.text("prefix");
  if (text.empty()) return std::nullopt;
  const auto prefix = Prefix::parse(text);
  if (!prefix) {
    r.error("prefix", "is not a prefix", "give one such as 10.0.0.0/8 or 2001:db8::/32");
    return std::nullopt;
  }
  const unsigned bits = prefix->address().bits();
  PrefixRule rule{.prefix = *prefix, .min_length = prefix->length(), .max_length = prefix->length(), .permit = true};
  rule.min_length = static_cast<unsigned>(r.integer_or("minLength", prefix->length(), bits, prefix->length()));
  // With a lower bound alone, everything longer is meant.
  const auto upper = r.has("minLength") ? bits : prefix->length();
  rule.max_length = static_cast<unsigned>(r.integer_or("maxLength", prefix->length(), bits, upper));
  if (rule.max_length < rule.min_length)
    r.error("maxLength", fmt::format("is less than minLength {}", rule.min_length),
            fmt::format("give {} to {}", rule.min_length, bits));
  rule.permit = r.choice("action", {"Permit", "Deny"}).value_or(0) == 0;
  return rule;
}

void read_import(const Reader& r, PeerSettings& out) {
  ImportPolicy policy;
  for (const Reader& entry : r.list("prefixes", 1))
    if (auto rule = read_prefix_rule(entry)) policy.rules.push_back(*rule);
  policy.limit = static_cast<std::size_t>(r.integer_or("limit", 1, 10'000'000, 1000));
  policy.table = static_cast<std::uint32_t>(r.integer_or("table", 1, kMax32, 254));
  policy.metric = static_cast<std::uint32_t>(r.integer_or("metric", 1, kMax32, 200));
  if (policy.table == 255)
    r.error("table", "is the kernel's table of its own addresses", "give 254 for the main table, or another");
  out.import = std::move(policy);
}

void read_bfd(const Reader& r, PeerSettings& out) {
  BfdSpec bfd;
  bfd.transmit = std::chrono::milliseconds(r.integer_or("transmitIntervalMilliseconds", 10, 60'000, 300));
  bfd.receive = std::chrono::milliseconds(r.integer_or("receiveIntervalMilliseconds", 10, 60'000, 300));
  bfd.multiplier = static_cast<std::uint8_t>(r.integer_or("detectMultiplier", 1, 255, 3));
  bfd.auth_secret = r.text("authSecretRef");
  bfd.key_id = static_cast<std::uint8_t>(r.integer_or("authKeyID", 0, 255, 1));
  // Not the default: API servers filled it in where nobody had written anything, and such objects are still stored.
  if (r.has("authKeyID") && bfd.key_id != BfdSpec().key_id && bfd.auth_secret.empty())
    r.warn("authKeyID", "has no effect without a key", "name the Secret in authSecretRef");
  if (r.has("multihop")) bfd.multihop = r.boolean("multihop", false);
  if (const auto ttl = r.integer("minimumTTL", 1, 254)) {
    bfd.minimum_ttl = static_cast<std::uint8_t>(*ttl);
    if (bfd.multihop == false)
      r.warn("minimumTTL", "has no effect on single hop, which takes a TTL of 255 and no other", "leave it out");
  }
  out.bfd = std::move(bfd);
}

}  // namespace

AdvertisedAttributes read_attributes(const Reader& r) {
  AdvertisedAttributes out;
  if (const auto communities = r.maybe("communities")) read_communities(*communities, out);
  if (const auto v = r.integer("localPreference", 0, kMax32)) out.local_pref = static_cast<std::uint32_t>(*v);
  if (const auto v = r.integer("med", 0, kMax32)) out.med = static_cast<std::uint32_t>(*v);
  if (const auto v = r.integer("asPathPrepend", 0, 16)) out.prepend = static_cast<unsigned>(*v);
  if (const auto v = r.choice("origin", {"IGP", "EGP", "Incomplete"})) out.origin = static_cast<Origin>(*v);
  if (const auto hop = r.maybe("nextHop")) {
    out.next_hop_v4 = hop->address("ipv4");
    out.next_hop_v6 = hop->address("ipv6");
    for (const auto& [key, address] : {std::pair{"ipv4", out.next_hop_v4}, std::pair{"ipv6", out.next_hop_v6}})
      if (address && (address->is_unspecified() || address->is_multicast() || address->is_link_local()))
        hop->error(key, "is no next hop for others", "give a unicast address that the peer can reach");
    if (out.next_hop_v6 && out.next_hop_v6->is_v4())
      hop->error("ipv6", "is an IPv4 address", "give an IPv6 address: IPv6 routes have no other next hop");
  }
  return out;
}

std::vector<PeerSettings::FamilySpec> read_families(const Reader& r, bool with_advertisements) {
  std::vector<PeerSettings::FamilySpec> out;
  for (const Reader& f : r.list("families")) {
    f.require("afi");
    f.require("safi");
    const auto afi = f.choice("afi", {"ipv4", "ipv6", "l2vpn", "ls", "opaque"});
    const auto safi = f.choice("safi", {"unicast", "multicast", "mpls_label", "encapsulation", "vpls", "evpn", "ls",
                                        "sr_policy", "mup", "mpls_vpn", "mpls_vpn_multicast",
                                        "route_target_constraints", "flowspec_unicast", "flowspec_vpn", "key_value"});
    std::optional<Selector> advertisements;
    if (with_advertisements) advertisements = f.selector("advertisements");
    if (!afi || !safi) continue;
    if (*afi > 1 || *safi != 0) {
      f.warn("", "has no effect", "ipv4 and ipv6 with unicast are spoken here");
      continue;
    }
    const AfiSafi family = *afi == 0 ? kIpv4Unicast : kIpv6Unicast;
    const auto same = [&](const PeerSettings::FamilySpec& o) { return o.family == family; };
    if (std::any_of(out.begin(), out.end(), same)) {
      f.error("afi", "stands twice", "give each family once");
      continue;
    }
    out.push_back({family, std::move(advertisements)});
  }
  return out;
}

std::optional<GracefulRestartConfig> read_graceful_restart(const Reader& r) {
  const auto gr = r.maybe("gracefulRestart");
  if (!gr) return std::nullopt;
  gr->require("enabled");
  const auto seconds = gr->integer_or("restartTimeSeconds", 1, 4095, 120);
  if (!gr->boolean("enabled", false)) return std::nullopt;
  return GracefulRestartConfig{.restart_time = std::chrono::seconds(seconds)};
}

void read_timers(const Reader& r, PeerSettings& out) {
  out.connect_retry = std::chrono::seconds(r.integer_or("connectRetryTimeSeconds", 1, 2147483647, 120));
  out.hold_time = std::chrono::seconds(r.integer_or("holdTimeSeconds", 3, 65535, 90));
  out.keepalive = std::chrono::seconds(r.integer_or("keepAliveTimeSeconds", 1, 65535, 30));
  if (out.keepalive > out.hold_time)
    r.error("keepAliveTimeSeconds",
            fmt::format("{}is more than holdTimeSeconds {}", r.has("keepAliveTimeSeconds") ? "" : "(default 30) ",
                        out.hold_time.count()),
            fmt::format("give 1 to {}; a third of the hold time is usual", out.hold_time.count()));
}

void read_extensions(const Reader& r, std::string_view multihop_field, PeerSettings& out) {
  if (const auto bfd = r.maybe("bfd"))
    if (bfd->boolean("enabled", true)) read_bfd(*bfd, out);
  if (const auto hops = r.integer("ttlSecurity", 1, 254)) {
    out.ttl_security = static_cast<std::uint8_t>(*hops);
    if (out.ebgp_multihop > 1)
      r.error("ttlSecurity", fmt::format("stands beside {} {}", multihop_field, out.ebgp_multihop),
              fmt::format("give one of them: with TTL security packets leave with TTL 255 (RFC 5082)"));
  }
  out.passive = r.boolean("passive", false);
  out.extended_next_hop = r.boolean("extendedNextHop", false);
  out.max_received = static_cast<std::size_t>(r.integer_or("maxReceivedPrefixes", 0, kMax32, 0));
  if (const auto import = r.maybe("import")) read_import(*import, out);
  if (const auto drain = r.maybe("drain"))
    if (const auto s = drain->integer("gracefulShutdownSeconds", 0, 3600))
      out.graceful_shutdown = std::chrono::seconds(*s);
}

std::optional<Asn> read_local_as(const Reader& r) {
  const auto asn = r.integer("localASN", 0, kMax32);
  if (!asn) return std::nullopt;
  if (*asn == 0 || *asn == kAsTrans) {
    r.error("localASN", *asn == 0 ? "is reserved (RFC 7607)" : "stands for numbers beyond 65535 (RFC 6793)",
            "give another, 1 to 4294967295; 64512 to 65534 are private");
    return std::nullopt;
  }
  return static_cast<Asn>(*asn);
}

PeerAs read_peer_as(const Reader& r) {
  const auto asn = r.integer("peerASN", 0, kMax32);
  const auto kind = r.choice("peerAS", {"external", "internal"});
  if (kind && asn.value_or(0) != 0)
    r.error("peerAS", fmt::format("stands beside peerASN {}", *asn), "give one of them");
  if (kind) return {*kind == 0 ? PeerAs::Kind::external : PeerAs::Kind::internal, 0};
  if (asn.value_or(0) == 0) return {PeerAs::Kind::any, 0};
  return {PeerAs::Kind::exact, static_cast<Asn>(*asn)};
}

std::optional<RouterId> read_router_id(const Reader& r, std::string_view key) {
  const auto a = r.address(key);
  if (!a) return std::nullopt;
  if (!a->is_v4() || a->is_unspecified()) {
    r.error(key, "is no router ID", "give one in the form of an IPv4 address, not 0.0.0.0");
    return std::nullopt;
  }
  return RouterId{a->to_v4()};
}

std::string read_interface(const Reader& r, std::string_view key) {
  std::string name = r.text(key);
  if (r.has(key) && (name.empty() || name.size() > 15 || name.find_first_of("/ \t\n") != std::string::npos)) {
    r.error(key, "is no interface's name", "give 1 to 15 characters without spaces and slashes");
    name.clear();
  }
  return name;
}

bool usable_peer(const Reader& r, std::string_view key, const Address& a) {
  if (!a.is_unspecified() && !a.is_multicast()) return true;
  r.error(key, a.is_multicast() ? "is a multicast address" : "is the unspecified address",
          "give the peer's own address");
  return false;
}

}  // namespace weft::bgp::control
