// Clusters that must not be joined: `weft clustermesh connect` refuses them, naming both sides and the mend, and
// changes nothing; configured all the same by hand, the agent refuses them one by one, says why, and goes on with the
// others.
#include <gmock/gmock.h>

#include <functional>

#include "base/encoding.h"
#include "tests/e2e/mesh_joins.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

// What makes pod addresses of `context` mean pods of cluster1 too. A lab has no clusters that overlap: its routers
// could not tell them apart. A mesh learns of pod CIDRs from CiliumNodes alone.
const char* const kOverlap = R"(
apiVersion: cilium.io/v2
kind: CiliumNode
metadata: {name: elsewhere}
spec:
  addresses: [{type: InternalIP, ip: 172.18.99.11}]
  ipam: {podCIDRs: [10.11.0.0/24]}
)";

class MeshRefusals : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Strangers::get(); }
  void SetUp() override { sessions_before_ = sessions(); }

  void TearDown() override {
    // Takes away what a test put by hand, and what it is about: the remote that works never noticed.
    const auto r = lab.kubectl(
        "cluster1",
        {"-n", "kube-system", "patch", "secret", "cilium-clustermesh", "--type=merge", "-p",
         R"({"data":{"cluster1":null,"stranger":null,"no_name":null,"cluster9":null,"stranger.etcd-client-ca.crt":null,)"
         R"("stranger.etcd-client.crt":null,"stranger.etcd-client.key":null}})"});
    EXPECT_TRUE(r.ok()) << r.describe();
    EXPECT_TRUE(eventually(20s, "cluster1 is well again", [&] {
      const auto status = lab.weft({"clustermesh", "status", "--context", "cluster1"});
      return Seen{status.ok(), status.describe()};
    }));
    EXPECT_EQ(sessions(), sessions_before_) << "the connection to cluster2 was made anew";
  }

  json::value status() const {
    const auto r = lab.weft({"clustermesh", "status", "--context", "cluster1", "-o", "json"});
    boost::system::error_code ec;
    auto v = json::parse(r.out, ec);
    return ec ? json::value() : v;
  }

  json::value remote(const std::string& name) const {
    const auto v = status();
    if (v.is_object())
      for (const auto& r : v.at("remotes").as_array())
        if (r.at("name").as_string() == name) return r;
    return {};
  }

  std::string sessions() const { return session_of(status(), "cluster2"); }

  std::string node_address(const std::string& context) const {
    return lab
        .kubectl(context,
                 {"get", "nodes", "-o", R"(jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address})"})
        .out;
  }

  // A remote file written by hand into the Secret that agents read. `server_name`: of the certificate that answers.
  // Writing it once more makes agents try at once instead of after their pause.
  void configure(const std::string& name, const std::string& context, const std::string& server_name,
                 bool own_files = false) {
    const std::string dir = "/var/lib/cilium/clustermesh/" + (own_files ? name + "." : std::string("common-"));
    std::string address = node_address(context);
    address = address.substr(0, address.find(' '));
    const std::string file = "endpoints:\n- https://" + address + ":32379\nserver-name: " + server_name +
                             ".mesh.cilium.io\ntrusted-ca-file: " + dir + "etcd-client-ca.crt\nkey-file: " + dir +
                             "etcd-client.key\ncert-file: " + dir + "etcd-client.crt\n# " +
                             std::to_string(++files_written_) + "\n";
    json::object data{{name, base64_encode(file)}};
    if (own_files) {
      const auto secret = lab.get_json(context, {"-n", "kube-system", "secret", "clustermesh-apiserver-remote-cert"});
      ASSERT_TRUE(secret.is_object());
      data[name + ".etcd-client-ca.crt"] = secret.at("data").at("ca.crt");
      data[name + ".etcd-client.crt"] = secret.at("data").at("tls.crt");
      data[name + ".etcd-client.key"] = secret.at("data").at("tls.key");
    }
    const auto r =
        lab.kubectl("cluster1", {"-n", "kube-system", "patch", "secret", "cilium-clustermesh", "--type=merge", "-p",
                                 json::serialize(json::object{{"data", std::move(data)}})});
    ASSERT_TRUE(r.ok()) << r.describe();
  }

  // The status names the refused remote with all of `words`, exits non-zero, and cluster2 stays ready.
  ::testing::AssertionResult refused(const std::string& name, const std::vector<std::string>& words) const {
    return eventually(
        25s, name + " is refused",
        [&] {
          const auto s = lab.weft({"clustermesh", "status", "--context", "cluster1"});
          bool holds = !s.ok() && s.out.find(" - " + name + ": not ready") != std::string::npos &&
                       s.out.find(" - cluster2: ready") != std::string::npos;
          for (const auto& w : words) holds = holds && s.out.find(w) != std::string::npos;
          return Seen{holds, s.describe()};
        },
        300ms);
  }

  const Lab& lab = Strangers::get().lab();
  std::string sessions_before_;
  int files_written_ = 0;
};

TEST_F(MeshRefusals, connect_names_both_sides_and_the_mend_and_changes_nothing) {
  ASSERT_TRUE(lab.apply("stranger", kOverlap));
  const auto secret = [&] {
    return lab.get_json("cluster1", {"-n", "kube-system", "secret", "cilium-clustermesh"}).at("data");
  };
  const auto before = secret();
  const auto stranger =
      lab.weft({"clustermesh", "connect", "--context", "cluster1", "--destination-context", "stranger"});
  EXPECT_NE(stranger.code, 0) << stranger.describe();
  const std::string said = stranger.out + stranger.err;
  EXPECT_THAT(said, HasSubstr("cluster1 and stranger have the same cluster.id 1; give one another number")) << said;
  EXPECT_THAT(said, HasSubstr("cluster1 and stranger differ in clustermesh.maxConnectedClusters, 255 and 511")) << said;
  EXPECT_THAT(said, AllOf(HasSubstr("cluster1 and stranger have different certificate authorities"),
                          HasSubstr("--allow-mismatching-ca")))
      << said;
  EXPECT_THAT(said, AllOf(HasSubstr("overlapping pod CIDRs: 10.11.0.0/24 of node cluster1-node1 in cluster1 and "
                                    "10.11.0.0/24 of node elsewhere in stranger"),
                          HasSubstr("give one cluster another range")))
      << said;
  const auto twin = lab.weft({"clustermesh", "connect", "--context", "cluster1", "--destination-context", "twin"});
  EXPECT_NE(twin.code, 0) << twin.describe();
  EXPECT_THAT(twin.out + twin.err, HasSubstr("cluster1 and twin have the same cluster.name \"cluster1\"; rename one"))
      << twin.describe();
  EXPECT_EQ(secret(), before);
  EXPECT_TRUE(lab.kubectl("stranger", {"delete", "ciliumnode", "elsewhere"}).ok());
}

TEST_F(MeshRefusals, another_cluster_of_our_own_name_is_refused_and_the_mesh_goes_on) {
  configure("cluster1", "twin", "cluster1");
  EXPECT_TRUE(refused(
      "cluster1", {"cluster.name \"cluster1\" is used by two clusters", "(id 1)", "(id 3)", "another cluster.name"}));
}

TEST_F(MeshRefusals, a_store_of_another_name_and_a_name_against_the_rule_are_refused) {
  configure("cluster9", "twin", "cluster1");
  configure("no_name", "twin", "cluster1");
  EXPECT_TRUE(refused("cluster9", {"cluster9", "cluster1", "cluster.name"}));
  EXPECT_TRUE(refused("no_name", {"cluster1 cannot mesh with the remote \"no_name\""}));
}

// One after the other each reason is said and mended, until nothing is in the way.
TEST_F(MeshRefusals, a_stranger_joins_only_when_the_last_reason_is_mended) {
  ASSERT_TRUE(lab.apply("stranger", kOverlap));
  configure("stranger", "stranger", "stranger");
  EXPECT_TRUE(refused("stranger", {"cluster1 cannot reach", "stranger", "certificate"}));
  configure("stranger", "stranger", "stranger", true);
  EXPECT_TRUE(refused(
      "stranger",
      {"maxConnectedClusters is 255 in cluster cluster1 (this one) and 511 in cluster stranger", "set the same"}));

  const auto upgrade = [&](const std::string& value) {
    const auto r =
        lab.weft({"upgrade", "--context", "stranger", "--set", value, "--wait", "--wait-duration", "60s"}, 80s);
    ASSERT_TRUE(r.ok()) << r.describe();
    configure("stranger", "stranger", "stranger", true);
  };
  upgrade("clustermesh.maxConnectedClusters=255");
  EXPECT_TRUE(refused("stranger", {"cluster.id 1 is used by cluster cluster1 (this one) and cluster stranger: give one "
                                   "of them another cluster.id"}));
  upgrade("cluster.id=4");
  EXPECT_TRUE(
      refused("stranger", {"pod CIDR 10.11.0.0/24 of node elsewhere of cluster stranger overlaps pod CIDR 10.11.0.0/24",
                           "of cluster cluster1", "kube-controller-manager --cluster-cidr"}));
  ASSERT_TRUE(lab.kubectl("stranger", {"delete", "ciliumnode", "elsewhere"}).ok());
  configure("stranger", "stranger", "stranger", true);
  const auto joined = [&] {
    return eventually(
        30s, "the stranger has joined",
        [&] {
          const auto s = lab.weft({"clustermesh", "status", "--context", "cluster1"});
          return Seen{s.ok() && s.out.find(" - stranger: ready, 1 node") != std::string::npos, s.describe()};
        },
        300ms);
  };
  EXPECT_TRUE(joined());
  // A node that comes later and overlaps is refused as loudly, and takes nothing away from what works.
  ASSERT_TRUE(lab.apply("stranger", kOverlap));
  EXPECT_TRUE(refused("stranger", {"pod CIDR 10.11.0.0/24 of node elsewhere of cluster stranger overlaps pod CIDR "
                                   "10.11.0.0/24",
                                   "kube-controller-manager --cluster-cidr"}));
  const auto v = remote("stranger");
  ASSERT_TRUE(v.is_object());
  EXPECT_EQ(v.at("agents").at(0).at("status").at("nodes").as_int64(), 1) << json::serialize(v);
  ASSERT_TRUE(lab.kubectl("stranger", {"delete", "ciliumnode", "elsewhere"}).ok());
  EXPECT_TRUE(joined());
}

}  // namespace
}  // namespace weft::e2e
