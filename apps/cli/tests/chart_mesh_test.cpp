// What the chart renders of the mesh: the store, its certificates and users, when it is made anew.
#include "apps/cli/tests/chart_fixture.h"

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace weft::cli
