#include "world.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace weft::bench {
namespace {

using namespace std::chrono_literals;
using interop::at;
using interop::number_at;
using interop::text_at;
using interop::wire;

constexpr const char* kNodePort = "to-node";
constexpr auto kPatience = 120s;  // for one fact, on a machine busy with other work
constexpr std::uint32_t kNodeAsn = 65001, kRouterAsn = 65000;

interop::SpeakerSpec router_spec(const WorldSpec& s) {
  interop::PeerSpec node;
  node.name = "node";
  node.address = "10.0.0.2";
  node.asn = kNodeAsn;
  node.hold_time = 90, node.keepalive = 30;
  if (s.bfd) node.bfd = interop::BfdSpec{};
  if (s.graceful_restart > 0) node.graceful_restart = s.graceful_restart;
  interop::SpeakerSpec out;
  out.asn = kRouterAsn;
  out.router_id = "192.0.2.1";
  out.peers = {node};
  return out;
}

NodeSpec node_spec(const WorldSpec& s) {
  NodeSpec out;
  out.asn = kNodeAsn, out.router_asn = kRouterAsn;
  out.router = "10.0.0.1";
  out.prefixes = s.prefixes;
  out.bfd = s.bfd;
  out.graceful_restart = s.graceful_restart;
  return out;
}

// The same node, with FRR on it.
interop::SpeakerSpec frr_node_spec(const WorldSpec& s) {
  interop::SpeakerSpec out = router_spec(s);
  out.asn = kNodeAsn;
  out.router_id = "192.0.2.2";
  out.peers.front().address = "10.0.0.1";
  out.peers.front().asn = kRouterAsn;
  for (const auto& p : s.prefixes) {
    interop::RouteSpec route;
    route.prefix = p;
    out.routes.push_back(route);
  }
  return out;
}

}  // namespace

World::World(const WorldSpec& spec)
    : client("client"),
      router("router"),
      the_switch("switch"),
      node_host("node"),
      routes(router),
      frr(interop::make_speaker(interop::Kind::frr, router, router_spec(spec))),
      node(node_host, node_spec(spec)),
      instead(spec.frr_node ? interop::make_speaker(interop::Kind::frr, node_host, frr_node_spec(spec)) : nullptr),
      wanted_(spec.prefixes.size()) {
  wire({client, "eth0", {"10.1.0.2/24"}}, {router, "eth1", {"10.1.0.1/24"}});
  wire({router, "eth0", {"10.0.0.1/24", "fd00::1/64"}}, {the_switch, "to-router", {}});
  wire({node_host, "eth0", {"10.0.0.2/24", "fd00::2/64"}}, {the_switch, kNodePort, {}});
  the_switch.ip("link add br0 type bridge");
  the_switch.ip("link set br0 up");
  for (const char* port : {"to-router", kNodePort}) the_switch.ip(std::string("link set ") + port + " master br0");
  client.ip("route add default via 10.1.0.1");
  node_host.ip("route add default via 10.0.0.1");
  bfd = std::make_unique<BfdWatch>(router, "eth0");
  the_switch.in_network([&] { control_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
}

void World::start() {
  frr->start();
  if (instead) {
    instead->start();
  } else {
    node.start();
  }
  wait_for_routes();
}

void World::wait_for_routes() {
  interop::wait_until(
      kPatience, "all routes are in the router's kernel", [&] { return routes.routes() == wanted_; },
      [&] { return seen(); });
}

void World::wait_for_bfd() {
  interop::wait_until(
      kPatience, "BFD is up with 100 ms both ways",
      [&] {
        const auto all = interop::parse_json(router.must({"vtysh", "-c", "show bfd peers json"}), "show bfd peers");
        if (!all.is_array() || all.get_array().empty()) return false;
        const auto& peer = all.get_array().front();
        return text_at(peer, {"status"}) == "up" && number_at(peer, {"transmit-interval"}) == 100 &&
               number_at(peer, {"remote-transmit-interval"}) == 100;
      },
      [&] { return seen(); });
}

Steady::time_point World::set_link(bool up) {
  ifreq request{};
  std::strncpy(request.ifr_name, kNodePort, sizeof request.ifr_name - 1);
  if (::ioctl(control_.get(), SIOCGIFFLAGS, &request) != 0)
    throw std::runtime_error(std::string("the switch's port: ") + std::strerror(errno));
  request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  const auto before = Steady::now();
  if (::ioctl(control_.get(), SIOCSIFFLAGS, &request) != 0)
    throw std::runtime_error(std::string("the switch's port: ") + std::strerror(errno));
  return before;
}

std::string World::seen() {
  return std::to_string(routes.routes()) + " routes; " + frr->peer("node").raw +
         "\nbfd: " + router.run({"vtysh", "-c", "show bfd peers"}).out + "\nrouter:\n" + frr->log() + "\nnode:\n" +
         (instead ? instead->log() : node.log());
}

}  // namespace weft::bench
