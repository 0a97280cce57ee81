// Nodes speak BGP with two top-of-rack routers (FRR): manifests that people have, applied unchanged; service addresses
// and pod CIDRs reach the routers, and leave them when they should.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include <set>
#include <sstream>

#include "tests/e2e/bgp_lab.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// Ready when something answers on port 8081, and for a minute after SIGTERM a server that answers.
constexpr auto kLeaving = R"(
apiVersion: v1
kind: Service
metadata: {name: leaving, namespace: default, labels: {advertise: external}}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: leaving}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: leaving, namespace: default, labels: {app: leaving}}
spec:
  nodeName: cluster1-node3
  terminationGracePeriodSeconds: 90
  containers:
  - name: server
    image: weft-lab-echo
    command: [weft-lab-echo, --port, "8080", --grace, "60"]
    readinessProbe: {httpGet: {path: /, port: 8081}, periodSeconds: 1}
)";

const std::set<std::string> kNode3 = {"10.0.0.13"};

class Bgp : public BgpLab {
 protected:
  static void SetUpTestSuite() {
    prepare();
    ASSERT_TRUE(lab().apply("cluster1", manifest("bgp-policies.yaml")));
  }
  static void TearDownTestSuite() {
    const auto r = lab().kubectl("cluster1", {"delete", "ciliumbgppeeringpolicy", "--all"});
    EXPECT_TRUE(r.ok()) << r.describe();
  }
};

TEST_F(Bgp, a_labelled_service_is_reached_over_every_node_from_both_routers_and_goes_with_its_deletion) {
  ASSERT_TRUE(lab().apply("cluster1", service("front", "advertise: external")));
  ASSERT_TRUE(lab().apply("cluster1", service("inner", "advertise: never")));
  set_address("front", "203.0.113.10");
  set_address("inner", "203.0.113.11");
  ASSERT_TRUE(has_ways("203.0.113.10/32", 3));
  for (const auto& tor : kTors) {
    const auto kernel = lab().exec(tor, {"ip", "route", "show", "203.0.113.10"});
    for (const char* hop : {"10.0.0.11", "10.0.0.12", "10.0.0.13"}) EXPECT_THAT(kernel.out, HasSubstr(hop)) << tor;
    // The first has been announced by now, so the other would have been, too.
    EXPECT_TRUE(ways(tor, "203.0.113.11/32").empty()) << shown(tor);
  }
  const auto why = lab().exec("cluster1/cluster1-node1", {"weft", "bgp", "why", "default/inner"});
  EXPECT_THAT(why.out, HasSubstr("serviceSelector")) << why.describe();
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "service", "front"}).ok());
  EXPECT_TRUE(has_ways("203.0.113.10/32", 0));
}

TEST_F(Bgp, a_node_is_announced_once_its_endpoint_is_ready_and_withdrawn_while_the_last_one_still_answers) {
  ASSERT_TRUE(lab().apply("cluster1", kLeaving));
  set_address("leaving", "203.0.113.30");
  const auto pod_answers = [] {
    const auto ip = lab().kubectl("cluster1", {"get", "pod", "leaving", "-o", "jsonpath={.status.podIP}"}).out;
    const Load l = parse_load(
        lab().exec("cluster1/client", {"weft-lab-load", "-o", "json", "--count", "1", "http://" + ip + ":8080/"}));
    return Seen{l.ok == 1, ip + ": " + l.raw};
  };
  EXPECT_TRUE(eventually(60s, "the pod answers, ready or not", pod_answers));
  EXPECT_TRUE(eventually(60s, "the node says that its endpoint is not ready", [] {
    const auto why = lab().exec("cluster1/cluster1-node3", {"weft", "bgp", "why", "default/leaving"});
    return Seen{why.out.find("on this node are not ready") != std::string::npos, why.describe()};
  }));
  for (const auto& tor : kTors) EXPECT_TRUE(ways(tor, "203.0.113.30/32").empty()) << shown(tor);

  Background ready(lab().exec_argv("cluster1/leaving", {"weft-lab-echo", "--port", "8081"}), lab().env());
  ASSERT_TRUE(has_ways("203.0.113.30/32", 1));
  for (const auto& tor : kTors) EXPECT_EQ(ways(tor, "203.0.113.30/32"), kNode3) << tor;

  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "pod", "leaving", "--wait=false"}).ok());
  EXPECT_TRUE(has_ways("203.0.113.30/32", 0));
  const auto after = pod_answers();
  EXPECT_TRUE(after.holds) << "the way to the pod is gone, and so is the pod: " << after.what;
  EXPECT_TRUE(lab().kubectl("cluster1", {"delete", "pod", "leaving", "--grace-period=0", "--force"}).ok());
  EXPECT_TRUE(lab().kubectl("cluster1", {"delete", "service", "leaving"}).ok());
}

TEST_F(Bgp, pod_cidrs_of_both_clusters_are_there) {
  for (const auto& cidr : pod_cidrs("cluster1")) EXPECT_TRUE(has_ways(cidr, 1)) << cidr;
  const auto others = pod_cidrs("cluster2");
  EXPECT_GE(others.size(), 2u);
  for (const auto& tor : kTors)
    for (const auto& cidr : others)
      EXPECT_TRUE(eventually(60s, tor + " has a way to " + cidr, [&] {
        const auto w = ways(tor, cidr);  // an IPv6 way has a global and a link-local hop
        return Seen{!w.empty() && !w.contains(no_answer(tor)), shown(tor)};
      }));
}

TEST_F(Bgp, a_pod_of_the_other_cluster_is_reached_through_what_bgp_brought) {
  std::istringstream ips(lab().kubectl("cluster2", {"get", "pod", "web", "-o", "jsonpath={.status.podIPs[*].ip}"}).out);
  int seen = 0;
  for (std::string ip; ips >> ip; ++seen) {
    const bool v6 = ip.find(':') != std::string::npos;
    const std::string url = v6 ? "http://[" + ip + "]:8080/" : "http://" + ip + ":8080/";
    EXPECT_TRUE(eventually(60s, "the client reaches " + url, [&] {
      const auto out = lab().exec("cluster1/client", {"weft-lab-load", "-o", "json", "--count", "5", url});
      const Load l = parse_load(out);
      return Seen{l.ok == 5, l.raw + shown("tor1")};
    }));
    const auto route = lab().exec("tor1", {"ip", v6 ? "-6" : "-4", "route", "show", "match", ip});
    EXPECT_THAT(route.out, HasSubstr("proto bgp")) << route.describe() << shown("tor1");
  }
  EXPECT_EQ(seen, 2);
}

TEST_F(Bgp, the_oldest_of_two_policies_is_in_force_and_the_other_says_so) {
  // dual-tor-bgp selects every node. Deleted and made again it is the younger one.
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "ciliumbgppeeringpolicy", "dual-tor-bgp"}).ok());
  ASSERT_TRUE(lab().kubectl("cluster1", {"label", "node", "cluster1-node3", "rack=rack-01"}).ok());
  // The creation times of Kubernetes have whole seconds.
  ASSERT_TRUE(eventually(10s, "a second after rack-bgp", [&] {
    const auto t = lab().kubectl(
        "cluster1", {"get", "ciliumbgppeeringpolicy", "rack-bgp", "-o", "jsonpath={.metadata.creationTimestamp}"});
    const auto now = run({"date", "-u", "+%Y-%m-%dT%H:%M:%SZ"}, {});
    return Seen{t.ok() && now.out > t.out + "\n", t.out + now.out};
  }));
  ASSERT_TRUE(lab().apply("cluster1", manifest("bgp-policies.yaml")));
  EXPECT_TRUE(eventually(60s, "dual-tor-bgp names rack-bgp in a condition", [&] {
    const auto v = lab().get_json("cluster1", {"ciliumbgppeeringpolicy", "dual-tor-bgp"});
    const auto text = json::serialize(v);
    return Seen{
        text.find("weft.io/ConflictingPolicy") != std::string::npos && text.find("rack-bgp") != std::string::npos,
        text};
  }));
  // Its own ASN in that rack, to tor1 alone; the two others go on.
  std::istringstream cidrs(
      lab().kubectl("cluster1", {"get", "node", "cluster1-node3", "-o", "jsonpath={.spec.podCIDRs[*]}"}).out);
  std::string cidr;
  ASSERT_TRUE(cidrs >> cidr);
  EXPECT_TRUE(eventually(60s, "tor1 has node3's pods from AS 65001", [&] {
    const auto text = json::serialize(vtysh("tor1", "show bgp ipv4 unicast " + cidr));
    return Seen{ways("tor1", cidr) == kNode3 && text.find("65001") != std::string::npos, text};
  }));
  EXPECT_TRUE(eventually(60s, "tor2 has no session with node3, and two with the others", [&] {
    const auto text = json::serialize(vtysh("tor2", "show bgp ipv4 unicast summary established"));
    const auto has = [&](const char* node) { return text.find(fmt::format("\"{}\"", node)) != std::string::npos; };
    return Seen{has("10.0.0.11") && has("10.0.0.12") && !has("10.0.0.13"), text};
  }));
  // dual-tor-bgp asks for a label that this has not; rack-bgp takes all but what says "never-advertise".
  ASSERT_TRUE(lab().apply("cluster1", service("plain", "somekey: other")));
  ASSERT_TRUE(lab().apply("cluster1", service("never", "somekey: never-advertise")));
  set_address("never", "203.0.113.41");
  set_address("plain", "203.0.113.40");
  EXPECT_TRUE(eventually(60s, "the service is reached over node3 alone",
                         [&] { return Seen{ways("tor1", "203.0.113.40/32") == kNode3, shown("tor1")}; }));
  EXPECT_TRUE(ways("tor1", "203.0.113.41/32").empty()) << shown("tor1");
  ASSERT_TRUE(lab().kubectl("cluster1", {"label", "node", "cluster1-node3", "rack-"}).ok());
  EXPECT_TRUE(has_ways("203.0.113.40/32", 0));
  ASSERT_TRUE(lab().kubectl("cluster1", {"delete", "service", "plain", "never"}).ok());
}

TEST_F(Bgp, a_cordoned_node_marks_its_routes_for_graceful_shutdown) {
  ASSERT_TRUE(lab().apply("cluster1", service("drained", "advertise: external")));
  set_address("drained", "203.0.113.20");
  ASSERT_TRUE(has_ways("203.0.113.20/32", 3));
  ASSERT_TRUE(lab().kubectl("cluster1", {"cordon", "cluster1-node2"}).ok());
  EXPECT_TRUE(eventually(60s, "the way over node2 carries graceful-shutdown", [&] {
    const auto text = json::serialize(vtysh("tor1", "show bgp ipv4 unicast 203.0.113.20/32"));
    return Seen{
        text.find("gracefulShutdown") != std::string::npos || text.find("graceful-shutdown") != std::string::npos,
        text};
  }));
  ASSERT_TRUE(lab().kubectl("cluster1", {"uncordon", "cluster1-node2"}).ok());
  EXPECT_TRUE(eventually(60s, "no way carries it any more", [&] {
    const auto text = json::serialize(vtysh("tor1", "show bgp ipv4 unicast 203.0.113.20/32"));
    return Seen{text.find("raceful") == std::string::npos && ways("tor1", "203.0.113.20/32").size() == 3, text};
  }));
}

// The last of this file: everything above has been asked by then.
TEST_F(Bgp, the_charts_rules_are_all_that_it_needs) { EXPECT_THAT(lab().forbidden(), ::testing::ElementsAre()); }

}  // namespace
}  // namespace weft::e2e

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  weft::e2e::Lab::use_topology(weft::e2e::source_path("lab/topologies/bgp.yaml"));
  return RUN_ALL_TESTS();
}
