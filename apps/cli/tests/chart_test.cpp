// What the chart renders of agents, operator, values and kinds.
#include "apps/cli/tests/chart_fixture.h"

namespace weft::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Chart, renders_agents_and_operator_by_default) {
  render({});
  const auto& agent = object("DaemonSet/weft-agent");
  EXPECT_TRUE(find(agent, {"spec", "template", "spec", "hostNetwork"})->as_bool());
  object("Deployment/weft-operator");
  object("ConfigMap/weft-config");
  EXPECT_FALSE(objects_.contains("Deployment/clustermesh-apiserver"));
  EXPECT_FALSE(objects_.contains("Secret/cilium-clustermesh"));
}

TEST_F(Chart, an_agent_with_bgp_may_take_as_long_to_stop_as_its_goodbye_does) {
  const auto seconds = [&](const char* value) {
    render({std::string("bgpControlPlane.enabled=true,bgpControlPlane.stopGrace=") + value});
    return number(object("DaemonSet/weft-agent"), {"spec", "template", "spec", "terminationGracePeriodSeconds"});
  };
  EXPECT_EQ(seconds("2s"), 15);
  EXPECT_EQ(seconds("0s"), 13);
  EXPECT_EQ(seconds("40s"), 53);
  EXPECT_EQ(seconds("1m30s"), 103);
  EXPECT_EQ(seconds("1h"), 3613);
  render({});
  EXPECT_EQ(number(object("DaemonSet/weft-agent"), {"spec", "template", "spec", "terminationGracePeriodSeconds"}), 5);
}

TEST_F(Chart, values_reach_the_configuration_as_text_and_unknown_ones_are_accepted) {
  render(
      {"cluster.name=east,cluster.id=7,routingMode=native,ipv6.enabled=false,bpf.lbServiceMapMax=200000,"
       "bgpControlPlane.enabled=true,hubble.relay.enabled=true,"
       "prometheus.enabled=true,k8sClientRateLimit.qps=7,extraConfig.any-key=x",
       "underlayProtocol=ipv6,autoDirectNodeRoutes=false,ipv4NativeRoutingCIDR=10.0.0.0/8,labels=k8s:app !k8s:build"});
  const auto& config = object("ConfigMap/weft-config");
  for (const auto& [key, value] : std::map<const char*, std::string>{{"cluster-name", "east"},
                                                                     {"cluster-id", "7"},
                                                                     {"routing-mode", "native"},
                                                                     {"enable-ipv4", "true"},
                                                                     {"enable-ipv6", "false"},
                                                                     {"bpf-lb-service-map-max", "200000"},
                                                                     {"enable-bgp-control-plane", "true"},
                                                                     {"socket-path", "/var/run/weft/weft.sock"},
                                                                     {"prometheus-serve-addr", ":9962"},
                                                                     {"k8s-client-qps", "7"},
                                                                     {"k8s-client-burst", "20"},
                                                                     {"underlay-protocol", "ipv6"},
                                                                     {"auto-direct-node-routes", "false"},
                                                                     {"ipv4-native-routing-cidr", "10.0.0.0/8"},
                                                                     {"labels", "k8s:app !k8s:build"},
                                                                     {"any-key", "x"}})
    EXPECT_EQ(text(config, {"data", key}), value) << key;
}

TEST_F(Chart, good_values_are_taken_and_empty_ones_mean_the_default) {
  const auto config = [&](const std::vector<std::string>& sets) {
    render(sets);
    std::vector<std::string> out;
    for (const char* key :
         {"tunnel-protocol", "underlay-protocol", "ipv4-native-routing-cidr", "ipv6-native-routing-cidr", "labels"})
      out.push_back(text(object("ConfigMap/weft-config"), {"data", key}));
    return out;
  };
  EXPECT_THAT(config({"tunnelProtocol=,underlayProtocol=,ipv4NativeRoutingCIDR=,ipv6NativeRoutingCIDR=,labels="}),
              ElementsAre("vxlan", "auto", "", "", ""));
  EXPECT_THAT(config({"underlayProtocol=ipv4,ipv4NativeRoutingCIDR=10.0.0.0/8,ipv6NativeRoutingCIDR=::/0",
                      "labels=!^k8s:build.* io\\.kubernetes [a-z]{1\\,3}"}),
              ElementsAre("vxlan", "ipv4", "10.0.0.0/8", "::/0", "!^k8s:build.* io.kubernetes [a-z]{1,3}"));
  EXPECT_THAT(config({"ipv4NativeRoutingCIDR=0.0.0.0/0,ipv6NativeRoutingCIDR=1:2:3:4:5:6:7:8/128"}),
              ElementsAre("vxlan", "auto", "0.0.0.0/0", "1:2:3:4:5:6:7:8/128", ""));
  EXPECT_THAT(config({"ipv4NativeRoutingCIDR=172.16.9.255,ipv6NativeRoutingCIDR=FD00:1::2:0"}),
              ElementsAre("vxlan", "auto", "172.16.9.255", "FD00:1::2:0", ""));
}

TEST_F(Chart, values_of_a_release_that_had_no_status_namespace_yet_are_enough) {
  // helm upgrade --reuse-values leaves out what the old chart did not have.
  render({"clustermesh.statusNamespace=null"});
  EXPECT_TRUE(objects_.contains("Namespace/weft-mesh-status"));
  EXPECT_EQ(text(object("ConfigMap/weft-config"), {"data", "mesh-status-namespace"}), "weft-mesh-status");
  EXPECT_EQ(text(object("Role/weft-mesh-status"), {"metadata", "namespace"}), "weft-mesh-status");
}

TEST_F(Chart, every_value_given_that_does_nothing_is_named_with_the_reason) {
  render({});
  EXPECT_THAT(values_without_effect(object("ConfigMap/weft-config")), ElementsAre()) << "defaults must do something";
  render(
      {"l2announcements.enabled=true,cluster.nmae=east,clustermesh.apiserver.kvstoremesh.enabled=false,"
       "loadBalancer.mode=dsr,loadBalancer.algorithm=maglev,extraConfig.any=x,resources.limits.cpu=1",
       "clustermesh.config.clusters[0].name=b,clustermesh.config.clusters[0].address=c"});
  EXPECT_THAT(
      values_without_effect(object("ConfigMap/weft-config")),
      ElementsAre("cluster.nmae has no effect: not a value of this chart",
                  "clustermesh.apiserver.kvstoremesh.enabled has no effect: agents read the stores of remote clusters "
                  "themselves",
                  "l2announcements.enabled has no effect: Weft does not answer ARP and NDP for service addresses yet",
                  "loadBalancer.mode has no effect: there is no north-south datapath yet"));
}

// known-values.txt is values.yaml once more, since Helm does not show that file to templates.
TEST_F(Chart, knows_the_values_of_values_yaml_and_uses_each_in_a_template) {
  const auto yaml = read_file(chart_ + "/values.yaml"), listed = read_file(chart_ + "/files/known-values.txt");
  ASSERT_TRUE(yaml && listed);
  const auto values = parse_yaml(*yaml);
  ASSERT_TRUE(values) << values.error().message;
  std::string templates;
  for (const auto& entry : std::filesystem::directory_iterator(chart_ + "/templates"))
    if (entry.path().extension() == ".yaml" || entry.path().extension() == ".tpl")
      templates += read_file(entry.path()).value_or("");
  std::set<std::string> known;
  std::istringstream lines(*listed);
  for (std::string line; std::getline(lines, line);) known.insert(line);
  std::set<std::string> met;
  const std::function<void(const std::string&, const json::value&)> walk = [&](const std::string& path,
                                                                               const json::value& v) {
    if (known.contains(path)) {
      met.insert(path);
      return;
    }
    if (!v.is_object() || v.as_object().empty()) {
      ADD_FAILURE() << path << " stands in values.yaml: add it to files/known-values.txt";
      return;
    }
    for (const auto& [key, child] : v.as_object())
      walk(path.empty() ? std::string(key) : path + "." + std::string(key), child);
  };
  walk("", *values);
  EXPECT_EQ(met, known) << "what is listed in files/known-values.txt and not in values.yaml is to go";
  for (const auto& path : known) {
    // In whole, or from a variable that holds the front of it.
    bool used = templates.find(".Values." + path) != std::string::npos;
    for (auto dot = path.find('.'); !used && dot != std::string::npos; dot = path.find('.', dot + 1))
      used = templates.find(".Values." + path.substr(0, dot) + " ") != std::string::npos &&
             templates.find(path.substr(path.rfind('.'))) != std::string::npos;
    EXPECT_TRUE(used) << path << " stands in values.yaml and no template reads it";
  }
}

TEST_F(Chart, rules_give_agents_no_right_on_others_objects_of_the_systems_namespace) {
  render({"cluster.name=east,cluster.id=7,clustermesh.useAPIServer=true"});
  for (const auto& [key, o] : objects_) {
    if (!key.starts_with("Role/")) continue;
    EXPECT_TRUE(key == "Role/weft-mesh-status" || key == "Role/weft-operator") << key;
  }
  EXPECT_EQ(text(object("Role/weft-mesh-status"), {"metadata", "namespace"}), "weft-mesh-status");
  EXPECT_TRUE(objects_.contains("Namespace/weft-mesh-status"));
  EXPECT_EQ(text(object("ConfigMap/weft-config"), {"data", "mesh-status-namespace"}), "weft-mesh-status");
  for (const char* key : {"ClusterRole/weft-agent", "ClusterRole/weft-operator", "ClusterRole/clustermesh-apiserver"}) {
    const auto rules = json::serialize(object(key));
    for (const char* word : {"configmaps", "secrets", "leases", "events", "nodes/", "\"*\"", "networkpolicies"})
      EXPECT_THAT(rules, Not(HasSubstr(word))) << key;
  }
  render({"clustermesh.statusNamespace.name=mesh,clustermesh.statusNamespace.create=false"});
  EXPECT_EQ(text(object("Role/weft-mesh-status"), {"metadata", "namespace"}), "mesh");
  EXPECT_FALSE(objects_.contains("Namespace/mesh"));
  EXPECT_THAT(refusal({"clustermesh.statusNamespace.name=kube-system"}), HasSubstr("give it a namespace of its own"));
}

TEST_F(Chart, the_nodes_cgroup_root_is_mounted_where_it_is) {
  const auto mounts = [&] { return json::serialize(object("DaemonSet/weft-agent")); };
  render({});
  EXPECT_THAT(mounts(), HasSubstr(R"("mountPath":"/sys/fs/cgroup")"));
  render({"cgroup.hostRoot=/run/cgroupv2"});
  EXPECT_EQ(text(object("ConfigMap/weft-config"), {"data", "cgroup-root"}), "/run/cgroupv2");
  EXPECT_THAT(mounts(), HasSubstr(R"("mountPath":"/run/cgroupv2")"));
  EXPECT_THAT(mounts(), HasSubstr(R"("path":"/run/cgroupv2")"));
  EXPECT_THAT(mounts(), Not(HasSubstr("/sys/fs/cgroup")));
}

TEST_F(Chart, an_image_of_etcd_has_a_tag_or_a_digest) {
  auto sets = kMesh;
  sets.emplace_back("clustermesh.apiserver.etcd.image.repository=registry.example:5000/etcd");
  EXPECT_THAT(refusal(sets), HasSubstr("set clustermesh.apiserver.etcd.image.tag"));
  const auto image = [&](const char* more) {
    auto all = sets;
    all.emplace_back(more);
    render(all);
    return json::serialize(object("Deployment/clustermesh-apiserver"));
  };
  EXPECT_THAT(image("clustermesh.apiserver.etcd.image.tag=v3.5.16"),
              HasSubstr(R"("image":"registry.example:5000/etcd:v3.5.16")"));
  EXPECT_THAT(image("clustermesh.apiserver.etcd.image.repository=etcd@sha256:12"),
              HasSubstr(R"("image":"etcd@sha256:12")"));
}

TEST_F(Chart, room_for_maglev_tables_can_be_set) {
  render({"loadBalancer.algorithm=maglev,bpf.lbSlotMapMax=20000000"});
  EXPECT_EQ(text(object("ConfigMap/weft-config"), {"data", "bpf-lb-slot-map-max"}), "20000000");
}

TEST_F(Chart, the_api_server_is_named_to_every_process) {
  auto sets = kMesh;
  sets.emplace_back("k8sServiceHost=172.18.1.2,k8sServicePort=6443");
  render(sets);
  for (const char* key : {"DaemonSet/weft-agent", "Deployment/weft-operator", "Deployment/clustermesh-apiserver"}) {
    const auto text = json::serialize(object(key));
    EXPECT_THAT(text, HasSubstr(R"({"name":"KUBERNETES_SERVICE_HOST","value":"172.18.1.2"})")) << key;
    EXPECT_THAT(text, HasSubstr(R"({"name":"KUBERNETES_SERVICE_PORT","value":"6443"})")) << key;
  }
}

TEST_F(Chart, wrong_values_are_refused_with_the_mend) {
  EXPECT_THAT(refusal({"cluster.id=256"}), HasSubstr("cluster.id 256: use a number from 1 to 255"));
  EXPECT_THAT(refusal({"cluster.id=-1"}), HasSubstr("cluster.id -1"));
  EXPECT_THAT(refusal({"cluster.name=West"}), HasSubstr("cluster.name \"West\": use lower case letters"));
  EXPECT_THAT(refusal({"cluster.name=a23456789012345678901234567890123,cluster.id=1"}),
              HasSubstr("33 characters are too many"));
  EXPECT_THAT(refusal({"cluster.id=3"}), HasSubstr("give the cluster a name of its own"));
  EXPECT_THAT(refusal({"clustermesh.useAPIServer=true"}), HasSubstr("clustermesh.useAPIServer with cluster.id 0"));
  EXPECT_THAT(refusal({"clustermesh.maxConnectedClusters=300"}), HasSubstr("use 255 or 511"));
  EXPECT_THAT(refusal({"routingMode=bridge"}), HasSubstr("use native or tunnel"));
  EXPECT_THAT(refusal({"tunnelProtocol=geneve"}), HasSubstr("tunnelProtocol \"geneve\": use vxlan"));
  EXPECT_THAT(refusal({"underlayProtocol=ipv5"}), HasSubstr("underlayProtocol \"ipv5\": use auto, ipv4 or ipv6"));
  for (const char* bad : {"10.0.0.0/33", "10.0.0/8", "256.0.0.0/8", "fd00::/8", "10.0.0.0/8\\,10.1.0.0/16"})
    EXPECT_THAT(refusal({std::string("ipv4NativeRoutingCIDR=") + bad}),
                AllOf(HasSubstr("ipv4NativeRoutingCIDR \""), HasSubstr("use an IPv4 prefix such as 10.0.0.0/8")));
  for (const char* bad : {"fd00::/129", "fd00::1::/64", "fd00:/8", "1:2:3:4:5:6:7:8:9/64", "10.0.0.0/8", "fd0g::/8"})
    EXPECT_THAT(refusal({std::string("ipv6NativeRoutingCIDR=") + bad}),
                AllOf(HasSubstr("ipv6NativeRoutingCIDR \""), HasSubstr("use an IPv6 prefix such as fd00::/8")));
  EXPECT_THAT(refusal({"labels=k8s:app k8s:"}), HasSubstr("labels: rule \"k8s:\" is empty"));
  EXPECT_THAT(refusal({"labels=!"}), HasSubstr("labels: rule \"!\" is empty"));
  EXPECT_THAT(refusal({"labels=k8s:app !k8s:(build"}),
              HasSubstr("labels: rule \"!k8s:(build\" is not a regular expression; write [!][source:]expression"));
  EXPECT_THAT(refusal({"identityAllocationMode=kvstore"}), HasSubstr("identityAllocationMode \"kvstore\": use crd"));
  EXPECT_THAT(refusal({"ipv4.enabled=false,ipv6.enabled=false"}), HasSubstr("turn one of them on"));
  EXPECT_THAT(refusal({"cluster.name=a,cluster.id=1,clustermesh.config.enabled=true,clustermesh.config.clusters[0]."
                       "name=a,clustermesh.config.clusters[0].address=x"}),
              HasSubstr("\"a\" is this cluster's own name"));
  EXPECT_THAT(
      refusal({"cluster.name=a,cluster.id=1,clustermesh.config.enabled=true,clustermesh.config.clusters[0].name=b"}),
      HasSubstr("neither ips nor address"));
}

TEST_F(Chart, agents_can_be_made_to_clean_up) {
  render({});
  const auto& set = object("DaemonSet/weft-agent");
  const auto patch = cleanup_patch(set);
  ASSERT_TRUE(patch) << patch.error().message;
  const auto& containers = patch->at("spec").at("template").at("spec").at("containers").as_array();
  const auto& was = set.at("spec").at("template").at("spec").at("containers").as_array();
  ASSERT_EQ(containers.size(), was.size());
  auto args = was[0].at("args").as_array();
  args.emplace_back(kCleanupFlag);
  EXPECT_EQ(containers[0].at("args"), json::value(args));
}

TEST_F(Chart, holds_the_kinds_of_the_reference_with_their_versions) {
  render({}, true);
  const std::map<std::string, std::vector<std::string>> kinds{{"ciliumnodes", {"v2"}},
                                                              {"ciliumendpoints", {"v2"}},
                                                              {"ciliumidentities", {"v2"}},
                                                              {"ciliumloadbalancerippools", {"v2", "v2alpha1"}},
                                                              {"ciliuml2announcementpolicies", {"v2alpha1"}},
                                                              {"ciliumbgppeeringpolicies", {"v2alpha1"}},
                                                              {"ciliumbgpclusterconfigs", {"v2", "v2alpha1"}},
                                                              {"ciliumbgppeerconfigs", {"v2", "v2alpha1"}},
                                                              {"ciliumbgpadvertisements", {"v2", "v2alpha1"}},
                                                              {"ciliumbgpnodeconfigs", {"v2", "v2alpha1"}},
                                                              {"ciliumbgpnodeconfigoverrides", {"v2", "v2alpha1"}}};
  for (const auto& [plural, versions] : kinds) {
    const auto& crd = object("CustomResourceDefinition/" + plural + ".cilium.io");
    std::vector<std::string> found;
    for (const auto& v : list(crd, {"spec", "versions"})) found.push_back(text(v.as_object(), {"name"}));
    EXPECT_EQ(found, versions) << plural;
  }
}

TEST_F(Chart, bgp_brings_its_settings_the_right_to_read_its_secrets) {
  render({});
  EXPECT_FALSE(objects_.contains("Role/weft-bgp-secrets"));
  render({"bgpControlPlane.enabled=true", "bgpControlPlane.secretsNamespace.name=bgp-secrets",
          "bgpControlPlane.secretsNamespace.create=true", "bgpControlPlane.routerIDAllocation.mode=ip-pool",
          "bgpControlPlane.routerIDAllocation.ipPool=10.255.0.0/24"});
  const auto& config = object("ConfigMap/weft-config");
  EXPECT_EQ(text(config, {"data", "enable-bgp-control-plane"}), "true");
  EXPECT_EQ(text(config, {"data", "bgp-secrets-namespace"}), "bgp-secrets");
  EXPECT_EQ(text(config, {"data", "bgp-router-id-allocation-ip-pool"}), "10.255.0.0/24");
  EXPECT_EQ(text(object("Role/weft-bgp-secrets"), {"metadata", "namespace"}), "bgp-secrets");
  EXPECT_TRUE(objects_.contains("Namespace/bgp-secrets"));
  // Secrets of other namespaces are nobody's business.
  EXPECT_THAT(json::serialize(object("ClusterRole/weft-agent")), Not(HasSubstr("secrets")));
  EXPECT_THAT(json::serialize(object("ClusterRole/weft-operator")), Not(HasSubstr("secrets")));
  EXPECT_THAT(refusal({"bgpControlPlane.routerIDAllocation.mode=ip-pool"}), HasSubstr("ipPool is empty"));
}

TEST_F(Chart, bfd_has_pods_of_its_own_that_come_with_bgp) {
  render({});
  EXPECT_FALSE(objects_.contains("DaemonSet/weft-bfd"));
  render({"bgpControlPlane.enabled=true,bfd.enabled=false"});
  EXPECT_FALSE(objects_.contains("DaemonSet/weft-bfd"));
  render({"bgpControlPlane.enabled=true,daemon.runPath=/run/w"});
  const auto pod = json::serialize(object("DaemonSet/weft-bfd"));
  EXPECT_THAT(pod, HasSubstr("--socket=/run/w/bfd.sock"));
  EXPECT_THAT(pod, HasSubstr("SYS_NICE"));
  EXPECT_THAT(pod, Not(HasSubstr("config-checksum"))) << "a change of configuration must not restart it";
  EXPECT_THAT(pod, Not(HasSubstr("\"limits\""))) << "a CPU quota would miss deadlines";
  const auto strategy = [&] { return json::serialize(object("DaemonSet/weft-bfd").at("spec").at("updateStrategy")); };
  EXPECT_EQ(strategy(), R"({"type":"OnDelete"})") << "routers that take AdminDown for a failure would drop the node";
  render({"bgpControlPlane.enabled=true,bfd.updateStrategy.type=RollingUpdate"});
  EXPECT_EQ(strategy(), R"({"type":"RollingUpdate"})");
}

}  // namespace
}  // namespace weft::cli
