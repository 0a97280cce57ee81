// The rib by itself, without sockets: what a million routes cost to hold, to send and to receive, and what one change
// among them costs. Each figure stands beside the least that could be done: the packet codec alone, over the same
// routes in the best order.
//
// bench_bgp_rib [--routes N] [--json]
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "bgp/rib/in_rib.h"
#include "bgp/rib/out_group.h"
#include "bgp/rib/route_set.h"

namespace weft::bgp {
namespace {

constexpr std::uint32_t kAttributeSets = 10;
constexpr int kPeers = 50;
constexpr int kChanges = 2000;

/// Most that each figure may be; the ratios are to the codec alone.
constexpr double kMostHeldBytes = 16, kMostReceivedBytes = 32, kMostColdRatio = 12, kMostFanOutRatio = 1.5,
                 kMostChangeMicroseconds = 1000, kMostReceiveRatio = 20;

double resident_bytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// CPU time of this process: other work of the machine does not count.
class Stopwatch {
 public:
  double seconds() const { return now() - start_; }

 private:
  static double now() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
  }
  double start_ = now();
};

SharedAttributes attributes(std::uint32_t i) {
  RouteAttributes a;
  a.path.med = i;
  a.path.communities = {65001U << 16 | i, 65001U << 16 | 1000};
  return a;
}

Prefix nth(std::uint32_t i) { return {Address::v4(0x01000000 + (i << 8)), 24}; }

RouteTable table_of(std::uint32_t routes) {
  std::vector<SharedAttributes> sets;
  for (std::uint32_t i = 0; i < kAttributeSets; ++i) sets.push_back(attributes(i));
  RouteTable table(Family::v4);
  for (std::uint32_t i = 0; i < routes; ++i) table.set({nth(i), sets[i % kAttributeSets]});
  return table;
}

ExportRules rules() {
  ExportRules r;
  r.local_as = 65001;
  r.four_octet_asn = true;
  r.next_hop = NextHop{Address::v4(0xc0000201), std::nullopt};
  return r;
}

std::size_t drain(OutGroup& group, OutGroup::PeerId peer) {
  std::size_t bytes = 0;
  while (const OutChunkRef chunk = group.next(peer)) bytes += chunk->bytes.size();
  return bytes;
}

struct Report {
  boost::json::object json;
  bool human = true;
  bool held = true;

  void figure(const char* name, double value, const char* unit) {
    json[name] = value;
    if (human) std::printf("%-44s %12.3f %s\n", name, value, unit);
  }
  void bounded(const char* name, double value, const char* unit, double most) {
    json[name] = value;
    held = held && value <= most;
    if (human) std::printf("%-44s %12.3f %-8s at most %g: %s\n", name, value, unit, most, value <= most ? "yes" : "NO");
  }
};

/// The codec alone: every prefix packed into messages, ordered by attributes beforehand.
std::vector<std::uint8_t> bare_encoding(std::uint32_t routes, double& seconds) {
  std::vector<std::vector<Prefix>> by_set(kAttributeSets);
  for (std::uint32_t i = 0; i < routes; ++i) by_set[i % kAttributeSets].push_back(nth(i));
  const Stopwatch watch;
  std::vector<std::uint8_t> out;
  for (std::uint32_t i = 0; i < kAttributeSets; ++i) {
    const auto exported = std::get<Exported>(export_route(*attributes(i), rules()));
    append_announcements(out, by_set[i], exported.next_hop, exported.encoded, session_context(rules()));
  }
  seconds = watch.seconds();
  return out;
}

template <class Visit>
void each_message(const std::vector<std::uint8_t>& stream, const Visit& visit) {
  const Context context = session_context(rules());
  for (std::span<const std::uint8_t> rest(stream); !rest.empty();) {
    const auto length = message_length(rest, context);
    WEFT_CHECK(length.has_value());
    auto decoded = decode(rest.first(*length), context);
    WEFT_CHECK(decoded.has_value());
    visit(std::get<Update>(decoded->message));
    rest = rest.subspan(*length);
  }
}

void measure_sending(std::uint32_t routes, double bare, Report& report) {
  const double before = resident_bytes();
  const Stopwatch building;
  RouteTable table = table_of(routes);
  report.figure("building the set, s", building.seconds(), "s");
  report.bounded("held, bytes a route", (resident_bytes() - before) / routes, "bytes", kMostHeldBytes);

  OutGroup group(rules());
  group.update(table, true);
  const auto peer = group.join();
  const Stopwatch cold;
  const std::size_t bytes = drain(group, peer);
  const double cold_seconds = cold.seconds();
  report.figure("encoded, MB", static_cast<double>(bytes) / 1e6, "MB");
  report.figure("cold start of a peer, s", cold_seconds, "s");
  report.bounded("cold start, times the codec alone", cold_seconds / bare, "", kMostColdRatio);
  report.bounded("held while a peer has all, bytes a route", (resident_bytes() - before) / routes, "bytes",
                 kMostHeldBytes);

  OutGroup many(rules());
  many.update(table, true);
  std::vector<OutGroup::PeerId> peers;
  for (int i = 0; i < kPeers; ++i) peers.push_back(many.join());
  const Stopwatch fan_out;
  for (bool more = true; more;) {
    more = false;
    for (const auto p : peers) more |= many.next(p) != nullptr;
  }
  report.bounded("50 peers, times one", fan_out.seconds() / cold_seconds, "", kMostFanOutRatio);

  std::vector<double> took;
  for (std::uint32_t i = 0; i < kChanges; ++i) {
    const Stopwatch change;
    table.set({nth(i * 7919 % routes), attributes(100 + i)});
    group.update(table, true);
    WEFT_CHECK(group.next(peer) != nullptr);
    took.push_back(change.seconds());
    WEFT_CHECK(group.next(peer) == nullptr);
  }
  std::sort(took.begin(), took.end());
  report.figure("one change, p50", took[took.size() / 2] * 1e6, "us");
  report.bounded("one change, p99", took[took.size() * 99 / 100] * 1e6, "us", kMostChangeMicroseconds);

  const Stopwatch withdrawal;
  group.update(RouteTable(Family::v4), true);
  drain(group, peer);
  report.figure("withdrawing all, s", withdrawal.seconds(), "s");
}

void measure_receiving(std::uint32_t routes, const std::vector<std::uint8_t>& stream, Report& report) {
  const Stopwatch decoding;
  std::size_t prefixes = 0;
  each_message(stream, [&](const Update& u) {
    for (const Reach& r : u.announced) prefixes += r.prefixes.size();
  });
  const double bare = decoding.seconds();
  WEFT_CHECK(prefixes == routes);

  const double before = resident_bytes();
  InRib rib(65100, {1});
  rib.set_peer("peer", {.source = {.peer_as = 65001, .router_id = {2}, .address = Address::v4(0xc0000201)}});
  const Stopwatch receiving;
  each_message(stream, [&](const Update& u) { rib.apply("peer", u, 0); });
  const double seconds = receiving.seconds();
  WEFT_CHECK(rib.received("peer", Family::v4)->size() == routes);
  report.figure("receiving, s", seconds, "s");
  report.bounded("receiving, times decoding alone", seconds / bare, "", kMostReceiveRatio);
  report.bounded("received, bytes a route", (resident_bytes() - before) / routes, "bytes", kMostReceivedBytes);
}

int run(std::uint32_t routes, bool json) {
  Report report{.json = {}, .human = !json};
  report.json["routes"] = routes;
  double bare = 0;
  const auto stream = bare_encoding(routes, bare);
  report.figure("the codec alone, s", bare, "s");
  measure_sending(routes, bare, report);
  measure_receiving(routes, stream, report);
  report.json["holds"] = report.held;
  if (json) std::printf("%s\n", boost::json::serialize(report.json).c_str());
  return report.held ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace weft::bgp

int main(int argc, char** argv) {
  std::uint32_t routes = 1'000'000;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json") {
      json = true;
    } else if (argument == "--routes" && i + 1 < argc && std::atol(argv[i + 1]) > 0) {
      routes = static_cast<std::uint32_t>(std::atol(argv[++i]));
    } else {
      std::fprintf(stderr, "usage: %s [--routes N] [--json]\n", argv[0]);
      return 2;
    }
  }
  return weft::bgp::run(routes, json);
}
