// What a cluster tells the others, seen from outside with stock tools: etcdctl with the certificate that remote
// clusters get, and Cilium's own export of the same objects (src/mesh/tests/golden; its README is section 1 of
// cilium-compat).
#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/e2e/harness/etcd_store.h"
#include "tests/e2e/harness/strangers.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class MeshStoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Strangers::get(); }
  const Lab& lab = Strangers::get().lab();
};

std::string golden_file(const std::string& name) {
  std::ifstream in(source_path("src/mesh/tests/golden/" + name));
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

std::vector<std::string> fields(const std::string& object) {
  boost::system::error_code ec;
  const auto v = json::parse(object, ec);
  std::vector<std::string> out;
  if (!ec && v.is_object())
    for (const auto& [key, value] : v.get_object()) out.emplace_back(key);
  return out;
}

const std::regex kTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)");

// The value of `key` has the shape that section 1 gives it; "" or what is wrong.
std::string wrong_shape(const std::string& cluster, const std::string& key, const std::string& value) {
  using V = std::vector<std::string>;
  const auto under = [&](const std::string& prefix) { return key.starts_with(prefix); };
  const auto starts_with_fields = [&](const V& wanted) {
    auto have = fields(value);
    if (have.size() > wanted.size()) have.resize(wanted.size());  // more is allowed after them
    return have == wanted ? "" : "the fields are not those of the reference, in their order";
  };
  if (key == "cilium/.heartbeat" || under("cilium/synced/" + cluster + "/cilium/state/"))
    return std::regex_match(value, kTime) ? "" : "is not an RFC 3339 time";
  if (key == "cilium/cluster-config/" + cluster) return starts_with_fields({"id", "capabilities"});
  if (under("cilium/state/nodes/v1/" + cluster + "/"))
    return starts_with_fields({"Name", "Cluster", "IPAddresses", "IPv4AllocCIDR", "IPv4SecondaryAllocCIDRs",
                               "IPv6AllocCIDR", "IPv6SecondaryAllocCIDRs", "IPv4HealthIP", "IPv6HealthIP",
                               "IPv4IngressIP", "IPv6IngressIP", "ClusterID", "Source", "EncryptionKey", "Labels",
                               "Annotations", "NodeIdentity", "WireguardPubKey", "BootID"});
  if (under("cilium/state/services/v1/" + cluster + "/"))
    return starts_with_fields({"cluster", "namespace", "name", "frontends", "backends"});
  if (under("cilium/state/ip/v1/default/"))
    return starts_with_fields({"IP", "Mask", "HostIP", "ID", "Key", "Metadata"});
  if (under("cilium/state/identities/v1/id/"))
    return std::regex_match(value, std::regex(R"(([a-z0-9]+:[^;=]+=[^;]*;)+)")) &&
                   value.find("policy.cluster=" + cluster + ";") != std::string::npos
               ? ""
               : "is not a list of labels with the cluster's name among them";
  return "the reference has no such key";
}

TEST_F(MeshStoreTest, stock_etcdctl_reads_the_keys_of_the_reference_as_the_remote_user_and_writes_nothing) {
  for (const std::string cluster : {"cluster1", "cluster2"}) {
    const MeshStore store(lab, cluster);
    std::map<std::string, StoreEntry> all;
    const std::vector<std::string> wanted = {"cilium/.heartbeat",
                                             "cilium/cluster-config/" + cluster,
                                             "cilium/synced/" + cluster + "/cilium/state/nodes/v1",
                                             "cilium/synced/" + cluster + "/cilium/state/services/v1",
                                             "cilium/synced/" + cluster + "/cilium/state/ip/v1",
                                             "cilium/synced/" + cluster + "/cilium/state/identities/v1",
                                             "cilium/synced/" + cluster + "/cilium/state/serviceexports/v1",
                                             "cilium/state/nodes/v1/" + cluster + "/" + cluster + "-node1"};
    EXPECT_TRUE(eventually(20s, "the store of " + cluster + " is complete", [&] {
      all = store.all();
      std::string seen;
      for (const auto& [key, entry] : all) seen += key + "\n";
      bool whole = seen.find("cilium/state/ip/v1/default/") != std::string::npos &&
                   seen.find("cilium/state/identities/v1/id/") != std::string::npos;
      for (const auto& k : wanted) whole = whole && all.contains(k);
      return Seen{whole, seen};
    }));
    for (const auto& [key, entry] : all) {
      EXPECT_EQ(wrong_shape(cluster, key, entry.value), "") << key << "\n" << entry.value;
      EXPECT_TRUE(entry.leased) << key;
    }

    const std::string node_key = "cilium/state/nodes/v1/" + cluster + "/" + cluster + "-node1";
    const std::vector<Argv> forbidden = {{"put", node_key, "{}"},
                                         {"put", "cilium/state/nodes/v1/" + cluster + "/evil", "x"},
                                         {"put", "elsewhere", "x"},
                                         {"del", "cilium/cluster-config/" + cluster},
                                         {"del", "--prefix", "cilium/state/"},
                                         {"get", "cilium/cluster-config/other"},
                                         {"get", "--prefix", ""},
                                         {"get", "--prefix", "cilium/cache/"},
                                         {"user", "list"}};
    for (const Argv& args : forbidden) {
      const auto r = store.etcdctl(args);
      EXPECT_NE(r.code, 0) << r.describe();
      EXPECT_THAT(r.out + r.err, HasSubstr("permission denied")) << r.describe();
    }
    EXPECT_TRUE(store.list("cilium/state/").contains(node_key));
  }
}

TEST_F(MeshStoreTest, objects_that_cilium_exported_are_exported_with_the_same_keys_and_values) {
  ASSERT_TRUE(lab.apply("cluster1", golden_file("objects.yaml")));
  // As in Cilium's, status is a plain field of this kind's CRD, not a subresource.
  const auto patch = lab.kubectl(
      "cluster1",
      {"-n", "shop", "patch", "ciliumendpoint", "api-1", "--type=merge", "-p",
       R"({"status":{"id":1,"identity":{"id":65601},"encryption":{"key":0},"networking":{"node":"172.18.1.11",)"
       R"("addressing":[{"ipv4":"10.1.0.21","ipv6":"fd00:1::21"}]}}})"});
  ASSERT_TRUE(patch.ok()) << patch.describe();

  // Where ours differs, and why:
  std::map<std::string, json::value> different;
  const auto golden = json::parse(golden_file("keys.json"));
  const auto value_of = [&](const std::string& key) {
    return json::parse(std::string(golden.at(key).at("value").as_string()));
  };
  const std::string api = "cilium/state/services/v1/cluster1/shop/api-server",
                    lb = "cilium/state/services/v1/cluster1/shop/lb";
  // 10.1.1.23 is neither ready nor serving: Cilium's export has it (the fault that section 3.2 tells of), ours does
  // not. weftStates is our addition, which Cilium's readers skip: 10.1.1.22 takes no new connections.
  different[api] = value_of(api);
  ASSERT_EQ(different[api].at("backends").as_object().erase("10.1.1.23"), 1u);
  different[api].as_object()["weftStates"] =
      json::parse(R"({"10.1.1.22":{"ready":false,"serving":true,"terminating":true}})");
  // A named exception: keys.json has backend port 20029 for shop/lb where the EndpointSlice of objects.yaml says 8080.
  // The slice is what a reader of the object would connect to, so 8080 is right for what is applied here.
  different[lb] = value_of(lb);
  different[lb].at("backends").at("10.1.0.41").at("http").at("Port") = 8080;

  const MeshStore store(lab, "cluster1");
  std::map<std::string, StoreEntry> ours;
  EXPECT_TRUE(eventually(20s, "all golden keys have their final values", [&] {
    ours = store.all();
    std::string missing;
    for (const auto& kv : golden.as_object()) {
      const std::string key(kv.key());
      const auto it = ours.find(key);
      if (it == ours.end()) {
        missing += key + " is missing\n";
        continue;
      }
      const std::string wanted(kv.value().at("value").as_string());
      const std::string& have = it->second.value;
      const bool time = key == "cilium/.heartbeat" || key.starts_with("cilium/synced/");
      boost::system::error_code ec;
      const bool same = time                      ? std::regex_match(have, kTime) && std::regex_match(wanted, kTime)
                        : different.contains(key) ? json::parse(have, ec) == different.at(key) && !ec
                                                  : have == wanted;
      if (!same) missing += key + "\n  ours:   " + have + "\n  golden: " + wanted + "\n";
      if (it->second.leased != kv.value().at("leased").as_bool()) missing += key + ": its lease differs\n";
    }
    return Seen{missing.empty(), missing};
  }));

  // And nothing that golden does not have, but for the lab's own nodes, pods and identities.
  for (const auto& [key, entry] : ours) {
    if (golden.as_object().contains(key)) continue;
    const bool own = key == "cilium/state/nodes/v1/cluster1/cluster1-node1" ||
                     key.starts_with("cilium/state/ip/v1/default/10.11.") ||
                     key.starts_with("cilium/state/ip/v1/default/fd00:11:") ||
                     (key.starts_with("cilium/state/identities/v1/id/") &&
                      entry.value.find("k8s:io.kubernetes.pod.namespace=kube-system;") != std::string::npos);
    EXPECT_TRUE(own) << key << "\n" << entry.value;
  }

  // A namespace that is not global keeps services, addresses and identities at home; nodes have no namespace.
  const auto told = [&](bool wanted) {
    return eventually(20s, wanted ? "namespace shop is told of" : "namespace shop is not told of", [&] {
      const auto now = store.all();
      std::string wrong;
      for (const auto& kv : golden.as_object()) {
        const std::string key(kv.key());
        const bool of_shop = key.starts_with("cilium/state/") && !key.starts_with("cilium/state/nodes/");
        if (now.contains(key) != (wanted || !of_shop)) wrong += key + "\n";
      }
      return Seen{wrong.empty(), wrong};
    });
  };
  const auto annotate = [&](const char* global) {
    const auto r = lab.kubectl("cluster1", {"annotate", "namespace", "shop", "--overwrite", global});
    EXPECT_TRUE(r.ok()) << r.describe();
  };
  annotate("clustermesh.cilium.io/global=false");
  EXPECT_TRUE(told(false));
  annotate("clustermesh.cilium.io/global-");
  EXPECT_TRUE(told(true));

  // What is taken back goes: not shared any more, no longer global, deleted.
  const auto gone = [&](const std::string& name) {
    const std::string key = "cilium/state/services/v1/cluster1/shop/" + name;
    return eventually(10s, key + " is gone", [&] { return Seen{!store.list(key).contains(key), "it is there"}; });
  };
  EXPECT_TRUE(lab.kubectl("cluster1", {"-n", "shop", "annotate", "service", "api-server", "--overwrite",
                                       "service.cilium.io/shared=false"})
                  .ok());
  EXPECT_TRUE(
      lab.kubectl("cluster1", {"-n", "shop", "annotate", "service", "legacy", "io.cilium/global-service-"}).ok());
  EXPECT_TRUE(lab.kubectl("cluster1", {"-n", "shop", "delete", "service", "headless"}).ok());
  for (const char* name : {"api-server", "legacy", "headless"}) EXPECT_TRUE(gone(name));
  const auto removed = lab.kubectl(
      "cluster1", {"delete", "--ignore-not-found", "-f", source_path("src/mesh/tests/golden/objects.yaml")}, {}, 60s);
  EXPECT_TRUE(removed.ok()) << removed.describe();
}

}  // namespace
}  // namespace weft::e2e
