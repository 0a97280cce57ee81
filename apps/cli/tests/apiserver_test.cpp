// The CLI's writes on a real API (see src/kube/tests/lab_server.h), which refuses what the one in memory lets pass.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apps/cli/cluster.h"
#include "apps/cli/objects.h"
#include "base/encoding.h"
#include "kube/tests/lab_server.h"

namespace weft::cli {
namespace {

using weft::testing::LabServer;

class CliOnApi : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = new LabServer; }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }
  void TearDown() override {
    auto any = in("default");
    for (const auto& ns : made) EXPECT_TRUE(any.remove(kube::kNamespaces, "", ns));
  }
  Cluster in(const std::string& ns) {
    auto opened = Cluster::open({.context = "", .kubeconfig = server->kubeconfig(), .ns = ns});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  /// A name that no namespace has; what it comes to name is removed at the end.
  std::string fresh() {
    made.push_back("weft-test-" + hex_encode(random_bytes(4)));
    return made.back();
  }

  static LabServer* server;
  std::vector<std::string> made;
};
LabServer* CliOnApi::server = nullptr;

TEST_F(CliOnApi, an_authority_is_inherited_into_a_namespace_that_is_not_there_yet) {
  const auto here = fresh(), there = fresh();
  auto from = in(there), to = in(here);
  ASSERT_TRUE(from.apply(kube::kNamespaces, json::object{{"metadata", {{"name", there}}}}));
  const json::object ca{{"metadata", {{"name", "cilium-ca"}, {"namespace", there}}},
                        {"data", {{"ca.crt", base64_encode("certificate")}, {"ca.key", base64_encode("key")}}}};
  ASSERT_TRUE(from.apply(kube::kSecrets, ca));
  const auto found = to.find(kube::kNamespaces, "", here);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_FALSE(*found) << here << " is there before its time";

  const auto inherited = inherit_ca(from, to);
  ASSERT_TRUE(inherited) << inherited.error().message;
  const auto made_now = to.find(kube::kNamespaces, "", here);
  ASSERT_TRUE(made_now) << made_now.error().message;
  EXPECT_TRUE(*made_now) << "no namespace " << here;
  const auto copy = to.find(kube::kSecrets, here, "cilium-ca");
  ASSERT_TRUE(copy) << copy.error().message;
  ASSERT_TRUE(*copy) << "no Secret in " << here;
  EXPECT_EQ((*copy)->at("data"), ca.at("data"));
  const auto again = inherit_ca(from, to);
  EXPECT_TRUE(again) << again.error().message;
}

}  // namespace
}  // namespace weft::cli
