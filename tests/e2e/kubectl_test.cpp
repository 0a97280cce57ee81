// Stock kubectl against a lab's cluster, without Weft installed: pods run in the host network of nodes that are not
// ready yet, as a CNI's own pods do.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include <thread>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kCluster = "cluster1";

class Kubectl : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Lab::get(); }
  // Each test has a namespace of its own, so that what one leaves does not meet the next.
  void SetUp() override {
    static int count = 0;
    ns = fmt::format("kubectl-{}", ++count);
    const auto made = k({"create", "namespace", ns});
    ASSERT_TRUE(made.ok()) << made.describe();
  }
  void TearDown() override { Lab::get().kubectl(kCluster, {"delete", "namespace", ns, "--wait=false"}); }

  Output k(Argv args, const std::string& input = {}, std::chrono::seconds limit = 60s) {
    args.insert(args.begin(), {"-n", ns});
    return Lab::get().kubectl(kCluster, args, input, limit);
  }
  std::string get(Argv args) {
    args.insert(args.begin(), "get");
    const auto r = k(args);
    return r.ok() ? r.out : r.describe();
  }

  std::string ns;
};

std::string config_map(const std::string& data) {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: " + data + "\n";
}

std::string deployment(int replicas, const std::string& tag = "v1") {
  return fmt::format(R"(
apiVersion: apps/v1
kind: Deployment
metadata:
  name: worker
  labels: {{app: worker}}
spec:
  replicas: {}
  selector: {{matchLabels: {{app: worker}}}}
  template:
    metadata: {{labels: {{app: worker}}}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      tolerations: [{{operator: Exists}}]
      containers:
      - name: main
        image: worker:{}
        command: [sleep, "10000"]
        readinessProbe: {{exec: {{command: ["true"]}}, periodSeconds: 1}}
)",
                     replicas, tag);
}

TEST_F(Kubectl, knows_the_server_and_its_nodes) {
  const auto version = k({"version"});
  ASSERT_TRUE(version.ok()) << version.describe();
  EXPECT_THAT(version.out, ContainsRegex("Server Version: v1\\."));
  const auto nodes = k({"get", "nodes", "-o", "wide"});
  ASSERT_TRUE(nodes.ok()) << nodes.describe();
  EXPECT_THAT(nodes.out, ContainsRegex("NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP"));
  for (const char* n : {"cluster1-node1", "cluster1-node2", "cluster1-node3"}) EXPECT_THAT(nodes.out, HasSubstr(n));
  EXPECT_THAT(get({"nodes", "-o", "jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDRs}{\"\\n\"}{end}"}),
              AllOf(HasSubstr("cluster1-node1 [\"10.1.0.0/24\",\"fd00:1::/64\"]"),
                    HasSubstr("cluster1-node2 [\"10.1.1.0/24\",\"fd00:1:0:1::/64\"]")));
  const auto resources = k({"api-resources"});
  EXPECT_THAT(resources.out,
              AllOf(HasSubstr("deployments"), HasSubstr("endpointslices"), HasSubstr("customresourcedefinitions")));
}

TEST_F(Kubectl, applies_from_the_client_creates_changes_and_prunes_fields) {
  auto r = k({"apply", "-f", "-"}, config_map("{a: '1', b: '2'}"));
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(r.out, "configmap/settings created\n");
  EXPECT_EQ(k({"apply", "-f", "-"}, config_map("{a: '1', b: '2'}")).out, "configmap/settings unchanged\n");
  r = k({"apply", "-f", "-"}, config_map("{a: '3'}"));
  EXPECT_EQ(r.out, "configmap/settings configured\n") << r.describe();
  EXPECT_EQ(get({"configmap", "settings", "-o", "jsonpath={.data}"}), R"({"a":"3"})");
  const auto diff = k({"diff", "-f", "-"}, config_map("{a: '4'}"));
  EXPECT_EQ(diff.code, 1) << diff.describe();
  EXPECT_THAT(diff.out, HasSubstr("+  a: \"4\""));
}

TEST_F(Kubectl, applies_on_the_server_and_keeps_managers_apart) {
  auto r = k({"apply", "--server-side", "--field-manager=one", "-f", "-"}, config_map("{a: '1'}"));
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(r.out, "configmap/settings serverside-applied\n");
  r = k({"apply", "--server-side", "--field-manager=two", "-f", "-"}, config_map("{b: '2'}"));
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(get({"configmap", "settings", "-o", "jsonpath={.data}"}), R"({"a":"1","b":"2"})");
  EXPECT_THAT(get({"configmap", "settings", "-o", "yaml", "--show-managed-fields"}),
              AllOf(HasSubstr("manager: one"), HasSubstr("manager: two")));
  r = k({"apply", "--server-side", "--field-manager=two", "-f", "-"}, config_map("{a: 'mine'}"));
  EXPECT_NE(r.code, 0);
  EXPECT_THAT(r.err, AllOf(HasSubstr("conflict"), HasSubstr("\"one\""), HasSubstr(".data.a"))) << r.describe();
  r = k({"apply", "--server-side", "--force-conflicts", "--field-manager=two", "-f", "-"}, config_map("{a: 'mine'}"));
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(get({"configmap", "settings", "-o", "jsonpath={.data.a}"}), "mine");
}

TEST_F(Kubectl, watches_objects_come_change_and_go) {
  const auto& lab = Lab::get();
  Background watch(lab.kubectl_argv(kCluster, {"-n", ns, "get", "configmaps", "-w", "--output-watch-events"}),
                   lab.env());
  const auto shows = [&](const std::string& pattern) {
    return eventually(
        10s, "the watch shows " + pattern,
        [&] { return Seen{::testing::Value(watch.so_far(), ContainsRegex(pattern)), watch.so_far()}; }, 20ms);
  };
  ASSERT_TRUE(shows("ADDED +kube-root-ca.crt"));
  ASSERT_TRUE(k({"create", "configmap", "seen", "--from-literal=a=1"}).ok());
  EXPECT_TRUE(shows("ADDED +seen +1 "));
  ASSERT_TRUE(k({"patch", "configmap", "seen", "-p", R"({"data":{"b":"2"}})"}).ok());
  EXPECT_TRUE(shows("MODIFIED +seen +2 "));
  ASSERT_TRUE(k({"delete", "configmap", "seen"}).ok());
  EXPECT_TRUE(shows("DELETED +seen"));
}

TEST_F(Kubectl, patches_in_three_ways) {
  ASSERT_TRUE(k({"apply", "-f", "-"}, deployment(0)).ok());
  auto r =
      k({"patch", "deployment", "worker", "--type=strategic", "-p",
         R"({"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side","command":["sleep","1"]}]}}}})"});
  ASSERT_TRUE(r.ok()) << r.describe();
  // Lists merge by name; where the new item lands is the server's affair.
  const std::string merged = get({"deployment", "worker", "-o", "jsonpath={.spec.template.spec.containers[*].name}"});
  ASSERT_THAT(merged, AnyOf("side main", "main side"));
  r = k({"patch", "deployment", "worker", "--type=json", "-p",
         fmt::format(R"([{{"op":"remove","path":"/spec/template/spec/containers/{}"}}])",
                     merged == "side main" ? 0 : 1)});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(get({"deployment", "worker", "-o", "jsonpath={.spec.template.spec.containers[*].name}"}), "main");
  r = k(
      {"patch", "deployment", "worker", "--type=merge", "-p", R"({"metadata":{"labels":{"app":null,"tier":"back"}}})"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(get({"deployment", "worker", "-o", "jsonpath={.metadata.labels}"}), R"({"tier":"back"})");
  r = k({"patch", "deployment", "worker", "--type=json", "-p", R"([{"op":"test","path":"/spec/replicas","value":7}])"});
  EXPECT_NE(r.code, 0);
}

TEST_F(Kubectl, rolls_a_deployment_out_scales_it_and_rolls_it_back) {
  ASSERT_TRUE(k({"apply", "-f", "-"}, deployment(3)).ok());
  auto r = k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s);
  ASSERT_TRUE(r.ok()) << r.describe() << get({"pods,rs", "-o", "wide"}) << get({"events"});
  EXPECT_THAT(r.out, HasSubstr("deployment \"worker\" successfully rolled out"));
  EXPECT_THAT(get({"deployment", "worker"}),
              ContainsRegex("NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nworker +3/3 +3 +3 "));
  EXPECT_THAT(get({"replicasets"}), ContainsRegex("NAME +DESIRED +CURRENT +READY +AGE\nworker-[a-z0-9]+ +3 +3 +3 "));
  EXPECT_THAT(get({"pods", "-o", "wide"}),
              AllOf(HasSubstr("cluster1-node1"), HasSubstr("cluster1-node2"), HasSubstr("cluster1-node3")))
      << "one on each node";

  ASSERT_TRUE(k({"scale", "deployment/worker", "--replicas=5"}).ok());
  EXPECT_TRUE(k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s).ok());
  EXPECT_EQ(get({"deployment", "worker", "-o", "jsonpath={.status.readyReplicas}"}), "5");
  ASSERT_TRUE(k({"scale", "deployment/worker", "--replicas=2", "--current-replicas=5"}).ok());
  EXPECT_TRUE(eventually(30s, "two pods are left", [&] {
    const std::string pods = get({"pods", "-o", "name"});
    return Seen{std::count(pods.begin(), pods.end(), '\n') == 2, pods};
  }));

  ASSERT_TRUE(k({"set", "image", "deployment/worker", "main=worker:v2"}).ok());
  r = k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s);
  EXPECT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(k({"rollout", "history", "deployment/worker"}).out, ContainsRegex("1 +<none>\n2 +<none>"));
  ASSERT_TRUE(k({"rollout", "undo", "deployment/worker"}).ok());
  EXPECT_TRUE(k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s).ok());
  EXPECT_EQ(get({"deployment", "worker", "-o", "jsonpath={.spec.template.spec.containers[0].image}"}), "worker:v1");
  ASSERT_TRUE(k({"rollout", "restart", "deployment/worker"}).ok());
  EXPECT_TRUE(k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s).ok());

  ASSERT_TRUE(k({"delete", "deployment", "worker"}).ok());
  EXPECT_TRUE(eventually(30s, "its replica sets and pods are gone", [&] {
    const std::string left = get({"pods,replicasets", "-o", "name"});
    return Seen{left.empty(), left};
  }));
}

TEST_F(Kubectl, deletes_in_the_foreground_and_orphans_when_asked) {
  ASSERT_TRUE(k({"apply", "-f", "-"}, deployment(1)).ok());
  ASSERT_TRUE(k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s).ok());
  auto r = k({"delete", "deployment", "worker", "--cascade=orphan"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_TRUE(always(1s, "the replica set stays", [&] {
    const std::string left = get({"replicasets", "-o", "name"});
    return Seen{left.starts_with("replicaset.apps/worker-"), left};
  }));
  EXPECT_TRUE(eventually(10s, "without an owner", [&] {
    const std::string owners = get({"replicasets", "-o", "jsonpath={.items[*].metadata.ownerReferences}"});
    return Seen{owners.empty(), owners};
  }));
  r = k({"delete", "replicaset", "-l", "app=worker", "--cascade=foreground"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_EQ(get({"pods", "-o", "name"}), "") << "foreground deletion returns when the dependents are gone";
}

TEST_F(Kubectl, shows_services_and_their_endpoints_as_a_cluster_does) {
  ASSERT_TRUE(k({"apply", "-f", "-"}, deployment(2)).ok());
  const auto r = k({"apply", "-f", "-"}, R"(
apiVersion: v1
kind: Service
metadata: {name: worker}
spec:
  type: NodePort
  ipFamilyPolicy: PreferDualStack
  selector: {app: worker}
  ports: [{name: web, port: 80, targetPort: 8080}]
)");
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(get({"service", "worker", "-o", "wide"}),
              ContainsRegex("NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT.S. +AGE +SELECTOR\nworker +NodePort "
                            "+10\\.96\\.[0-9.]+ +<none> +80:3[0-9]+/TCP +[0-9a-z]+ +app=worker"));
  ASSERT_TRUE(k({"rollout", "status", "deployment/worker", "--timeout=60s"}, {}, 70s).ok());
  EXPECT_TRUE(eventually(20s, "two endpoints are ready in each family", [&] {
    const std::string ready = get({"endpointslices", "-l", "kubernetes.io/service-name=worker", "-o",
                                   "jsonpath={range .items[*]}{.addressType}:{.endpoints[*].conditions.ready} {end}"});
    return Seen{ready.find("IPv4:true true") != std::string::npos && ready.find("IPv6:true true") != std::string::npos,
                ready};
  }));
  EXPECT_THAT(get({"endpointslices"}), ContainsRegex("NAME +ADDRESSTYPE +PORTS +ENDPOINTS +AGE"));
  EXPECT_THAT(k({"describe", "service", "worker"}).out, AllOf(HasSubstr("Selector:"), HasSubstr("NodePort:")));
  ASSERT_TRUE(k({"scale", "deployment/worker", "--replicas=0"}).ok());
  EXPECT_TRUE(eventually(20s, "no endpoint is left", [&] {
    const std::string left = get({"endpointslices", "-l", "kubernetes.io/service-name=worker", "-o",
                                  "jsonpath={.items[*].endpoints[*].addresses}"});
    return Seen{left.empty(), left};
  }));
}

TEST_F(Kubectl, explains_fields) {
  const auto r = k({"explain", "deployment.spec.strategy"});
  ASSERT_TRUE(r.ok()) << r.describe();
  // Servers before 1.24 have OpenAPI v2 alone, which kubectl prints in its older form.
  EXPECT_THAT(r.out, AllOf(ContainsRegex("GROUP: +apps|VERSION: +apps/v1"), ContainsRegex("KIND: +Deployment"),
                           HasSubstr("rollingUpdate"), HasSubstr("DESCRIPTION:")));
  EXPECT_TRUE(k({"explain", "pods", "--recursive"}).ok());
  EXPECT_NE(k({"explain", "deployment.spec.nonsense"}).code, 0);
}

TEST_F(Kubectl, custom_resources_are_checked_defaulted_pruned_and_listed_in_columns) {
  const auto r = k({"apply", "-f", "-"}, R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: looms.e2e.weft.io}
spec:
  group: e2e.weft.io
  scope: Namespaced
  names: {plural: looms, singular: loom, kind: Loom, shortNames: [lm]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Threads, type: integer, jsonPath: .spec.threads}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [threads]
            properties:
              threads: {type: integer, minimum: 1, description: How many threads.}
              color: {type: string, default: blue, enum: [blue, red]}
)");
  ASSERT_TRUE(r.ok()) << r.describe();
  ASSERT_TRUE(k({"wait", "--for=condition=Established", "crd/looms.e2e.weft.io", "--timeout=20s"}).ok());
  const auto loom = [](const std::string& spec) {
    return "apiVersion: e2e.weft.io/v1\nkind: Loom\nmetadata: {name: one}\nspec: " + spec + "\n";
  };
  EXPECT_TRUE(eventually(10s, "the kind is served", [&] {
    const auto made = k({"apply", "--validate=false", "-f", "-"}, loom("{threads: 4, unknown: 1}"));
    return Seen{made.ok(), made.describe()};
  }));
  EXPECT_EQ(get({"lm", "one", "-o", "jsonpath={.spec}"}), R"({"color":"blue","threads":4})");
  EXPECT_THAT(get({"looms"}), ContainsRegex("NAME +THREADS\none +4"));
  const auto wrong = k({"apply", "-f", "-"}, loom("{threads: 0, color: green}"));
  EXPECT_NE(wrong.code, 0);
  EXPECT_THAT(wrong.err,
              AllOf(HasSubstr("spec.threads"), HasSubstr("greater than or equal to 1"), HasSubstr("spec.color")))
      << wrong.describe();
  EXPECT_TRUE(eventually(20s, "the schema is published", [&] {
    const auto explained = k({"explain", "loom.spec.threads"});
    return Seen{explained.out.find("How many threads.") != std::string::npos, explained.describe()};
  }));
  EXPECT_TRUE(k({"delete", "crd", "looms.e2e.weft.io"}).ok());
  EXPECT_TRUE(eventually(20s, "the kind is gone", [&] {
    const auto gone = k({"get", "looms"});
    return Seen{gone.code != 0, gone.describe()};
  }));
}

TEST_F(Kubectl, namespaces_come_furnished_and_go_with_all_they_hold) {
  EXPECT_TRUE(eventually(10s, "the default account and the root certificate are there", [&] {
    const std::string have = get({"serviceaccounts,configmaps", "-o", "name"});
    return Seen{have.find("serviceaccount/default") != std::string::npos &&
                    have.find("configmap/kube-root-ca.crt") != std::string::npos,
                have};
  }));
  ASSERT_TRUE(k({"apply", "-f", "-"}, deployment(2)).ok());
  ASSERT_TRUE(k({"create", "secret", "generic", "s", "--from-literal=a=b"}).ok());
  const auto r = k({"delete", "namespace", ns, "--timeout=60s"}, {}, 70s);
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(k({"get", "namespace", ns}).err, HasSubstr("NotFound"));
}

TEST_F(Kubectl, errors_name_what_is_wrong) {
  EXPECT_THAT(k({"get", "pod", "nobody"}).err, HasSubstr("Error from server (NotFound): pods \"nobody\" not found"));
  const auto twice = k({"create", "configmap", "kube-root-ca.crt"});
  EXPECT_NE(twice.code, 0);
  EXPECT_THAT(twice.err, HasSubstr("already exists"));
  const auto service = [&](const std::string& name, int port) {
    return k({"apply", "--validate=false", "-f", "-"},
             fmt::format("apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\nspec: {{ports: [{{port: {}}}]}}\n",
                         name, port));
  };
  EXPECT_THAT(service("UPPER", 80).err,
              AllOf(HasSubstr("is invalid"), HasSubstr("metadata.name"), HasSubstr("DNS-1035")));
  EXPECT_THAT(service("lower", 70000).err,
              AllOf(HasSubstr("is invalid"), HasSubstr("spec.ports[0].port"), HasSubstr("70000")));
  const auto strict =
      k({"apply", "-f", "-"}, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {}\nsurplus: 1\n");
  EXPECT_NE(strict.code, 0);
  EXPECT_THAT(strict.err, HasSubstr("surplus")) << strict.describe();
}

TEST_F(Kubectl, a_daemon_set_runs_on_every_node) {
  const auto r = k({"apply", "-f", "-"}, R"(
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers: [{name: main, image: any, command: [sleep, "10000"]}]
)");
  ASSERT_TRUE(r.ok()) << r.describe();
  const auto status = k({"rollout", "status", "daemonset/everywhere", "--timeout=60s"}, {}, 70s);
  ASSERT_TRUE(status.ok()) << status.describe();
  EXPECT_THAT(
      get({"daemonset", "everywhere"}),
      ContainsRegex(
          "NAME +DESIRED +CURRENT +READY +UP-TO-DATE +AVAILABLE +NODE SELECTOR +AGE\neverywhere +3 +3 +3 +3 +3 "));
  ASSERT_TRUE(k({"set", "env", "daemonset/everywhere", "A=1"}).ok());
  EXPECT_TRUE(k({"rollout", "status", "daemonset/everywhere", "--timeout=60s"}, {}, 70s).ok());
}

}  // namespace
}  // namespace weft::e2e
