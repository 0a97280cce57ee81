#include "tests/interop/harness/pair.h"

#include <fmt/format.h>

namespace weft::interop {
namespace {

SpeakerSpec side(const PairOptions& o, bool is_a) {
  const std::string mine = is_a ? "1" : "2", theirs = is_a ? "2" : "1";
  const std::string net = o.transport == Family::v4 ? "10.0.0." : "fd00::";
  PeerSpec p;
  p.address = net + theirs;
  p.local_address = net + mine;
  p.local_address_v6 = "fd00::" + mine;
  p.asn = is_a ? o.asn_b : o.asn_a;
  SpeakerSpec s;
  s.asn = is_a ? o.asn_a : o.asn_b;
  s.router_id = fmt::format("192.0.2.{}", mine);
  s.peers = {p};
  s.routes = is_a ? o.routes_a : o.routes_b;
  s.extra = is_a ? o.extra_a : o.extra_b;
  return s;
}

std::string all(const Routes& routes) {
  std::string out = fmt::format("{} routes\n", routes.size());
  for (const auto& [prefix, r] : routes) out += "  " + r.to_string() + "\n";
  return out;
}

}  // namespace

Pair::Pair(const PairOptions& options) : host_a("a"), host_b("b") {
  wire({host_a, "wire", {"10.0.0.1/24", "fd00::1/64"}}, {host_b, "wire", {"10.0.0.2/24", "fd00::2/64"}});
  auto spec_a = side(options, true), spec_b = side(options, false);
  if (options.tune) options.tune(spec_a.peers.front(), spec_b.peers.front());
  a = make_speaker(options.a, host_a, std::move(spec_a));
  b = make_speaker(options.b, host_b, std::move(spec_b));
}

void Pair::start() {
  a->start();
  b->start();
}

::testing::AssertionResult established(Speaker& s, const std::string& peer, std::chrono::milliseconds limit) {
  return eventually(limit, s.name() + ": the session is established", [&] {
    const auto v = s.peer(peer);
    return Seen{v.established(), v.state + " (" + v.reason + ")"};
  });
}

::testing::AssertionResult both_established(Pair& pair) {
  if (auto a = established(*pair.a); !a) return a << logs(pair);
  if (auto b = established(*pair.b); !b) return b << logs(pair);
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult not_established(Speaker& s, std::chrono::milliseconds limit) {
  return eventually(limit, s.name() + ": the session is down", [&] {
    const auto v = s.peer();
    return Seen{!v.established(), v.raw};
  });
}

::testing::AssertionResult learned(Speaker& s, const std::string& prefix,
                                   const std::function<bool(const RouteView&)>& check,
                                   std::chrono::milliseconds limit) {
  return eventually(limit, s.name() + ": has learned " + prefix + (check ? " as it should be" : ""), [&] {
    const auto routes = s.routes();
    const auto it = routes.find(prefix);
    return Seen{it != routes.end() && (!check || check(it->second)), all(routes)};
  });
}

::testing::AssertionResult gone(Speaker& s, const std::string& prefix, std::chrono::milliseconds limit) {
  return eventually(limit, s.name() + ": " + prefix + " is gone", [&] {
    const auto routes = s.routes();
    return Seen{!routes.contains(prefix), all(routes)};
  });
}

::testing::AssertionResult says(Speaker& s, const std::string& text, std::chrono::milliseconds limit) {
  return eventually(limit, s.name() + " says \"" + text + "\"", [&] {
    const auto v = s.peer();
    return Seen{lower(v.reason).find(lower(text)) != std::string::npos, v.reason + "\n" + v.raw};
  });
}

std::string logs(const Pair& pair) {
  std::string out;
  for (const auto* s : {pair.a.get(), pair.b.get()}) {
    const auto log = s->log();
    out += "\n--- " + s->name() + "\n" + (log.size() > 3000 ? "[...]" + log.substr(log.size() - 3000) : log);
  }
  return out;
}

}  // namespace weft::interop
