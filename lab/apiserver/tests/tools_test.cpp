// Stock kubectl and Helm against the server: what their users type.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <thread>

#include "base/file.h"
#include "lab/apiserver/tests/server_fixture.h"

namespace weft::lab::api {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Tools : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server = std::make_unique<TestServer>();
    kubectl_path = tool("kubectl");
    helm_path = tool("helm");
  }
  static void TearDownTestSuite() { server.reset(); }
  void SetUp() override {
    if (kubectl_path.empty()) FAIL() << "there is no kubectl: run ./dev setup";
    static int count = 0;
    ns = fmt::format("t{}", ++count);
    const auto made = run_kubectl("create namespace " + ns);
    ASSERT_EQ(made.code, 0) << made.out;
  }
  static Ran run_kubectl(const std::string& args) {
    return run(fmt::format("KUBECONFIG={0} HOME={1} timeout 60 {2} {3}", server->kubeconfig(), server->dir(),
                           kubectl_path, args));
  }
  Ran k(const std::string& args) { return run_kubectl("-n " + ns + " " + args); }
  std::string ok(const std::string& args) {
    const auto r = k(args);
    EXPECT_EQ(r.code, 0) << args << "\n" << r.out;
    return r.out;
  }
  Ran helm(const std::string& args) {
    return run(fmt::format("KUBECONFIG={0} HOME={1} timeout 60 {2} -n {3} {4}", server->kubeconfig(), server->dir(),
                           helm_path, ns, args));
  }
  std::string file(const std::string& name, const std::string& content) {
    const auto path = server->dir() + "/" + name;
    EXPECT_TRUE(write_file(path, content));
    return path;
  }

  std::string ns;
  static std::unique_ptr<TestServer> server;
  static std::string kubectl_path, helm_path;
};
std::unique_ptr<TestServer> Tools::server;
std::string Tools::kubectl_path, Tools::helm_path;

std::string manifest(int replicas) {
  return fmt::format(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  replicas: {}
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec:
      containers:
      - {{name: c, image: x, ports: [{{containerPort: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: api-server, annotations: {{service.cilium.io/global: "true"}}}}
spec:
  ipFamilyPolicy: PreferDualStack
  type: NodePort
  selector: {{app: api}}
  ports: [{{port: 80, targetPort: 8080, nodePort: 30123}}]
)",
                     replicas);
}

TEST_F(Tools, apply_patch_scale_rollout_and_delete) {
  const auto path = file("a.yaml", manifest(3));
  EXPECT_THAT(ok("apply -f " + path), HasSubstr("deployment.apps/api created"));
  EXPECT_THAT(ok("apply -f " + path), HasSubstr("deployment.apps/api unchanged"));
  file("a.yaml", manifest(5));
  EXPECT_THAT(ok("apply -f " + path), HasSubstr("deployment.apps/api configured"));
  EXPECT_THAT(ok("diff -f " + path), Not(HasSubstr("replicas")));
  EXPECT_THAT(ok("get svc -o wide"),
              ContainsRegex("NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\\(S\\) +AGE +SELECTOR\napi-server +NodePort "
                            "+10\\.96\\.[0-9.]+ +<none> +80:30123/TCP +[0-9]+s +app=api"));
  EXPECT_THAT(ok("get deploy"), ContainsRegex("api +0/5 +0 +0"));
  ok(R"(patch deploy api -p '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}]}}}}')");
  ok("set image deploy/api c=y:2");
  ok("scale deploy/api --replicas 2");
  EXPECT_EQ(ok("get deploy api -o jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].image} "
               "{.spec.template.spec.containers[0].env[0].name}'"),
            "2 y:2 A");
  ok("patch deploy api --subresource status --type merge -p "
     R"('{"status":{"observedGeneration":9,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2}}')");
  EXPECT_THAT(ok("rollout status deploy/api --timeout 10s"), HasSubstr("successfully rolled out"));
  ok("label deploy api tier=front");
  EXPECT_THAT(ok("get deploy -l tier=front -o name"), HasSubstr("deployment.apps/api"));
  EXPECT_THAT(ok("describe svc api-server"), HasSubstr("PreferDualStack"));
  ok("delete -f " + path);
  EXPECT_EQ(ok("get deploy,svc -o name"), "");
}

TEST_F(Tools, apply_on_the_server_side_with_conflicts) {
  const auto path =
      file("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1', b: '1'}\n");
  EXPECT_THAT(ok("apply --server-side -f " + path), HasSubstr("serverside-applied"));
  const auto other = file("c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {b: '2'}\n");
  const auto refused = k("apply --server-side --field-manager somebody -f " + other);
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.out, HasSubstr("conflict with \"kubectl\" using v1: .data.b"));
  ok("apply --server-side --field-manager somebody --force-conflicts -f " + other);
  EXPECT_EQ(ok("get cm settings -o jsonpath='{.data.a}{.data.b}'"), "12");
  EXPECT_THAT(ok("apply --server-side --dry-run=server -f " + other + " --field-manager somebody"),
              HasSubstr("dry run"));
}

TEST_F(Tools, get_w_shows_changes_as_they_come) {
  ok("create deployment web --image=x");
  const auto seen = server->dir() + "/watch.txt";
  const auto watched =
      run(fmt::format("KUBECONFIG={0} HOME={1} timeout 5 {2} -n {3} get deploy -w > {4} & sleep 1.5; KUBECONFIG={0} "
                      "HOME={1} {2} -n {3} scale deploy/web --replicas 4; "
                      "KUBECONFIG={0} HOME={1} {2} -n {3} delete deploy web; wait; cat {4}",
                      server->kubeconfig(), server->dir(), kubectl_path, ns, seen));
  EXPECT_THAT(watched.out, ContainsRegex("web +0/1(.|\n)*web +0/4"));
}

TEST_F(Tools, explain_builtin_and_custom_kinds) {
  EXPECT_THAT(ok("explain pod.spec.containers.readinessProbe"), HasSubstr("periodSeconds"));
  EXPECT_THAT(ok("explain svc.spec.ports"), ContainsRegex("targetPort\\s+<IntOrString>"));
  EXPECT_THAT(ok("explain deploy --recursive"), HasSubstr("revisionHistoryLimit"));
  const auto path = file("crd.yaml", R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: baskets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: baskets, kind: Basket, shortNames: [bk]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer, description: How big it is.}}}}}}
)");
  ok("apply -f " + path);
  ok("wait --for=condition=Established crd/baskets.shop.example.com --timeout=10s");
  EXPECT_THAT(ok("explain basket.spec.size"), HasSubstr("How big it is."));
  const auto bad =
      file("basket.yaml",
           "apiVersion: shop.example.com/v1\nkind: Basket\nmetadata: {name: b}\nspec: {size: 1, colour: red}\n");
  const auto refused = k("apply -f " + bad);
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.out, HasSubstr("unknown field \"spec.colour\""));
  EXPECT_THAT(ok("apply --validate=warn -f " + bad), HasSubstr("basket.shop.example.com/b created"));
  ok("delete -f " + path);
  EXPECT_NE(k("get bk").code, 0);
}

TEST_F(Tools, commands_that_send_protobuf_are_understood) {
  ok("create configmap cm --from-literal=a=b");
  ok("create secret generic s --from-literal=p=q");
  ok("create serviceaccount robot");
  EXPECT_THAT(ok("create token robot"), ContainsRegex("^ey"));
  ok("create service clusterip svc --tcp=80:8080");
  ok("create role r --verb=get --resource=pods");
  ok("create rolebinding rb --role=r --serviceaccount=" + ns + ":robot");
  ok("create deployment d --image=x --replicas=0 --port=80");
  EXPECT_EQ(
      ok("get deploy d -o jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}'"),
      "0 80");
  EXPECT_EQ(ok("get svc svc -o jsonpath='{.spec.ports[0].targetPort}'"), "8080");
  EXPECT_THAT(ok("auth can-i create pods"), HasSubstr("yes"));
  EXPECT_THAT(ok("auth can-i --list"), HasSubstr("*.*"));
  EXPECT_EQ(ok("get secret s -o jsonpath='{.data.p}'"), "cQ==");
}

TEST_F(Tools, helm_installs_lists_upgrades_and_uninstalls) {
  if (helm_path.empty()) FAIL() << "there is no helm: run ./dev setup";
  const auto made = run(fmt::format("cd {} && HOME={} {} create web-{}", server->dir(), server->dir(), helm_path, ns));
  ASSERT_EQ(made.code, 0) << made.out;
  const auto chart = server->dir() + "/web-" + ns;
  auto r = helm("install web " + chart);
  ASSERT_EQ(r.code, 0) << r.out;
  r = helm("list");
  EXPECT_THAT(r.out, ContainsRegex("web[ \t]+" + ns + "[ \t]+1 .*deployed"));
  r = helm("upgrade web " + chart + " --set replicaCount=3");
  EXPECT_EQ(r.code, 0) << r.out;
  EXPECT_EQ(ok("get deploy -o jsonpath='{.items[0].spec.replicas}'"), "3");
  EXPECT_THAT(helm("history web").out, HasSubstr("superseded"));
  EXPECT_EQ(helm("rollback web 1").code, 0);
  EXPECT_EQ(ok("get deploy -o jsonpath='{.items[0].spec.replicas}'"), "1");
  EXPECT_EQ(helm("uninstall web").code, 0);
  EXPECT_EQ(ok("get deploy,svc -o name"), "");
}

TEST_F(Tools, what_needs_a_kubelet_is_refused_and_says_what_to_use) {
  ok("run talker --image=x");
  const auto asked = [&](const std::string& args) {
    const auto r = k(args + " </dev/null");
    EXPECT_NE(r.code, 0) << args;
    EXPECT_NE(r.code, 124) << args << " was still at it";
    return r.out;
  };
  const auto in_lab = HasSubstr(fmt::format("use `weft lab exec CLUSTER/talker -n {} -- COMMAND`", ns));
  const auto logs = HasSubstr(fmt::format("use `weft lab logs CLUSTER/talker -n {}`", ns));
  for (const char* args : {"exec talker -- true", "exec -i talker -c talker -- cat", "debug talker --image=x -- true"})
    EXPECT_THAT(asked(args), in_lab) << args;
  for (const char* args : {"logs talker", "logs -f talker"}) EXPECT_THAT(asked(args), logs) << args;
  EXPECT_THAT(asked(fmt::format("get --raw /api/v1/namespaces/{}/pods/talker/proxy/healthz", ns)),
              HasSubstr("ask the pod's address: `weft lab exec CLUSTER/NODE -- curl ADDRESS:PORT`"));
}

}  // namespace
}  // namespace weft::lab::api
