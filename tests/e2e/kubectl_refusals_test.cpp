// What the lab's API server does not offer, asked for with stock kubectl: the answer says what to use instead, and that
// works. A real kube-apiserver has no words about labs: it asks the kubelet, which the lab's stand-in is not.
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  containers:
  - {name: main, image: talker, command: [sh, -c, "echo it talks; exec sleep 10000"]}
)";

class KubectlRefusals : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const char* real = std::getenv("WEFT_E2E_KUBE_APISERVER"); real != nullptr && *real != '\0')
      GTEST_SKIP() << "these are refusals of the lab's own API server";
    ASSERT_TRUE(lab.apply("cluster1", kPod));
    const auto ready = lab.kubectl("cluster1", {"wait", "--for=condition=Ready", "pod/talker", "--timeout=40s"});
    ASSERT_TRUE(ready.ok()) << ready.describe();
  }
  // Until it is gone: the next test would apply it to the one that ends.
  void TearDown() override { lab.kubectl("cluster1", {"delete", "pod", "talker", "--ignore-not-found"}); }

  // kubectl ARGS ends soon and without success, and what it says is the server's own sentence with `instead` in it.
  void refused(const Argv& args, const std::string& instead) const {
    const auto r = lab.kubectl("cluster1", args, {}, 20s);
    EXPECT_FALSE(r.timed_out) << r.describe();
    EXPECT_NE(r.code, 0) << r.describe();
    EXPECT_THAT(r.err,
                AllOf(HasSubstr("this server is a stand-in for labs and does not offer pods/"), HasSubstr(instead)))
        << r.describe();
  }
  const Lab& lab = Lab::get();
};

TEST_F(KubectlRefusals, exec_attach_and_debug_name_weft_lab_exec) {
  const std::string instead = "use `weft lab exec CLUSTER/talker -n default -- COMMAND`";
  refused({"exec", "talker", "--", "true"}, instead);
  refused({"exec", "-i", "talker", "-c", "main", "--", "cat"}, instead);
  refused({"debug", "talker", "--image=tools", "--target=main", "--", "true"}, instead);
  refused({"attach", "talker"}, "use `weft lab logs CLUSTER/talker -n default`");
  const auto r = lab.exec("cluster1/talker", {"echo", "done instead"});
  EXPECT_EQ(r.out, "done instead\n") << r.describe();
  // As the CLI's own help has it.
  const auto documented =
      lab.weft({"lab", "exec", "--name", lab.name(), "cluster1/talker", "-n", "default", "--", "echo", "as written"});
  EXPECT_EQ(documented.out, "as written\n") << documented.describe();
}

TEST_F(KubectlRefusals, logs_names_weft_lab_logs) {
  for (const Argv& args : {Argv{"logs", "talker"}, Argv{"logs", "-f", "talker", "-c", "main"}})
    refused(args, "use `weft lab logs CLUSTER/talker -n default`");
  EXPECT_TRUE(eventually(10s, "weft lab logs prints what the container said", [&] {
    const auto r = lab.weft({"lab", "logs", "--name", lab.name(), "cluster1/talker", "-n", "default"});
    return Seen{r.out == "it talks\n", r.describe()};
  }));
}

TEST_F(KubectlRefusals, port_forward_and_proxy_say_how_a_pod_is_reached) {
  const std::string instead = "ask the pod's address: `weft lab exec CLUSTER/NODE -- curl ADDRESS:PORT`";
  refused({"get", "--raw", "/api/v1/namespaces/default/pods/talker/proxy/"}, instead);
  refused({"port-forward", "pod/talker", "0:80"}, instead);
}

}  // namespace
}  // namespace weft::e2e
