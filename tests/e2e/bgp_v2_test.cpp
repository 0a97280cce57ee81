// The second generation of kinds in the same lab: cluster configuration, peer configuration with a password,
// advertisements with attributes, an override for one node; what is told back in status and conditions; and an agent
// that is killed under graceful restart.
#include <gmock/gmock.h>

#include "tests/e2e/bgp_lab.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr auto kPatience = 120s;  // the machine may be busy with other things

const json::value* at(const json::value& v, std::initializer_list<std::string_view> path) {
  const json::value* here = &v;
  for (const auto key : path) {
    if (const auto* list = here->if_array()) {
      const auto index = static_cast<std::size_t>(std::atoi(std::string(key).c_str()));
      if (index >= list->size()) return nullptr;
      here = &(*list)[index];
      continue;
    }
    const auto* o = here->if_object();
    here = o ? o->if_contains(key) : nullptr;
    if (!here) return nullptr;
  }
  return here;
}

std::string text(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  if (!found) return "";
  return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

class BgpV2 : public BgpLab {
 protected:
  static void SetUpTestSuite() {
    prepare();
    password_of_routers("s3cret");
    ASSERT_TRUE(lab().apply("cluster1", manifest("bgp-v2.yaml")));
  }
  static void TearDownTestSuite() {
    const auto gone = lab().kubectl("cluster1", {"delete",
                                                 "ciliumbgpclusterconfig,ciliumbgppeerconfig,"
                                                 "ciliumbgpadvertisement,ciliumbgpnodeconfigoverride",
                                                 "--all"});
    EXPECT_TRUE(gone.ok()) << gone.describe();
    password_of_routers("");
  }
  void SetUp() override {
    for (const auto& tor : kTors) ASSERT_TRUE(sessions(tor, 3));
  }

  static void password_of_routers(const std::string& password) {
    const std::string line = password.empty() ? "no neighbor nodes password" : "neighbor nodes password " + password;
    for (const auto& tor : kTors) {
      const auto r = lab().exec(tor, {"vtysh", "-c", "configure terminal", "-c", "router bgp 65000", "-c", line});
      ASSERT_TRUE(r.ok()) << r.describe();
    }
  }
  static void password_of_nodes(const std::string& base64) {
    const auto r = lab().kubectl("cluster1", {"patch", "-n", "kube-system", "secret", "tor-md5", "--type=merge", "-p",
                                              fmt::format(R"({{"data":{{"password":"{}"}}}})", base64)});
    ASSERT_TRUE(r.ok()) << r.describe();
  }
  /// So many of the nodes are established, by the router; the two sessions to the other routers do not count.
  static ::testing::AssertionResult sessions(const std::string& tor, int count) {
    return eventually(kPatience, fmt::format("{} has sessions with {} nodes", tor, count), [&] {
      const auto v = vtysh(tor, "show bgp ipv4 unicast summary");
      int up = 0;
      const auto* peers = at(v, {"peers"});
      if (peers && peers->is_object())
        for (const auto& p : peers->get_object())
          if (text(p.value(), {"remoteAs"}) == "65010" && text(p.value(), {"state"}) == "Established") ++up;
      return Seen{peers != nullptr && up == count, fmt::format("{} sessions\n", up) + shown(tor)};
    });
  }
  static void patch_peers(const std::string& spec) {
    const auto r = lab().kubectl("cluster1", {"patch", "ciliumbgppeerconfig", "tor", "--type=merge", "-p",
                                              fmt::format(R"({{"spec":{{{}}}}})", spec)});
    ASSERT_TRUE(r.ok()) << r.describe();
  }
  static void kill_agent(const std::string& place) {
    const auto agents =
        lab().exec(place, {"bash", "-c",
                           "mine=$(readlink /proc/self/ns/net); for p in $(pgrep -f '[w]eft-agent'); do "
                           "[ \"$(readlink /proc/$p/ns/net)\" = \"$mine\" ] && echo $p; done; true"});
    std::istringstream before(agents.out);
    Argv kill{"kill", "-9"};
    for (std::string pid; before >> pid;) kill.push_back(pid);
    ASSERT_GT(kill.size(), 2u) << "no agent runs on " << place;
    const auto killed = lab().exec(place, kill);
    ASSERT_TRUE(killed.ok()) << killed.describe();
  }
  static std::string first_pod_cidr(const std::string& node) {
    return lab().kubectl("cluster1", {"get", "node", node, "-o", "jsonpath={.spec.podCIDRs[0]}"}).out;
  }
  static json::value neighbor(const std::string& tor, const std::string& address) {
    const auto v = vtysh(tor, "show bgp neighbors " + address);
    const auto* found = at(v, {address});
    return found ? *found : json::value();
  }
  /// The condition of an object: "True: words" or "False: words".
  static ::testing::AssertionResult condition(const Argv& object, const std::string& type, const std::string& status) {
    return eventually(kPatience, fmt::format("{} has {}={}", object.back(), type, status), [&] {
      const auto v = lab().get_json("cluster1", object);
      const auto* list = at(v, {"status", "conditions"});
      bool holds = false;
      if (list && list->is_array())
        for (const auto& c : list->get_array()) holds |= text(c, {"type"}) == type && text(c, {"status"}) == status;
      return Seen{holds, json::serialize(v)};
    });
  }
  static std::string node_peers(const std::string& node) {
    return lab().exec("cluster1/" + node, {"weft", "bgp", "peers"}).describe();
  }
};

TEST_F(BgpV2, sessions_run_with_the_timers_the_password_and_the_router_id_that_the_objects_give) {
  for (const auto& tor : kTors) {
    const auto n = neighbor(tor, "10.0.0.12");
    EXPECT_EQ(text(n, {"remoteRouterId"}), "192.0.2.22") << json::serialize(n);
    EXPECT_EQ(text(n, {"bgpTimerHoldTimeMsecs"}), "30000") << json::serialize(n);
    EXPECT_EQ(text(n, {"neighborCapabilities", "gracefulRestart"}), "advertisedAndReceived") << json::serialize(n);
    EXPECT_EQ(text(neighbor(tor, "10.0.0.11"), {"remoteRouterId"}), "10.0.0.11") << "no override for that one";
  }
}

TEST_F(BgpV2, pods_and_services_are_announced_to_both_routers_with_their_attributes_and_nothing_else_is) {
  ASSERT_TRUE(lab().apply("cluster1", service("second", "advertise: external")));
  set_address("second", "203.0.113.40");
  ASSERT_TRUE(has_ways("203.0.113.40/32", 3));
  for (const auto& tor : kTors) {
    const auto s = json::serialize(vtysh(tor, "show bgp ipv4 unicast 203.0.113.40/32"));
    EXPECT_THAT(s, HasSubstr("65010:200")) << tor;
    EXPECT_THAT(s, HasSubstr("65010:1:2")) << tor;
  }
  for (const auto& cidr : pod_cidrs("cluster1")) {
    ASSERT_TRUE(has_ways(cidr, 1)) << cidr;
    const bool v6 = cidr.find(':') != std::string::npos;
    for (const auto& tor : kTors)
      EXPECT_THAT(json::serialize(vtysh(tor, fmt::format("show bgp {} unicast {}", v6 ? "ipv6" : "ipv4", cidr))),
                  HasSubstr("65010:100"))
          << tor;
  }
  // The advertisement of cluster addresses has a label that no peer configuration asks for.
  const auto ip = lab().kubectl("cluster1", {"get", "service", "second", "-o", "jsonpath={.spec.clusterIP}"}).out;
  ASSERT_FALSE(ip.empty());
  for (const auto& tor : kTors) EXPECT_TRUE(ways(tor, ip + "/32").empty()) << shown(tor);
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "service", "second"}).ok());
  EXPECT_TRUE(has_ways("203.0.113.40/32", 0));
}

TEST_F(BgpV2, the_derived_node_configuration_carries_the_override_and_what_the_sessions_do) {
  EXPECT_TRUE(eventually(kPatience, "the status of cluster1-node2 is that of its sessions", [] {
    const auto v = lab().get_json("cluster1", {"ciliumbgpnodeconfig", "cluster1-node2"});
    bool holds = text(v, {"metadata", "ownerReferences", "0", "name"}) == "racks" &&
                 text(v, {"spec", "bgpInstances", "0", "routerID"}) == "192.0.2.22" &&
                 text(v, {"spec", "bgpInstances", "0", "localASN"}) == "65010" &&
                 text(v, {"status", "bgpInstances", "0", "localASN"}) == "65010";
    for (const char* i : {"0", "1"}) {
      const auto* p = at(v, {"status", "bgpInstances", "0", "peers", i});
      holds = holds && p && text(*p, {"peeringState"}) == "established" && text(*p, {"peerASN"}) == "65000" &&
              text(*p, {"timers", "appliedHoldTimeSeconds"}) == "30" &&
              text(*p, {"timers", "appliedKeepaliveSeconds"}) == "10" && !text(*p, {"establishedTime"}).empty() &&
              std::atoi(text(*p, {"routeCount", "0", "advertised"}).c_str()) > 0;
    }
    return Seen{holds, json::serialize(v)};
  }));
  const Argv racks{"ciliumbgpclusterconfig", "racks"};
  for (const char* type :
       {"cilium.io/NoMatchingNode", "cilium.io/MissingPeerConfigs", "cilium.io/ConflictingClusterConfig"})
    EXPECT_TRUE(condition(racks, type, "False"));
  EXPECT_TRUE(condition({"ciliumbgppeerconfig", "tor"}, "cilium.io/MissingAuthSecret", "False"));
}

TEST_F(BgpV2, a_wrong_password_keeps_sessions_down_a_missing_one_says_so_and_the_right_one_brings_them_back) {
  password_of_nodes("d3Jvbmc=");  // "wrong"
  for (const auto& tor : kTors) EXPECT_TRUE(sessions(tor, 0));
  EXPECT_TRUE(eventually(kPatience, "the node's status says that no session is up", [] {
    const auto v = lab().get_json("cluster1", {"ciliumbgpnodeconfig", "cluster1-node1"});
    bool holds = true;
    for (const char* i : {"0", "1"}) {
      const auto state = text(v, {"status", "bgpInstances", "0", "peers", i, "peeringState"});
      holds = holds && !state.empty() && state != "established";
    }
    return Seen{holds, json::serialize(v)};
  }));
  const auto peers = node_peers("cluster1-node1");
  EXPECT_THAT(peers, HasSubstr("10.0.0.1"));
  EXPECT_EQ(peers.find("established"), std::string::npos) << peers;

  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "-n", "kube-system", "secret", "tor-md5"}).ok());
  EXPECT_TRUE(condition({"ciliumbgppeerconfig", "tor"}, "cilium.io/MissingAuthSecret", "True"));
  EXPECT_TRUE(eventually(kPatience, "the node says which Secret is missing", [] {
    const auto said = node_peers("cluster1-node1");
    return Seen{said.find("Secret kube-system/tor-md5 is missing") != std::string::npos, said};
  }));

  ASSERT_TRUE(lab().apply("cluster1", manifest("bgp-v2.yaml")));
  for (const auto& tor : kTors) EXPECT_TRUE(sessions(tor, 3));
  EXPECT_TRUE(condition({"ciliumbgppeerconfig", "tor"}, "cilium.io/MissingAuthSecret", "False"));
}

// The other cluster's client reaches the pod through the top-of-rack routers, by the pod CIDR that its node announced.
TEST_F(BgpV2, an_agent_that_is_killed_under_graceful_restart_costs_no_request_and_no_route) {
  const auto node = lab().kubectl("cluster1", {"get", "pod", "web", "-o", "jsonpath={.spec.nodeName}"}).out;
  const auto ip = lab().kubectl("cluster1", {"get", "pod", "web", "-o", "jsonpath={.status.podIP}"}).out;
  const auto cidr = first_pod_cidr(node);
  ASSERT_FALSE(node.empty() || ip.empty() || cidr.empty());
  const std::string place = "cluster1/" + node, url = "http://" + ip + ":8080/";
  ASSERT_TRUE(has_ways(cidr, 1));
  ASSERT_TRUE(eventually(kPatience, "the other cluster's client reaches " + url, [&] {
    const Load l = parse_load(lab().exec("cluster2/client", {"weft-lab-load", "-o", "json", "--count", "5", url}));
    return Seen{l.ok == 5, l.raw + shown("tor1")};
  }));
  for (const auto& tor : kTors)
    EXPECT_THAT(lab().exec(tor, {"ip", "route", "show", "match", ip}).out, HasSubstr("proto bgp")) << tor;
  // The agent is back within a second or two: each router looks at its own route as often as it can, and says which of
  // its looks found it fresh, stale or not at all.
  const auto watch = [&](const std::string& tor) {
    return lab().exec_argv(
        tor,
        {"bash", "-c",
         fmt::format("end=$((SECONDS + 60)); while [ $SECONDS -lt $end ]; do "
                     "out=$(vtysh -c 'show bgp ipv4 unicast {} json' | tr -d ' \\n'); "
                     "case $out in *'\"stale\":true'*) echo stale;; *'\"paths\":['*) echo fresh;; *) echo none;; esac; "
                     "done",
                     cidr)});
  };
  Background load(lab().exec_argv("cluster2/client", {"weft-lab-load", "-o", "json", "--duration", "40", "--interval",
                                                      "20", "--timeout", "5000", url}),
                  lab().env());
  // Which of the two the traffic takes is the fabric's choice.
  Background watch1(watch("tor1"), lab().env()), watch2(watch("tor2"), lab().env());
  for (auto* w : {&watch1, &watch2})
    ASSERT_TRUE(eventually(kPatience, "a router looks at its route",
                           [&] { return Seen{w->so_far().find("fresh") != std::string::npos, w->so_far()}; }));
  ASSERT_NO_FATAL_FAILURE(kill_agent(place));
  for (auto* w : {&watch1, &watch2}) {
    EXPECT_TRUE(eventually(kPatience, "the route was stale and is fresh again", [&] {
      const std::string& looks = w->so_far();
      const auto stale = looks.rfind("stale"), fresh = looks.rfind("fresh");
      return Seen{stale != std::string::npos && fresh != std::string::npos && fresh > stale, looks};
    }));
  }
  for (auto* w : {&watch1, &watch2}) {
    const auto looks = w->wait(90s).out;
    EXPECT_EQ(looks.find("none"), std::string::npos) << "a router was without the way to " << cidr << ":\n" << looks;
  }
  const auto end = parse_load(load.wait(90s));
  EXPECT_GT(end.requests, 100) << end.raw;
  EXPECT_EQ(end.failed, 0) << end.raw;
  EXPECT_EQ(end.ok, end.requests) << end.raw;
  for (const auto& tor : kTors) EXPECT_TRUE(sessions(tor, 3));
}

// tor2 speaks BFD with whoever does, tor1 with nobody.
TEST_F(BgpV2, bfd_comes_up_outlives_the_agent_and_ends_the_session_of_a_node_that_is_not_heard) {
  const auto bfd = [](const std::string& address) {
    const auto v = vtysh("tor2", "show bfd peer " + address);
    return Seen{text(v, {"status"}) == "up", json::serialize(v) + node_peers("cluster1-node1")};
  };
  const auto times_down = [] { return text(vtysh("tor2", "show bfd peer 10.0.0.11 counters"), {"session-down"}); };
  ASSERT_NO_FATAL_FAILURE(patch_peers(R"("bfd":{})"));
  for (const char* node : {"10.0.0.11", "10.0.0.12", "10.0.0.13"})
    ASSERT_TRUE(eventually(kPatience, fmt::format("BFD with {} is up at tor2", node), [&] { return bfd(node); }));
  const auto before = times_down();
  ASSERT_FALSE(before.empty());
  const auto up_since = [] {
    return std::atoll(text(neighbor("tor2", "10.0.0.11"), {"bgpTimerUpEstablishedEpoch"}).c_str());
  };
  const auto first = up_since();
  ASSERT_GT(first, 0);
  ASSERT_NO_FATAL_FAILURE(kill_agent("cluster1/cluster1-node1"));
  EXPECT_TRUE(eventually(kPatience, "the agent is back at tor2", [&] {
    const auto now = up_since();  // FRR reckons it from two clocks, to the second
    return Seen{now > first + 1, std::to_string(now) + shown("tor2")};
  }));
  EXPECT_TRUE(bfd("10.0.0.11").holds) << bfd("10.0.0.11").what;
  EXPECT_EQ(times_down(), before) << "BFD went down with the agent";

  // BGP itself is heard on: only BFD can end the session, with graceful restart or not.
  for (const Argv& nft : {Argv{"nft", "add", "table", "inet", "deaf"},
                          Argv{"nft", "add chain inet deaf in { type filter hook prerouting priority -300; }"},
                          Argv{"nft", "add rule inet deaf in ip saddr 10.0.0.11 udp dport 3784 drop"}}) {
    const auto r = lab().exec("tor2", nft);
    ASSERT_TRUE(r.ok()) << r.describe();
  }
  EXPECT_TRUE(sessions("tor2", 2));
  EXPECT_TRUE(sessions("tor1", 3)) << "tor1 has no BFD";
  EXPECT_TRUE(eventually(kPatience, "the node says why", [] {
    const auto said = node_peers("cluster1-node1");
    const auto line = said.find("cluster1-node1: 10.0.0.2: ");
    const auto why = line == std::string::npos ? "" : said.substr(line, said.find('\n', line) - line);
    // Of a session that is up without the BFD that is asked for it says another thing.
    return Seen{why.find("BFD") != std::string::npos && why.find("is asked for") == std::string::npos, said};
  }));
  const auto mended = lab().exec("tor2", {"nft", "delete", "table", "inet", "deaf"});
  ASSERT_TRUE(mended.ok()) << mended.describe();
  EXPECT_TRUE(sessions("tor2", 3));
  EXPECT_TRUE(eventually(kPatience, "BFD is up again", [&] { return bfd("10.0.0.11"); }));
  ASSERT_NO_FATAL_FAILURE(patch_peers(R"("bfd":null)"));
}

TEST_F(BgpV2, a_drained_node_has_no_routes_left_when_its_time_is_over_and_has_them_back_afterwards) {
  ASSERT_TRUE(lab().apply("cluster1", service("drains", "advertise: external")));
  set_address("drains", "203.0.113.50");
  const auto cidr = first_pod_cidr("cluster1-node2");
  ASSERT_TRUE(has_ways("203.0.113.50/32", 3));
  ASSERT_TRUE(has_ways(cidr, 1));
  ASSERT_NO_FATAL_FAILURE(patch_peers(R"("drain":{"gracefulShutdownSeconds":10})"));
  ASSERT_TRUE(lab().kubectl("cluster1", {"cordon", "cluster1-node2"}).ok());
  EXPECT_TRUE(eventually(kPatience, "its routes say that they will go", [&] {
    const auto said = json::serialize(vtysh("tor1", "show bgp ipv4 unicast " + cidr));
    return Seen{said.find("raceful") != std::string::npos, said};
  }));
  EXPECT_TRUE(has_ways("203.0.113.50/32", 2));
  EXPECT_TRUE(has_ways(cidr, 0));
  ASSERT_TRUE(lab().kubectl("cluster1", {"uncordon", "cluster1-node2"}).ok());
  EXPECT_TRUE(has_ways(cidr, 1));
  EXPECT_TRUE(has_ways("203.0.113.50/32", 3));
  ASSERT_NO_FATAL_FAILURE(patch_peers(R"("drain":null)"));
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "service", "drains"}).ok());
}

TEST_F(BgpV2, an_aggregate_has_a_blackhole_and_an_interfaces_address_comes_and_goes_with_it) {
  const std::string node = "cluster1/cluster1-node1";
  ASSERT_TRUE(lab().apply("cluster1", manifest("bgp-v2-more.yaml")));
  ASSERT_TRUE(lab().apply("cluster1", service("wide", "aggregated: yes-please")));
  set_address("wide", "198.51.100.7");
  EXPECT_TRUE(has_ways("198.51.100.0/24", 3));
  for (const auto& tor : kTors) EXPECT_TRUE(ways(tor, "198.51.100.7/32").empty()) << shown(tor);
  EXPECT_TRUE(eventually(kPatience, "the rest of the aggregate ends at the node", [&] {
    const auto said = lab().exec(node, {"ip", "route", "show", "198.51.100.0/24"});
    return Seen{said.out.find("blackhole") != std::string::npos, said.describe()};
  }));
  for (const char* address : {"192.0.2.101/32", "2001:db8:101::1/128"}) {
    ASSERT_TRUE(lab().exec(node, {"ip", "address", "add", address, "dev", "lo"}).ok());
    for (const auto& tor : kTors)
      EXPECT_TRUE(eventually(kPatience, fmt::format("{} has a way to {}", tor, address), [&] {
        const auto w = ways(tor, address);
        return Seen{!w.empty() && !w.contains(no_answer(tor)), shown(tor)};
      }));
    ASSERT_TRUE(lab().exec(node, {"ip", "address", "del", address, "dev", "lo"}).ok());
    EXPECT_TRUE(has_ways(address, 0));
  }
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "service", "wide"}).ok());
  EXPECT_TRUE(has_ways("198.51.100.0/24", 0));
  EXPECT_TRUE(eventually(kPatience, "the blackhole is gone", [&] {
    const auto said = lab().exec(node, {"ip", "route", "show", "198.51.100.0/24"});
    return Seen{said.ok() && said.out.empty(), said.describe()};
  }));
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "ciliumbgpadvertisement", "more"}).ok());
}

TEST_F(BgpV2, the_charts_rules_are_all_that_it_needs) { EXPECT_THAT(lab().forbidden(), ::testing::ElementsAre()); }

// The last one: nothing runs in cluster1 afterwards.
TEST_F(BgpV2, an_uninstalled_cluster_leaves_no_learned_route_behind) {
  const std::string nodes[] = {"cluster1/cluster1-node1", "cluster1/cluster1-node2", "cluster1/cluster1-node3"};
  const auto learned = [](const std::string& node) {
    return lab().exec(node, {"bash", "-c", "ip route show table all proto 216; ip -6 route show table all proto 216"});
  };
  const auto patched = lab().kubectl("cluster1", {"patch", "ciliumbgppeerconfig", "tor", "--type=merge", "-p",
                                                  R"({"spec":{"import":{"prefixes":[{"prefix":"10.2.0.0/16",)"
                                                  R"("minLength":16,"maxLength":32}],"limit":100}}})"});
  ASSERT_TRUE(patched.ok()) << patched.describe();
  for (const auto& node : nodes)
    ASSERT_TRUE(eventually(kPatience, node + " has routes to the pods of cluster2", [&] {
      const auto r = learned(node);
      return Seen{r.ok() && r.out.find("10.2.") != std::string::npos, r.describe() + shown("tor1")};
    }));
  const auto gone =
      lab().weft({"uninstall", "--context", "cluster1", "--wait", "--wait-duration", "3m"}, std::chrono::seconds(200));
  ASSERT_TRUE(gone.ok()) << gone.describe();
  for (const auto& node : nodes) {
    const auto r = learned(node);
    EXPECT_TRUE(r.ok() && r.out.empty()) << r.describe();
  }
}

}  // namespace
}  // namespace weft::e2e
