#include "bgp/speaker/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bgp/speaker/tcp.h"

namespace weft::bgp {

namespace {

using std::chrono::seconds;
constexpr seconds kLeastHoldTime{3};  // RFC 4271 §4.2
constexpr seconds kGreatestHoldTime{65535};
constexpr seconds kGreatestRestartTime{4095};  // twelve bits (RFC 4724 §3)

std::map<std::string, const PeerConfig*> by_name(const InstanceConfig& i) {
  std::map<std::string, const PeerConfig*> out;
  for (const PeerConfig& p : i.peers) out.emplace(p.name, &p);
  return out;
}

class Check {
 public:
  Check(std::vector<PeerFault>& out, const InstanceConfig& instance, const PeerConfig* peer)
      : out_(out), instance_(instance), peer_(peer) {}
  void operator()(bool fine, std::string why) {
    if (fine) return;
    const std::string who = peer_ == nullptr ? fmt::format("BGP instance {}", instance_.name)
                                             : fmt::format("BGP peer {}/{}", instance_.name, peer_->name);
    out_.push_back({instance_.name, peer_ == nullptr ? "" : peer_->name, who + ": " + why});
  }

 private:
  std::vector<PeerFault>& out_;
  const InstanceConfig& instance_;
  const PeerConfig* peer_;
};

void check_peer(Check& check, const PeerConfig& p) {
  check(p.address || !p.interface.empty(), "has neither address nor interface; name one of them");
  check(!p.address || !p.address->is_v6() || !p.address->is_link_local() || !p.interface.empty(),
        fmt::format("address {} is link-local; name the interface it is on",
                    p.address ? p.address->to_string() : std::string()));
  check(!p.address || (!p.address->is_unspecified() && !p.address->is_multicast()),
        fmt::format("address {} is no host's", p.address ? p.address->to_string() : std::string()));
  check(!p.address || !p.local_address || p.local_address->family() == p.address->family(),
        fmt::format("local address {} is of the other family than the peer's address; name one of the same",
                    p.local_address ? p.local_address->to_string() : std::string()));
  check(!p.password || (!p.password->empty() && p.password->size() <= kMaxPassword),
        fmt::format("password has {} bytes; TCP MD5 takes 1 to {}", p.password ? p.password->size() : 0, kMaxPassword));
  check(p.hold_time == seconds(0) || (p.hold_time >= kLeastHoldTime && p.hold_time <= kGreatestHoldTime),
        fmt::format("hold time {} s; it is 0 or 3 to 65535 s", p.hold_time.count()));
  check(p.keepalive >= seconds(0) && p.keepalive <= kGreatestHoldTime,
        fmt::format("keepalive time {} s; it is 0 to 65535 s", p.keepalive.count()));
  check(p.connect_retry >= seconds(1), fmt::format("connect retry time {} s; at least 1 s", p.connect_retry.count()));
  check(p.ebgp_multihop >= 1, "multihop TTL 0; at least 1");
  check(!p.ttl_security || (*p.ttl_security >= 1 && *p.ttl_security <= 254),
        fmt::format("TTL security over {} hops; 1 to 254", p.ttl_security.value_or(0)));
  check(!p.graceful_restart || (p.graceful_restart->restart_time >= seconds(0) &&
                                p.graceful_restart->restart_time <= kGreatestRestartTime),
        "restart time outside 0 to 4095 s");
  check(!p.families.empty(), "no address family; name ipv4/unicast, ipv6/unicast or both");
  for (const AfiSafi f : p.families)
    check(family_of(f).has_value(),
          "family " + f.to_string() + " is not spoken here; use ipv4/unicast or ipv6/unicast");
}

}  // namespace

PeerDifference difference(const InstanceConfig& was, const PeerConfig& old, const InstanceConfig& is,
                          const PeerConfig& now) {
  PeerDifference d;
  const auto field = [&](bool same, const char* name, PeerChange cost) {
    if (same) return;
    d.fields.emplace_back(name);
    d.change = std::max(d.change, cost);
  };
  using enum PeerChange;
  field(was.local_as == is.local_as, "local ASN", reset);
  field(was.router_id == is.router_id, "router id", reset);
  field(old.address == now.address, "address", replace);
  field(old.interface == now.interface, "interface", replace);
  field(old.port == now.port, "port", reset);
  field(old.remote_as == now.remote_as, "remote ASN", reset);
  field(old.local_address == now.local_address, "local address", replace);
  field(old.source_interface == now.source_interface, "source interface", replace);
  field(old.password == now.password, "password", reset);
  field(old.held_down == now.held_down, "held down", reset);
  field(old.hold_time == now.hold_time, "hold time", reset);
  field(old.keepalive == now.keepalive, "keepalive time", reset);
  field(old.ebgp_multihop == now.ebgp_multihop, "multihop TTL", reset);
  field(old.ttl_security == now.ttl_security, "TTL security", reset);
  field(old.graceful_restart == now.graceful_restart, "graceful restart", reset);
  field(old.families == now.families, "families", reset);
  field(old.extended_next_hop == now.extended_next_hop, "extended next hop", reset);
  field(old.held_for_now == now.held_for_now, "held down", adjust);
  field(old.connect_retry == now.connect_retry, "connect retry time", adjust);
  field(old.passive == now.passive, "passive", adjust);
  field(old.bfd == now.bfd, "BFD", adjust);
  field(old.max_received == now.max_received, "received limit", adjust);
  field(old.import == now.import, "import", adjust);
  field(old.routes == now.routes, "routes", adjust);
  field(old.graceful_shutdown == now.graceful_shutdown, "graceful shutdown", adjust);
  return d;
}

InstanceDifference difference(const InstanceConfig& was, const InstanceConfig& is) {
  InstanceDifference d;
  const auto before = by_name(was), after = by_name(is);
  for (const auto& [name, peer] : before)
    if (!after.contains(name)) d.removed.push_back(name);
  for (const auto& [name, peer] : after) {
    const auto old = before.find(name);
    if (old == before.end()) {
      d.added.push_back(name);
      continue;
    }
    PeerDifference p = difference(was, *old->second, is, *peer);
    if (p.change == PeerChange::replace) {
      d.removed.push_back(name);
      d.added.push_back(name);
    } else if (p.change != PeerChange::none) {
      d.changed.emplace_back(name, std::move(p));
    }
  }
  return d;
}

std::vector<SocketAddress> wanted_listeners(const Wanted& wanted) {
  std::set<SocketAddress> all;
  for (const auto& [name, instance] : wanted.instances) {
    if (!instance.config.listen_port) continue;
    const Port port = *instance.config.listen_port;
    if (instance.config.listen_addresses.empty())
      for (const Family f : {Family::v4, Family::v6}) all.insert({Address::any(f), port});
    for (const Address& a : instance.config.listen_addresses) all.insert({a, port});
  }
  std::vector<SocketAddress> out;
  for (const SocketAddress& s : all)
    if (s.address.is_unspecified() || !all.contains({Address::any(s.address.family()), s.port})) out.push_back(s);
  return out;
}

bool listens_at(const InstanceConfig& instance, const SocketAddress& listener) {
  if (instance.listen_port != listener.port) return false;
  const std::vector<Address>& own = instance.listen_addresses;
  if (own.empty()) return listener.address.is_unspecified();
  return std::any_of(own.begin(), own.end(), [&](const Address& a) {
    return a == listener.address || (listener.address.is_unspecified() && a.family() == listener.address.family());
  });
}

namespace {

// RFC 2385 in the kernel: one password for a peer's address and a listening socket, so two peers of one address that
// arrive there must have the same. That holds for a link-local address on two links too: the only interface that a
// password can be bound to (TCP_MD5SIG_FLAG_IFINDEX) is a VRF.
void check_passwords(const Wanted& wanted, const PeerNames& yielding, std::vector<PeerFault>& out) {
  struct Holder {
    const InstanceConfig* instance;
    const PeerConfig* peer;
  };
  std::vector<Holder> all, last;
  for (const auto& [name, instance] : wanted.instances)
    for (const PeerConfig& p : instance.config.peers)
      (yielding.contains({instance.config.name, p.name}) ? last : all).push_back({&instance.config, &p});
  all.insert(all.end(), last.begin(), last.end());
  PeerNames refused;
  for (const SocketAddress& at : wanted_listeners(wanted)) {
    std::map<std::pair<std::optional<Address>, std::string>, Holder> first;
    for (const Holder& holder : all) {
      const InstanceConfig& c = *holder.instance;
      const PeerConfig& p = *holder.peer;
      // Without an address it is a link-local one.
      const Family family = p.address ? p.address->family() : Family::v6;
      if (!listens_at(c, at) || !p.held_down.empty() || family != at.address.family()) continue;
      const auto [known, fresh] = first.try_emplace({p.address, p.address ? "" : p.interface}, holder);
      const Holder& other = known->second;
      if (fresh || other.peer->password == p.password) continue;
      // Two of one instance at one place are a fault in themselves.
      if (other.instance == &c && other.peer->interface == p.interface) continue;
      if (!refused.emplace(c.name, p.name).second) continue;
      const std::string mend = other.instance == &c ? "give them the same, or one router another link-local address"
                                                    : "give them the same, or one of the instances another localPort";
      Check(out, c, &p)(
          false,
          fmt::format("address {} and port {} are those of peer {}/{} too, which has another password; TCP MD5 "
                      "takes one for both{}: {}",
                      p.address ? p.address->to_string() : "on " + p.interface, at.port, other.instance->name,
                      other.peer->name, other.peer->interface == p.interface ? "" : ", whatever the link", mend));
    }
  }
}

}  // namespace

std::vector<PeerFault> faults(const Wanted& wanted, const PeerNames& yielding) {
  std::vector<PeerFault> out;
  for (const auto& [name, instance] : wanted.instances) {
    const InstanceConfig& c = instance.config;
    Check whole(out, c, nullptr);
    whole(c.local_as != 0 && c.local_as != kAsTrans,
          fmt::format("local ASN {} is reserved (RFC 7607, RFC 6793); use another", c.local_as));
    whole(c.router_id.value != 0, "router id is 0.0.0.0; give it an IPv4 address of its own");
    for (const Address& a : c.listen_addresses)
      whole(!a.is_link_local() || a.is_v4(),
            fmt::format("listen address {} is link-local; use another", a.to_string()));
    std::set<std::string> names;
    std::set<std::pair<Address, std::string>> ends;
    for (const PeerConfig& p : c.peers) {
      Check check(out, c, &p);
      check(names.insert(p.name).second, "the name is taken by another peer of the instance; rename one");
      if (p.address)
        check(ends.emplace(*p.address, p.interface).second,
              fmt::format("address {} belongs to another peer of the instance; drop one", p.address->to_string()));
      check_peer(check, p);
    }
  }
  check_passwords(wanted, yielding, out);
  return out;
}

}  // namespace weft::bgp
