// Stock Helm 3 against a lab's cluster.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Helm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Lab::get(); }
  void SetUp() override {
    char dir[] = "/tmp/weft-chart-XXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    chart = dir;
    std::filesystem::create_directories(chart + "/templates");
    write("Chart.yaml", "apiVersion: v2\nname: little\nversion: 1.2.3\nappVersion: '7'\n");
    write("values.yaml", "replicas: 1\nword: hello\n");
    write("templates/all.yaml", R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-words}
data: {word: {{ .Values.word | quote }}, kube: {{ .Capabilities.KubeVersion.Version | quote }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers: [{name: main, image: any, command: [sleep, "10000"]}]
)");
  }
  void TearDown() override {
    h({"uninstall", "loom", "--ignore-not-found"});
    std::filesystem::remove_all(chart);
  }
  void write(const std::string& file, const std::string& text) { std::ofstream(chart + "/" + file) << text; }
  Output h(Argv args) {
    args.insert(args.begin(), {"-n", "default"});
    return Lab::get().helm("cluster1", args);
  }

  std::string chart;
};

TEST_F(Helm, installs_lists_upgrades_rolls_back_and_uninstalls) {
  auto r = h({"install", "loom", chart, "--wait", "--timeout", "60s"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(h({"list"}).out, ContainsRegex("loom[ \t]+default[ \t]+1[ \t]+.*deployed[ \t]+little-1.2.3[ \t]+7"));
  r = h({"upgrade", "loom", chart, "--wait", "--timeout", "60s", "--set", "word=bye,replicas=2"});
  ASSERT_TRUE(r.ok()) << r.describe();
  const auto word = [&] {
    return Lab::get().kubectl("cluster1", {"get", "configmap", "loom-words", "-o", "jsonpath={.data.word}"}).out;
  };
  EXPECT_EQ(word(), "bye");
  EXPECT_THAT(h({"get", "values", "loom"}).out, HasSubstr("replicas: 2"));
  ASSERT_TRUE(h({"rollback", "loom", "1", "--wait", "--timeout", "60s"}).ok());
  EXPECT_EQ(word(), "hello");
  EXPECT_THAT(h({"history", "loom"}).out, AllOf(HasSubstr("superseded"), HasSubstr("Rollback to 1")));
  r = h({"uninstall", "loom", "--wait", "--timeout", "60s"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(word(), "");
}

TEST_F(Helm, a_second_install_and_a_broken_chart_are_refused) {
  ASSERT_TRUE(h({"install", "loom", chart}).ok());
  EXPECT_THAT(h({"install", "loom", chart}).err, HasSubstr("cannot re-use a name that is still in use"));
  write("templates/bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 70000}]}\n");
  const auto r = h({"upgrade", "loom", chart});
  EXPECT_NE(r.code, 0);
  EXPECT_THAT(r.err, HasSubstr("spec.ports[0].port")) << r.describe();
}

}  // namespace
}  // namespace weft::e2e
