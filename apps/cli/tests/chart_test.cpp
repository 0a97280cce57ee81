// The chart, rendered by the Helm at hand. Without one these tests are skipped, and say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <sstream>

#include "apps/cli/access.h"
#include "apps/cli/cleanup_plan.h"
#include "apps/cli/helm.h"
#include "apps/cli/install_plan.h"
#include "apps/cli/mesh_report.h"
#include "apps/cli/objects.h"
#include "apps/cli/process.h"
#include "base/encoding.h"
#include "base/file.h"
#include "manifest/manifest.h"

namespace weft::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Chart : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto helm = find_helm();
    ASSERT_TRUE(helm) << helm.error().message;
    const auto chart = find_chart("");
    ASSERT_TRUE(chart) << chart.error().message;
    helm_ = *helm;
    chart_ = *chart;
  }
  Result<Ran> helm_template(const std::vector<std::string>& sets, bool crds = false) {
    std::vector<std::string> argv{helm_, "template", "weft", chart_, "--namespace", "kube-system"};
    for (const auto& s : sets) argv.insert(argv.end(), {"--set", s});
    if (crds) argv.emplace_back("--include-crds");
    return run_process(argv, {{"HELM_CACHE_HOME", "/tmp"}});
  }
  void render(const std::vector<std::string>& sets, bool crds = false) {
    const auto ran = helm_template(sets, crds);
    ASSERT_TRUE(ran);
    ASSERT_EQ(ran->code, 0) << ran->err;
    const auto documents = parse_manifest(ran->out);
    ASSERT_TRUE(documents) << documents.error().message;
    objects_.clear();
    for (const auto& d : *documents)
      objects_[text(d.as_object(), {"kind"}) + "/" + name_of(d.as_object())] = d.as_object();
  }
  std::string refusal(const std::vector<std::string>& sets) {
    const auto ran = helm_template(sets);
    if (!ran) return ran.error().message;
    EXPECT_NE(ran->code, 0);
    return helm_complaint(ran->err);
  }
  const json::object& object(const std::string& key) {
    static const json::object none;
    const auto it = objects_.find(key);
    if (it == objects_.end()) {
      ADD_FAILURE() << key << " was not rendered";
      return none;
    }
    return it->second;
  }
  std::string secret(const std::string& name, const char* key) {
    const auto decoded = base64_decode(text(object("Secret/" + name), {"data", key}));
    return decoded ? *decoded : "";
  }

  static std::string common_name(const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                          &::BIO_free);
    const std::unique_ptr<X509, decltype(&::X509_free)> cert(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                             &::X509_free);
    char name[256] = "";
    if (cert) ::X509_NAME_get_text_by_NID(::X509_get_subject_name(cert.get()), NID_commonName, name, sizeof name);
    return name;
  }

  std::string helm_, chart_;
  std::map<std::string, json::object> objects_;
};

const std::vector<std::string> kMesh{"cluster.name=cluster1,cluster.id=1,clustermesh.useAPIServer=true"};

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

TEST_F(Chart, certificates_have_the_names_that_other_clusters_look_for_and_one_authority) {
  render(kMesh);
  const auto ca = secret("cilium-ca", "ca.crt");
  EXPECT_TRUE(certificate_key_id(ca));
  for (const auto& [name, subject] :
       std::map<std::string, std::string>{{"clustermesh-apiserver-server-cert", "CN = clustermesh-apiserver.cilium.io"},
                                          {"clustermesh-apiserver-admin-cert", "CN = admin-cluster1"},
                                          {"clustermesh-apiserver-local-cert", "CN = local-cluster1"},
                                          {"clustermesh-apiserver-remote-cert", "CN = remote"}}) {
    EXPECT_EQ(secret(name, "ca.crt"), ca) << name;
    const auto dir = std::filesystem::temp_directory_path() / ("weft-chart-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir);
    ASSERT_TRUE(write_file(dir / "ca", ca));
    ASSERT_TRUE(write_file(dir / "crt", secret(name, "tls.crt")));
    const auto verified = run_process({"openssl", "verify", "-CAfile", dir / "ca", dir / "crt"});
    const auto shown =
        run_process({"openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-in", dir / "crt"});
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(verified && shown);
    EXPECT_EQ(verified->code, 0) << name << verified->err;
    EXPECT_THAT(shown->out, HasSubstr(subject));
    if (name == "clustermesh-apiserver-server-cert") {
      EXPECT_THAT(shown->out, HasSubstr("DNS:*.mesh.cilium.io"));
    }
  }
}

TEST_F(Chart, remote_clusters_become_files_and_users_in_list_form_and_in_map_form) {
  const std::string files =
      "endpoints:\n- https://172.18.2.11:32379\n- https://[fd00:18:2::11]:32379\nserver-name: cluster2.mesh.cilium.io\n"
      "trusted-ca-file: /var/lib/cilium/clustermesh/common-etcd-client-ca.crt\n"
      "key-file: /var/lib/cilium/clustermesh/common-etcd-client.key\n"
      "cert-file: /var/lib/cilium/clustermesh/common-etcd-client.crt\n";
  for (const char* form : {"clustermesh.config.clusters[0].name=cluster2,clustermesh.config.clusters[0].ips={172.18.2."
                           "11,fd00:18:2::11},clustermesh.config.clusters[0].port=32379",
                           "clustermesh.config.clusters.cluster2.ips={172.18.2.11,fd00:18:2::11},clustermesh.config."
                           "clusters.cluster2.port=32379"}) {
    auto sets = kMesh;
    sets.emplace_back("clustermesh.config.enabled=true");
    sets.emplace_back(form);
    render(sets);
    EXPECT_EQ(secret("cilium-clustermesh", "cluster2"), files);
    EXPECT_THAT(configured_remotes(object("Secret/cilium-clustermesh")), ElementsAre("cluster2"));
    EXPECT_EQ(text(object("ConfigMap/clustermesh-remote-users"), {"data", "users.yaml"}),
              "users:\n- name: remote\n  role: remote\n- name: remote-cluster2\n  role: remote\n");
  }
}

TEST_F(Chart, a_remote_with_a_name_and_its_own_certificate) {
  auto sets = kMesh;
  sets.emplace_back(
      "clustermesh.config.enabled=true,clustermesh.config.clusters[0].name=west,clustermesh.config.clusters[0].address="
      "mesh.west.example,"
      "clustermesh.config.clusters[0].tls.cert=Yw==,clustermesh.config.clusters[0].tls.key=aw==,clustermesh.config."
      "clusters[0].tls.caCert=YQ==");
  render(sets);
  EXPECT_THAT(secret("cilium-clustermesh", "west"),
              StartsWith("endpoints:\n- https://mesh.west.example:2379\ntrusted-ca-file: "
                         "/var/lib/cilium/clustermesh/west.etcd-client-ca.crt\n"))
      << "its certificate is for its own name";
  EXPECT_EQ(secret("cilium-clustermesh", "west.etcd-client.key"), "k");
  EXPECT_THAT(configured_remotes(object("Secret/cilium-clustermesh")), ElementsAre("west"));
  sets.emplace_back("clustermesh.config.clusters[0].serverName=west.mesh.cilium.io");
  render(sets);
  EXPECT_THAT(secret("cilium-clustermesh", "west"),
              StartsWith("endpoints:\n- https://mesh.west.example:2379\nserver-name: west.mesh.cilium.io\n"));
}

TEST_F(Chart, each_authentication_mode_names_its_users_and_presents_its_certificate) {
  const std::string remote = "- name: remote\n  role: remote\n", west = "- name: remote-west\n  role: remote\n";
  const std::vector<std::array<std::string, 3>> modes{
      {"legacy", remote, "remote"}, {"migration", remote + west, "remote"}, {"cluster", west, "remote-cluster1"}};
  for (const auto& [mode, users, name] : modes) {
    auto sets = kMesh;
    sets.push_back("clustermesh.apiserver.tls.authMode=" + mode);
    sets.emplace_back("clustermesh.config.enabled=true,clustermesh.config.clusters.west.ips={172.18.2.11}");
    render(sets);
    EXPECT_EQ(text(object("ConfigMap/clustermesh-remote-users"), {"data", "users.yaml"}), "users:\n" + users) << mode;
    EXPECT_EQ(common_name(secret("clustermesh-apiserver-remote-cert", "tls.crt")), name) << mode;
  }
}

TEST_F(Chart, who_has_no_store_of_its_own_still_has_a_certificate_for_those_of_others) {
  const auto certificates = [&](const std::string& clusters) {
    render({"cluster.name=cluster1,cluster.id=1,clustermesh.config.enabled=true", clusters});
    std::set<std::string> out;
    for (const auto& [key, o] : objects_)
      if (key.starts_with("Secret/clustermesh-")) out.insert(key);
    return out;
  };
  const std::string remote = "clustermesh-apiserver-remote-cert", west = "clustermesh.config.clusters.west.";
  EXPECT_THAT(certificates(west + "ips={172.18.2.11}"), ElementsAre("Secret/" + remote));
  EXPECT_EQ(common_name(secret(remote, "tls.crt")), "remote");
  EXPECT_THAT(certificates(west + "ips={172.18.2.11}," + west + "tls.cert=Yw==," + west + "tls.key=aw=="),
              ElementsAre())
      << "it brings its own";
  render({"cluster.name=cluster1,cluster.id=1"});
  EXPECT_FALSE(objects_.contains("Secret/" + remote)) << "it reads nobody";
}

TEST_F(Chart, who_reads_one_way_is_a_user_of_the_store) {
  const std::string west = "- name: remote-west\n  role: remote\n", north = "- name: remote-north\n  role: remote\n";
  auto sets = kMesh;
  sets.emplace_back("clustermesh.apiserver.tls.authMode=cluster,clustermesh.config.readers={west}");
  render(sets);
  EXPECT_EQ(text(object("ConfigMap/clustermesh-remote-users"), {"data", "users.yaml"}), "users:\n" + west)
      << "although this cluster connects to nobody";
  sets.emplace_back("clustermesh.config.readers={west,north},clustermesh.config.enabled=true");
  sets.emplace_back("clustermesh.config.clusters.west.ips={172.18.2.11}");
  render(sets);
  EXPECT_EQ(text(object("ConfigMap/clustermesh-remote-users"), {"data", "users.yaml"}), "users:\n" + west + north);
  EXPECT_THAT(refusal({"clustermesh.config.readers=west"}),
              HasSubstr("clustermesh.config.readers west: use a list of names"));
  EXPECT_THAT(refusal({"clustermesh.config.readers={West}"}),
              HasSubstr("clustermesh.config.readers: \"West\" is no cluster.name"));
}

TEST_F(Chart, the_store_listens_on_the_node_port_itself) {
  auto sets = kMesh;
  sets.emplace_back("clustermesh.apiserver.service.nodePort=31234");
  render(sets);
  const auto& d = object("Deployment/clustermesh-apiserver");
  EXPECT_THAT(json::serialize(d), HasSubstr("--listen-client-urls=https://[::]:31234"));
  EXPECT_TRUE(find(d, {"spec", "template", "spec", "hostNetwork"})->as_bool());
  EXPECT_THAT(json::serialize(object("Service/clustermesh-apiserver")),
              HasSubstr(R"("port":2379,"protocol":"TCP","targetPort":31234,"nodePort":31234)"));
}

TEST_F(Chart, the_stores_probes_reach_it_on_the_host_and_in_a_pod_network) {
  const auto probes = [&](const char* host_network) {
    auto sets = kMesh;
    sets.emplace_back(std::string("clustermesh.apiserver.hostNetwork=") + host_network);
    render(sets);
    return json::serialize(object("Deployment/clustermesh-apiserver"));
  };
  const auto host = probes("true");
  EXPECT_THAT(host, HasSubstr(R"("tcpSocket":{"host":"127.0.0.1")"));
  EXPECT_THAT(host, HasSubstr(R"("httpGet":{"host":"127.0.0.1")"));
  EXPECT_THAT(host, Not(HasSubstr("--health-address")));
  const auto pod = probes("false");
  EXPECT_THAT(pod, Not(HasSubstr(R"("host":)"))) << "the kubelet asks at the pod's address";
  EXPECT_THAT(pod, HasSubstr(R"("--health-address=::")"));
}

TEST_F(Chart, the_secret_of_the_authority_is_found_by_the_name_it_was_given) {
  for (const auto& [set, name] :
       std::map<std::string, std::string>{{"", "cilium-ca"}, {"tls.secretName=ours", "ours"}}) {
    auto sets = kMesh;
    if (!set.empty()) sets.push_back(set);
    render(sets);
    EXPECT_TRUE(certificate_key_id(secret(name, "ca.crt")));
    EXPECT_EQ(ca_secret_of(object("ConfigMap/weft-config")), name);
  }
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

TEST_F(Chart, the_store_restarts_when_it_has_to_trust_somebody_else) {
  const auto note = [&] {
    return text(object("Deployment/clustermesh-apiserver"),
                {"spec", "template", "metadata", "annotations", "weft.io/trust-checksum"});
  };
  auto sets = kMesh;  // a CA of its own, so that both renderings have the same
  const auto pem = [&](const char* key) { return base64_encode(secret("cilium-ca", key)); };
  render(sets);
  sets.push_back("tls.ca.cert=" + pem("ca.crt") + ",tls.ca.key=" + pem("ca.key"));
  render(sets);
  const auto before = note();
  EXPECT_FALSE(before.empty());
  render(sets);
  EXPECT_EQ(note(), before);
  sets.emplace_back("tls.caBundle.enabled=true,tls.caBundle.content=PEM");
  render(sets);
  EXPECT_NE(note(), before);
  EXPECT_THAT(secret("clustermesh-apiserver-server-cert", "ca.crt"), HasSubstr("\nPEM\n"));
}

TEST_F(Chart, the_store_is_made_anew_only_for_what_stands_in_it) {
  const auto annotations = [&](const char* more) {
    auto sets = kMesh;
    sets.emplace_back(more);
    render(sets);
    const auto* found =
        find(object("Deployment/clustermesh-apiserver"), {"spec", "template", "metadata", "annotations"});
    return found && found->is_object() ? found->as_object() : json::object();
  };
  const auto checksum = [&](const char* more) { return text(annotations(more), {"weft.io/config-checksum"}); };
  const auto before = checksum("MTU=0");
  EXPECT_FALSE(before.empty());
  for (const char* other : {"debug.enabled=true", "logFormat=json", "MTU=1400", "k8sClientRateLimit.qps=7",
                            "bgpControlPlane.enabled=true", "routingMode=native", "extraConfig.any-key=x"})
    EXPECT_EQ(checksum(other), before) << other;
  for (const char* mine : {"cluster.name=west", "cluster.id=2", "clustermesh.maxConnectedClusters=511",
                           "extraConfig.clustermesh-default-global-namespace=false"})
    EXPECT_NE(checksum(mine), before) << mine;
  EXPECT_FALSE(annotations("rollOutPods=false").contains("weft.io/config-checksum"));
  EXPECT_TRUE(annotations("rollOutPods=false").contains("weft.io/trust-checksum")) << "no pod, no trust";
  const auto none = annotations("rollOutPods=false,clustermesh.apiserver.tls.auto.enabled=false");
  EXPECT_TRUE(none.empty()) << json::serialize(none);
}

TEST_F(Chart, the_store_is_made_anew_for_every_key_that_its_process_reads_but_those_of_the_log) {
  const auto source = read_file(chart_ + "/../../apps/clustermesh/options.cpp"),
             deployment = read_file(chart_ + "/templates/clustermesh-apiserver.yaml");
  ASSERT_TRUE(source && deployment);
  std::set<std::string> keys;
  const std::string call = "value_of(o, \"";
  for (auto at = source->find(call); at != std::string::npos; at = source->find(call, at)) {
    at += call.size();
    keys.insert(source->substr(at, source->find('"', at) - at));
  }
  EXPECT_TRUE(keys.contains("cluster-id")) << "the test does not find the keys any more";
  EXPECT_EQ(keys.erase("debug") + keys.erase("log-format"), 2u);
  for (const auto& key : keys) EXPECT_THAT(*deployment, HasSubstr('"' + key + '"'));
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
