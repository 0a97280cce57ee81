// What people read: tables, lists, status of the parts, installation without flags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apps/cli/install_plan.h"
#include "apps/cli/list_text.h"
#include "apps/cli/output.h"
#include "apps/cli/terminal.h"
#include "apps/cli/tests/objects.h"
#include "apps/cli/workloads.h"

namespace weft::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Text, tables_are_aligned_by_what_is_seen) {
  EXPECT_EQ(table({"A", ">N", "C"}, {{"ä", "1", "x"}, {paint("long", Colour::red, true), "200", ""}}, "  "),
            "  A       N  C\n  ä       1  x\n  \x1b[31mlong\x1b[0m  200\n");
}

TEST(Text, ages_show_what_matters) {
  EXPECT_EQ(age(0s), "0s");
  EXPECT_EQ(age(119s), "119s");
  EXPECT_EQ(age(125s), "2m5s");
  EXPECT_EQ(age(15min), "15m");
  EXPECT_EQ(age(5h), "5h");
  EXPECT_EQ(age(72h), "3d");
}

TEST(Text, json_is_indented_and_yaml_is_yaml) {
  const json::value v{{"a", {1, 2}}, {"b", json::object()}, {"c", 0.5}};
  EXPECT_EQ(to_text(v, OutputFormat::json), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": 0.5\n}\n");
  EXPECT_THAT(to_text(v, OutputFormat::yaml), HasSubstr("c: 0.5"));
}

const char* kServices = R"([
  {"id": 1, "frontend": "10.96.0.1:443/TCP", "type": "ClusterIP", "namespace": "default", "name": "kubernetes", "global": false,
   "backends": [{"address": "172.18.1.2:6443", "state": "active", "cluster": "cluster1", "preferred": true}]},
  {"id": 7, "frontend": "10.96.3.7:80/TCP", "type": "ClusterIP", "namespace": "shop", "name": "cart", "global": true, "affinity": "local",
   "backends": [{"address": "10.1.0.5:8080", "state": "active", "cluster": "cluster1", "preferred": true},
                {"address": "10.2.0.9:8080", "state": "active", "cluster": "cluster2", "preferred": false, "heldBack": "affinity local"}]},
  {"id": 0, "frontend": "10.96.3.8:80/TCP", "type": "ClusterIP", "namespace": "shop", "name": "none", "backends": []}])";

TEST(Lists, services_have_the_columns_people_know) {
  EXPECT_EQ(services_text(json::parse(kServices), {}),
            "ID  Frontend           Service Type  Service             Backend\n"
            "1   10.96.0.1:443/TCP  ClusterIP     default/kubernetes  1 => 172.18.1.2:6443/TCP (active)\n"
            "7   10.96.3.7:80/TCP   ClusterIP     shop/cart           1 => 10.1.0.5:8080/TCP (active)\n"
            "                                                         2 => 10.2.0.9:8080/TCP (active)\n"
            "-   10.96.3.8:80/TCP   ClusterIP     shop/none           none\n");
}

TEST(Lists, what_is_not_as_it_should_be_says_why_below_the_table) {
  EXPECT_EQ(
      services_text(json::parse(R"([{"id": 0, "state": "error", "reason": "map lb_frontends is full at 256 entries",
        "frontend": "10.96.3.8:80/TCP", "type": "ClusterIP", "namespace": "shop", "name": "cart", "backends": []}])"),
                    {}),
      "ID  Frontend          Service Type  Service    Backend\n"
      "-   10.96.3.8:80/TCP  ClusterIP     shop/cart  none\n"
      "❌ shop/cart, 10.96.3.8:80/TCP: map lb_frontends is full at 256 entries\n");
  EXPECT_THAT(endpoints_text(json::parse(
                  R"([{"id": 12, "namespace": "shop", "pod": "cart-1", "addresses": [], "identity": 0,
                       "state": "waiting-for-identity", "why": "the Pod object was not seen yet"}])")),
              HasSubstr("\n❌ shop/cart-1: waiting-for-identity: the Pod object was not seen yet\n"));
}

TEST(Lists, clustermesh_shows_global_services_with_cluster_and_choice) {
  EXPECT_EQ(
      services_text(json::parse(kServices), {.global_only = true}),
      "ID  Frontend          Service Type  Service    Affinity  Backend\n"
      "7   10.96.3.7:80/TCP  ClusterIP     shop/cart  local     1 => 10.1.0.5:8080/TCP (active) cluster1 (preferred)\n"
      "                                                         2 => 10.2.0.9:8080/TCP (active) cluster2 (held back: "
      "affinity local)\n");
  EXPECT_EQ(global_services(json::parse(kServices)).as_array().size(), 1u);
}

TEST(Lists, an_answer_of_another_shape_is_not_a_crash) {
  for (const char* text : {"null", "{}", "[1, null, {}]", R"([{"backends": [3, {}], "labels": 5, "addresses": {}}])"}) {
    const auto v = json::parse(text);
    for (const auto& out : {services_text(v, {.global_only = false, .choice = true}), nodes_text(v), identities_text(v),
                            endpoints_text(v), lb_text(v)})
      EXPECT_FALSE(out.empty());
  }
}

TEST(Lists, configuration_is_sorted_by_key) {
  EXPECT_EQ(config_text(obj(R"({"metadata": {}, "data": {"routing-mode": "tunnel", "cluster-name": "east"}})")),
            "KEY           VALUE\ncluster-name  east\nrouting-mode  tunnel\n");
  EXPECT_EQ(config_text({}), "KEY  VALUE\n");
}

TEST(Lists, nodes_identities_endpoints_and_maps) {
  EXPECT_EQ(nodes_text(json::parse(
                R"([{"cluster": "c2", "name": "n1", "addresses": [{"type": "InternalIP", "ip": "172.18.2.11"},
      {"type": "CiliumInternalIP", "ip": "10.2.0.1"}], "podCIDRs": ["10.2.0.0/24", "fd00:2::/64"], "source": "clustermesh"}])")),
            "Name   Internal IP  Pod CIDRs                 Source\n"
            "c2/n1  172.18.2.11  10.2.0.0/24, fd00:2::/64  clustermesh\n");
  EXPECT_EQ(
      identities_text(json::parse(
          R"([{"id": 1, "labels": {"reserved:host": ""}}, {"id": 65792, "cluster": "c1", "labels": {"k8s:b": "2", "k8s:a": "1"}}])")),
      "   ID  Cluster  Labels\n"
      "    1  -        reserved:host\n"
      "65792  c1       k8s:a=1, k8s:b=2\n");
  EXPECT_EQ(
      endpoints_text(json::parse(
          R"([{"id": 12, "namespace": "shop", "pod": "cart-1", "addresses": ["10.1.0.5", "fd00:1::5"], "identity": 65792, "state": "ready", "interface": "lxc1"}])")),
      "ID  Pod          Addresses            Identity  State  Interface\n"
      "12  shop/cart-1  10.1.0.5, fd00:1::5     65792  ready  lxc1\n");
  EXPECT_EQ(endpoints_text(json::parse(R"([{"id": 12, "namespace": "shop", "pod": "cart-1", "node": "n1"}])")),
            "Node  ID  Pod          Addresses  Identity  State  Interface\n"
            "n1    12  shop/cart-1  -                 -  -      -\n")
      << "from several nodes";
  EXPECT_EQ(
      lb_text(json::parse(
          R"([{"id": 3, "frontend": "10.96.3.7:80/TCP", "flags": "ClusterIP", "backends": [{"slot": 1, "backendId": 41, "address": "10.1.0.5:8080", "state": "active"}]}])")),
      "ID  Frontend          Flags      Backend\n"
      "3   10.96.3.7:80/TCP  ClusterIP  1 => 10.1.0.5:8080 (id 41, active)\n");
}

StatusInput running() {
  StatusInput in;
  in.context = "cluster1";
  in.chart = "weft-0.1.0";
  in.config = obj(R"({"data": {"cluster-name": "cluster1", "cluster-id": "1"}})");
  in.agents = obj(
      R"({"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3}})");
  in.op = obj(R"({"spec": {"replicas": 1}, "status": {"readyReplicas": 1, "updatedReplicas": 1}})");
  in.pods = {obj(
      R"({"metadata": {"name": "weft-agent-a"}, "spec": {"nodeName": "n1", "containers": [{"image": "weft:0.1.0"}]}})")};
  in.cluster_pods = {obj(R"({"spec": {"hostNetwork": true}})"), obj(R"({"spec": {}})")};
  in.endpoints = 1;
  return in;
}

TEST(Status, tells_what_agents_cannot_do_and_where) {
  auto in = running();
  const api::Problem everywhere{"Service", "shop/cart", "frontend 10.96.0.5:80/SCTP: SCTP is not balanced"};
  const api::Problem one{"", "", "node cluster2/n1 has no InternalIP of family IPv4"};
  for (const char* node : {"n1", "n2", "n3"})
    in.reports.push_back({.node = node, .problems = {everywhere}, .problem_count = 1});
  in.reports[1].problems.push_back(one);
  in.reports[1].problem_count = 4;
  const auto r = status_report(in);
  EXPECT_TRUE(r.ready()) << "the parts run";
  EXPECT_THAT(render(r, false),
              HasSubstr("\n\n⚠️  n2: node cluster2/n1 has no InternalIP of family IPv4\n"
                        "⚠️  n1, n2 and 1 more node: Service shop/cart: frontend 10.96.0.5:80/SCTP: SCTP is not "
                        "balanced\n⚠️  2 more on these nodes: curl --unix-socket /var/run/weft/weft.sock "
                        "http://weft/v1/problems\n"));
  EXPECT_EQ(to_json(r).at("problems").at(1).at("nodes"), (json::value{"n1", "n2", "n3"}));
}

TEST(Status, of_a_healthy_cluster) {
  const auto r = status_report(running());
  EXPECT_TRUE(r.ready());
  EXPECT_EQ(render(r, false),
            "✅ Weft: OK\n✅ Agents: OK, 3 of 3 ready\n✅ Operator: OK, 1 of 1 ready\n➖ Cluster Mesh: disabled\n\n"
            "Cluster  cluster1 (id 1)\nPods     1 of 1 have an endpoint\nChart    weft-0.1.0\nImages   weft:0.1.0\n");
  EXPECT_EQ(to_json(r).at("agents").at("ready").to_number<int>(), 3);
}

TEST(Status, a_roll_out_under_way_is_not_ready) {
  auto in = running();
  in.agents = obj(
      R"({"metadata": {"generation": 3}, "status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3}})");
  EXPECT_FALSE(status_report(in).ready());
  in.agents = obj(R"({"status": {"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 1}})");
  EXPECT_THAT(render(status_report(in), false), HasSubstr("❌ Agents: 3 of 3 ready, 1 of 3 updated\n"));
}

TEST(Status, a_crashing_container_is_named_with_its_reason) {
  auto in = running();
  in.pods.push_back(
      obj(R"({"metadata": {"name": "weft-agent-b"}, "spec": {"nodeName": "n2"}, "status": {"containerStatuses":
      [{"name": "weft-agent", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}]}})"));
  EXPECT_THAT(render(status_report(in), false),
              HasSubstr("❌ weft-agent-b on n2: container weft-agent: CrashLoopBackOff: back-off 10s\n"));
}

TEST(Status, not_installed_names_the_command) {
  EXPECT_EQ(render(status_report({.context = "c"}), false),
            "❌ Weft: not installed in c; run weft install --context c\n");
  EXPECT_FALSE(status_report({}).ready());
}

TEST(Install, finds_name_and_api_server_where_no_kube_proxy_runs) {
  InstallFacts f;
  f.context = "cluster1";
  f.server = "https://127.0.0.1:41001";
  f.endpoints = obj(R"({"subsets": [{"addresses": [{"ip": "172.18.1.2"}], "ports": [{"port": 6443}]}]})");
  EXPECT_THAT(install_plan(f).sets,
              ElementsAre("cluster.name=cluster1", "k8sServiceHost=172.18.1.2", "k8sServicePort=6443"));
  f.name_given = f.host_given = true;
  EXPECT_THAT(install_plan(f).sets, IsEmpty());
}

TEST(Install, several_api_servers_are_reached_through_what_stands_before_them) {
  InstallFacts f;
  f.context = "Admin@Prod";  // no cluster name
  f.server = "https://api.example:6443";
  f.endpoints =
      obj(R"({"subsets": [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}], "ports": [{"port": 6443}]}]})");
  EXPECT_THAT(install_plan(f).sets, ElementsAre("k8sServiceHost=api.example", "k8sServicePort=6443"));
  f.server = "https://localhost:6443";
  EXPECT_THAT(install_plan(f).sets, ElementsAre("k8sServiceHost=192.0.2.1", "k8sServicePort=6443"));
  f.endpoints.reset();
  EXPECT_THAT(install_plan(f).notes, ElementsAre(HasSubstr("--set k8sServiceHost=ADDRESS")));
  f.kube_proxy = true;
  EXPECT_THAT(install_plan(f).notes, IsEmpty());
}

}  // namespace
}  // namespace weft::cli
