// The server over a real etcd, asked over HTTPS.
#include "lab/apiserver/tests/server_fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <thread>

namespace weft::lab::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kMaps = "/api/v1/namespaces/default/configmaps";
const std::string kPods = "/api/v1/namespaces/default/pods";

std::string config_map(const std::string& name, const std::string& value = "1", const std::string& labels = "{}",
                       const std::string& more = "") {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","labels":{}{}}},"data":{{"v":"{}"}}}})", name,
      labels, more, value);
}
std::string pod(const std::string& name, const std::string& more = "") {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{}"}},"spec":{{"containers":[{{"name":"c","image":"x"}}]{}}}}})",
      name, more);
}
std::string version(const Reply& r) { return text(r.json, {"metadata", "resourceVersion"}); }
std::string reason(const Reply& r) { return fmt::format("{} {}", r.code, text(r.json, {"reason"})); }
std::vector<std::string> types(const std::vector<json::value>& events) {
  std::vector<std::string> out;
  for (const auto& e : events) out.push_back(text(e, {"type"}) + " " + text(e, {"object", "metadata", "name"}));
  return out;
}

// One server for the tests that leave it as it was.
class Server : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { shared = std::make_unique<TestServer>("--default-watch-cache-size 50"); }
  static void TearDownTestSuite() { shared.reset(); }
  TestServer& s = *shared;
  static std::unique_ptr<TestServer> shared;
};
std::unique_ptr<TestServer> Server::shared;

TEST_F(Server, knows_who_asks) {
  EXPECT_EQ(s.request("GET", "/api/v1/namespaces", "", "", "", "").code, 401);
  EXPECT_EQ(s.request("GET", "/api/v1/namespaces", "", "", "", "other-ca").code, 401);
  EXPECT_EQ(s.request("GET", "/api/v1/namespaces", "", "", "", "Bearer nonsense").code, 401);
  EXPECT_EQ(s.request("GET", "/healthz", "", "", "", "").body, "ok");
  const auto who = s.post("/apis/authentication.k8s.io/v1/selfsubjectreviews",
                          R"({"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"})");
  EXPECT_EQ(text(who.json, {"status", "userInfo", "username"}), "kubernetes-admin");
}

TEST_F(Server, service_account_tokens_work_until_the_account_goes) {
  ASSERT_EQ(s.post("/api/v1/namespaces/default/serviceaccounts", R"({"metadata":{"name":"robot"}})").code, 201);
  const auto made =
      s.post("/api/v1/namespaces/default/serviceaccounts/robot/token", R"({"spec":{"expirationSeconds":600}})");
  ASSERT_EQ(made.code, 201) << made.body;
  const auto token = "Bearer " + text(made.json, {"status", "token"});
  EXPECT_EQ(s.request("GET", "/apis", "", "", "", token).code, 200);
  const auto other =
      s.post("/api/v1/namespaces/default/serviceaccounts/robot/token", R"({"spec":{"audiences":["vault"]}})");
  EXPECT_EQ(s.request("GET", "/api/v1/namespaces", "", "", "", "Bearer " + text(other.json, {"status", "token"})).code,
            401)
      << "the token is for somebody else";
  s.del("/api/v1/namespaces/default/serviceaccounts/robot");
  EXPECT_EQ(s.request("GET", "/apis", "", "", "", token).code, 401);
}

TEST_F(Server, accounts_may_do_what_roles_give_them_and_nothing_else) {
  const std::string rbac = "/apis/rbac.authorization.k8s.io/v1";
  ASSERT_EQ(s.post("/api/v1/namespaces/default/serviceaccounts", R"({"metadata":{"name":"reader"}})").code, 201);
  const auto made = s.post("/api/v1/namespaces/default/serviceaccounts/reader/token", R"({"spec":{}})");
  const auto token = "Bearer " + text(made.json, {"status", "token"});
  const auto as = [&](const std::string& method, const std::string& path, const std::string& body = {},
                      const std::string& type = "application/json") {
    return s.request(method, path, body, type, "application/json", token);
  };
  const auto refused = as("GET", kMaps);
  EXPECT_EQ(reason(refused), "403 Forbidden");
  EXPECT_EQ(
      text(refused.json, {"message"}),
      "configmaps is forbidden: User \"system:serviceaccount:default:reader\" cannot list resource \"configmaps\" in "
      "API group \"\" in the namespace \"default\"");
  EXPECT_EQ(text(refused.json, {"details", "kind"}), "configmaps");
  EXPECT_EQ(
      text(as("DELETE", "/apis/cilium.io/v2/ciliumnodes/n").json, {"message"}),
      "ciliumnodes.cilium.io \"n\" is forbidden: User \"system:serviceaccount:default:reader\" cannot delete resource "
      "\"ciliumnodes\" in API group \"cilium.io\" at the cluster scope")
      << "a refusal comes before 404: who may not look is not told what is there";

  ASSERT_EQ(s.post(rbac + "/namespaces/default/roles",
                   R"({"metadata":{"name":"r"},"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["list",)"
                   R"("patch"]}]})")
                .code,
            201);
  ASSERT_EQ(s.post(rbac + "/namespaces/default/rolebindings",
                   R"({"metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role",)"
                   R"("name":"r"},"subjects":[{"kind":"ServiceAccount","name":"reader","namespace":"default"}]})")
                .code,
            201);
  EXPECT_EQ(as("GET", kMaps).code, 200);
  EXPECT_EQ(as("GET", "/api/v1/configmaps").code, 403) << "the role is of one namespace";
  EXPECT_EQ(as("GET", kMaps + "?watch=true&timeoutSeconds=1").code, 403);
  EXPECT_EQ(
      as("PATCH", kMaps + "/applied?fieldManager=t",
         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"}})", "application/apply-patch+yaml")
          .code,
      403)
      << "applying what is not there creates it";
  const auto review =
      as("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
         R"({"spec":{"resourceAttributes":{"verb":"list","resource":"configmaps","namespace":"default"}}})");
  EXPECT_TRUE(flag(review.json, {"status", "allowed"})) << review.body;
  const auto other =
      s.post("/apis/authorization.k8s.io/v1/subjectaccessreviews",
             R"({"spec":{"user":"system:serviceaccount:default:reader","resourceAttributes":{"verb":"get","resource":)"
             R"("secrets","namespace":"default"}}})");
  EXPECT_FALSE(flag(other.json, {"status", "allowed"}, true)) << other.body;
  s.del(rbac + "/namespaces/default/rolebindings/b");
  EXPECT_EQ(as("GET", kMaps).code, 403) << "what a binding gave goes with it";
  s.del(rbac + "/namespaces/default/roles/r");
  s.del("/api/v1/namespaces/default/serviceaccounts/reader");
}

TEST_F(Server, a_kubelet_minds_its_own_node) {
  const auto as = [&](const std::string& method, const std::string& path, const std::string& body = {}) {
    return s.request(method, path, body, method == "PATCH" ? "application/merge-patch+json" : "application/json",
                     "application/json", "node-n1");
  };
  EXPECT_EQ(as("POST", "/api/v1/nodes", R"({"metadata":{"name":"n1"}})").code, 201);
  EXPECT_EQ(as("PATCH", "/api/v1/nodes/n1/status", R"({"status":{"phase":"Running"}})").code, 200);
  EXPECT_EQ(
      text(as("PATCH", "/api/v1/nodes/n2/status", "{}").json, {"message"}),
      "nodes \"n2\" is forbidden: User \"system:node:n1\" cannot patch resource \"nodes/status\" in API group \"\" at "
      "the cluster scope: node 'n1' cannot read or modify node 'n2'");
  EXPECT_EQ(as("GET", "/api/v1/secrets").code, 403);
  s.del("/api/v1/nodes/n1");
}

TEST_F(Server, creates_once_and_updates_only_what_was_read) {
  const auto made = s.post(kMaps, config_map("one"));
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_FALSE(text(made.json, {"metadata", "uid"}).empty());
  EXPECT_EQ(reason(s.post(kMaps, config_map("one"))), "409 AlreadyExists");
  const auto put =
      s.put(kMaps + "/one", config_map("one", "2", "{}", R"(,"resourceVersion":")" + version(made) + "\""));
  EXPECT_EQ(put.code, 200);
  EXPECT_EQ(
      reason(s.put(kMaps + "/one", config_map("one", "3", "{}", R"(,"resourceVersion":")" + version(made) + "\""))),
      "409 Conflict");
  EXPECT_EQ(version(s.put(kMaps + "/one", config_map("one", "2"))), version(put))
      << "an update that changes nothing is none";
  EXPECT_EQ(reason(s.get(kMaps + "/two")), "404 NotFound");
  const auto generated = s.post(kMaps, R"({"metadata":{"generateName":"gen-"}})");
  EXPECT_EQ(text(generated.json, {"metadata", "name"}).size(), 9u);
  EXPECT_EQ(s.post(kMaps + "?dryRun=All", config_map("dry")).code, 201);
  EXPECT_EQ(s.get(kMaps + "/dry").code, 404);
  EXPECT_EQ(reason(s.post("/api/v1/namespaces/nowhere/configmaps", config_map("x"))), "404 NotFound");
}

TEST_F(Server, refuses_clearly) {
  EXPECT_EQ(s.get("/api/v1/things").code, 404);
  EXPECT_EQ(s.get("/apis/batch/v1/jobs").code, 404);
  EXPECT_EQ(s.put(kMaps, config_map("x")).code, 405);
  EXPECT_EQ(s.get(kPods + "/x/log").code, 501);
  EXPECT_EQ(s.get(kPods + "/x/proxy/deep/path").code, 501);
  EXPECT_EQ(s.get(kMaps + "/x/proxy/deep/path").code, 404);
  EXPECT_EQ(s.request("GET", kMaps, "", "", "application/vnd.kubernetes.protobuf").code, 406);
  EXPECT_EQ(s.request("POST", kMaps, "x", "application/cbor").code, 415);
  EXPECT_EQ(s.request("PATCH", kMaps + "/x", "{}", "text/plain").code, 415);
  EXPECT_EQ(s.post(kMaps, "{").code, 400);
  EXPECT_EQ(s.get(kMaps + "?labelSelector=a%20b").code, 400);
  EXPECT_EQ(s.get(kMaps + "?fieldSelector=data.v%3D1").code, 400);
  const auto strict = s.post(kMaps + "?fieldValidation=Strict", R"({"metadata":{"name":"x"},"dat":{}})");
  EXPECT_EQ(strict.code, 400);
  EXPECT_THAT(text(strict.json, {"message"}), HasSubstr("unknown field \"dat\""));
  const auto type =
      s.post("/apis/apps/v1/namespaces/default/deployments", R"({"metadata":{"name":"x"},"spec":{"replicas":"1"}})");
  EXPECT_EQ(type.code, 400);
  const auto bad = s.post("/api/v1/namespaces/default/services", R"({"metadata":{"name":"X"},"spec":{}})");
  EXPECT_EQ(reason(bad), "422 Invalid");
  EXPECT_GE(list(bad.json, {"details", "causes"}).size(), 2u);
}

TEST_F(Server, watches_resume_bookmark_and_follow_selectors) {
  const auto first = s.post(kMaps, config_map("w1", "1", R"({"in":"yes"})"));
  s.put(kMaps + "/w1", config_map("w1", "2", R"({"in":"yes"})"));
  s.post(kMaps, config_map("w2", "1", R"({"in":"no"})"));
  s.put(kMaps + "/w1", config_map("w1", "2", R"({"in":"no"})"));
  s.put(kMaps + "/w2", config_map("w2", "1", R"({"in":"yes"})"));
  s.del(kMaps + "/w2");
  const auto from = "?resourceVersion=" + version(first);
  EXPECT_THAT(types(s.watch(kMaps + from)),
              ElementsAre("MODIFIED w1", "ADDED w2", "MODIFIED w1", "MODIFIED w2", "DELETED w2"));
  EXPECT_THAT(types(s.watch(kMaps + from + "&labelSelector=in%3Dyes")),
              ElementsAre("MODIFIED w1", "DELETED w1", "ADDED w2", "DELETED w2"));
  EXPECT_THAT(types(s.watch(kMaps + from + "&fieldSelector=metadata.name%3Dw2&allowWatchBookmarks=true")),
              ElementsAre("ADDED w2", "MODIFIED w2", "DELETED w2", "BOOKMARK "));
  const auto all = s.watch(
      kMaps + "?labelSelector=in&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  ASSERT_GE(all.size(), 2u);
  EXPECT_EQ(text(all[0], {"type"}), "ADDED");
  EXPECT_EQ(text(all[1], {"object", "metadata", "annotations", "k8s.io/initial-events-end"}), "true");
  s.del(kMaps + "/w1");
}

TEST_F(Server, a_watch_from_before_the_history_is_gone) {
  const auto first = s.post(kMaps, config_map("old"));
  for (int i = 0; i < 60; ++i) s.put(kMaps + "/old", config_map("old", std::to_string(i)));
  const auto events = s.watch(kMaps + "?resourceVersion=" + version(first));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(text(events[0], {"type"}), "ERROR");
  EXPECT_EQ(number(events[0], {"object", "code"}), 410);
  s.del(kMaps + "/old");
}

TEST_F(Server, pages_come_from_one_revision_until_it_is_compacted) {
  for (int i = 0; i < 5; ++i) s.post(kMaps, config_map(fmt::format("page-{}", i), "1", R"({"page":"x"})"));
  const auto query = kMaps + "?labelSelector=page&limit=2";
  const auto one = s.get(query);
  ASSERT_EQ(list(one.json, {"items"}).size(), 2u);
  s.put(kMaps + "/page-3", config_map("page-3", "changed", R"({"page":"x"})"));
  s.del(kMaps + "/page-4");
  auto next = text(one.json, {"metadata", "continue"});
  ASSERT_FALSE(next.empty());
  const auto two = s.get(query + "&continue=" + next);
  ASSERT_EQ(list(two.json, {"items"}).size(), 2u) << two.body;
  EXPECT_EQ(version(two), version(one));
  EXPECT_EQ(text(list(two.json, {"items"})[1], {"data", "v"}), "1") << "as it was when the list began";
  next = text(two.json, {"metadata", "continue"});
  const auto three = s.get(query + "&continue=" + next);
  ASSERT_EQ(list(three.json, {"items"}).size(), 1u);
  EXPECT_EQ(text(list(three.json, {"items"})[0], {"metadata", "name"}), "page-4");
  EXPECT_EQ(text(three.json, {"metadata", "continue"}), "");
  const auto compacted =
      run(fmt::format("ETCDCTL_API=3 etcdctl --endpoints {} compact {}", s.etcd().endpoint(), version(s.get(kMaps))));
  ASSERT_EQ(compacted.code, 0) << compacted.out;
  EXPECT_EQ(reason(s.get(query + "&continue=" + next)), "410 Expired");
  EXPECT_EQ(s.get(query + "&continue=junk").code, 400);
  EXPECT_EQ(s.request("DELETE", kMaps + "?labelSelector=page").code, 200);
  EXPECT_EQ(list(s.get(kMaps + "?labelSelector=page").json, {"items"}).size(), 0u);
}

TEST_F(Server, patches_of_every_kind) {
  const std::string d = "/apis/apps/v1/namespaces/default/deployments";
  ASSERT_EQ(
      s.post(
           d,
           R"({"metadata":{"name":"web"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x:1"}]}}}})")
          .code,
      201);
  auto r = s.patch(d + "/web", "strategic-merge-patch+json",
                   R"({"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}]}}}})");
  ASSERT_EQ(r.code, 200) << r.body;
  EXPECT_EQ(text(list(r.json, {"spec", "template", "spec", "containers"})[0], {"image"}), "x:1");
  EXPECT_EQ(number(r.json, {"metadata", "generation"}), 2);
  r = s.patch(d + "/web", "json-patch+json", R"([{"op":"replace","path":"/spec/replicas","value":4}])");
  EXPECT_EQ(number(r.json, {"spec", "replicas"}), 4);
  r = s.patch(d + "/web", "merge-patch+json", R"({"metadata":{"annotations":{"x":"y"}}})");
  EXPECT_EQ(number(r.json, {"metadata", "generation"}), 3) << "an annotation is no change of the desired state";
  r = s.patch(d + "/web/status", "merge-patch+json", R"({"spec":{"replicas":9},"status":{"replicas":4}})");
  EXPECT_EQ(number(r.json, {"spec", "replicas"}), 4);
  EXPECT_EQ(number(r.json, {"status", "replicas"}), 4);
  r = s.patch(d + "/web/scale", "merge-patch+json", R"({"spec":{"replicas":2}})");
  EXPECT_EQ(text(r.json, {"kind"}), "Scale");
  EXPECT_EQ(number(s.get(d + "/web").json, {"spec", "replicas"}), 2);
  r = s.patch(d + "/web", "merge-patch+json", R"({"metadata":{"resourceVersion":"1"},"spec":{"replicas":3}})");
  EXPECT_EQ(reason(r), "409 Conflict");
  r = s.request("PATCH", d + "/web?fieldManager=t",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 7}\n",
                "application/apply-patch+yaml");
  EXPECT_EQ(reason(r), "409 Conflict") << r.body;
  r = s.request("PATCH", d + "/web?fieldManager=t&force=true",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 7}\n",
                "application/apply-patch+yaml");
  EXPECT_EQ(r.code, 200) << r.body;
  EXPECT_EQ(number(r.json, {"spec", "replicas"}), 7);
  EXPECT_EQ(s.del(d + "/web").code, 200);
}

TEST_F(Server, deletion_waits_for_finalizers_and_preconditions) {
  const auto made = s.post(kMaps, config_map("fin", "1", "{}", R"(,"finalizers":["example.com/hold"])"));
  EXPECT_EQ(reason(s.del(kMaps + "/fin", R"({"preconditions":{"uid":"other"}})")), "409 Conflict");
  const auto deleted = s.del(kMaps + "/fin");
  EXPECT_EQ(deleted.code, 200);
  EXPECT_FALSE(text(deleted.json, {"metadata", "deletionTimestamp"}).empty());
  EXPECT_EQ(s.get(kMaps + "/fin").code, 200);
  EXPECT_EQ(s.patch(kMaps + "/fin", "merge-patch+json",
                    R"({"metadata":{"finalizers":["example.com/hold","example.com/more"]}})")
                .code,
            422);
  EXPECT_EQ(s.patch(kMaps + "/fin", "merge-patch+json", R"({"metadata":{"finalizers":null}})").code, 200);
  EXPECT_EQ(s.get(kMaps + "/fin").code, 404);
  s.post(kMaps, config_map("owner"));
  s.del(kMaps + "/owner", R"({"propagationPolicy":"Foreground"})");
  EXPECT_THAT(s.get(kMaps + "/owner").body, HasSubstr("foregroundDeletion"));
  s.patch(kMaps + "/owner", "merge-patch+json", R"({"metadata":{"finalizers":[]}})");
  EXPECT_EQ(s.get(kMaps + "/owner").code, 404);
}

TEST_F(Server, a_running_pod_gets_its_grace_and_goes_when_the_node_says_so) {
  ASSERT_EQ(s.post(kPods, pod("graceful")).code, 201);
  EXPECT_EQ(text(s.get(kPods + "/graceful").json, {"status", "phase"}), "Pending");
  ASSERT_EQ(s.post(kPods + "/graceful/binding", R"({"target":{"kind":"Node","name":"n1"}})").code, 201);
  EXPECT_EQ(s.post(kPods + "/graceful/binding", R"({"target":{"kind":"Node","name":"n2"}})").code, 409);
  EXPECT_THAT(s.get(kPods + "?fieldSelector=spec.nodeName%3Dn1").body, HasSubstr("graceful"));
  EXPECT_EQ(number(s.del(kPods + "/graceful").json, {"metadata", "deletionGracePeriodSeconds"}), 30);
  EXPECT_EQ(number(s.del(kPods + "/graceful", R"({"gracePeriodSeconds":5})").json,
                   {"metadata", "deletionGracePeriodSeconds"}),
            5);
  EXPECT_EQ(s.del(kPods + "/graceful", R"({"gracePeriodSeconds":0})").code, 200);
  EXPECT_EQ(s.get(kPods + "/graceful").code, 404);
  s.post(kPods, pod("unbound"));
  s.del(kPods + "/unbound");
  EXPECT_EQ(s.get(kPods + "/unbound").code, 404) << "what runs nowhere needs no grace";
  s.post(kPods, pod("frozen"));
  EXPECT_EQ(s.patch(kPods + "/frozen", "merge-patch+json", R"({"spec":{"hostNetwork":true}})").code, 422);
  s.del(kPods + "/frozen");
}

TEST_F(Server, a_namespace_ends_when_it_is_finalized) {
  ASSERT_EQ(s.post("/api/v1/namespaces", R"({"metadata":{"name":"shortlived"}})").code, 201);
  EXPECT_EQ(text(s.del("/api/v1/namespaces/shortlived").json, {"status", "phase"}), "Terminating");
  EXPECT_EQ(reason(s.post("/api/v1/namespaces/shortlived/configmaps", config_map("x"))), "403 Forbidden");
  EXPECT_EQ(s.put("/api/v1/namespaces/shortlived/finalize", R"({"metadata":{"name":"shortlived"},"spec":{}})").code,
            200);
  EXPECT_EQ(s.get("/api/v1/namespaces/shortlived").code, 404);
  EXPECT_EQ(s.del("/api/v1/namespaces/default").code, 403);
}

std::string definition(const std::string& more = "") {
  return R"({"metadata":{"name":"carts.shop.example.com"},"spec":{"group":"shop.example.com","scope":"Namespaced","names":{"plural":"carts","kind":"Cart","shortNames":["ct"]},
    "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.size","statusReplicasPath":".status.size"}},
      "additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"}],
      "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","required":["owner"],"properties":{"size":{"type":"integer","default":3,"minimum":1},"owner":{"type":"string"}}},
        "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}},
     {"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]})" +
         more + "}";
}

TEST_F(Server, definitions_are_served_at_once_and_take_their_objects_along) {
  const auto crd = s.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition());
  ASSERT_EQ(crd.code, 201) << crd.body;
  EXPECT_THAT(crd.body, HasSubstr("Established"));
  const std::string carts = "/apis/shop.example.com/v1/namespaces/default/carts";
  const auto made = s.post(
      carts,
      R"({"apiVersion":"shop.example.com/v1","kind":"Cart","metadata":{"name":"mine"},"spec":{"owner":"me","gone":1},"status":{"x":1}})");
  ASSERT_EQ(made.code, 201) << made.body;
  EXPECT_TRUE(same(made.json.at("spec"), *parse_json(R"({"owner":"me","size":3})"))) << made.body;
  EXPECT_EQ(find(made.json, {"status"}), nullptr);
  const auto bad = s.post(carts, R"({"metadata":{"name":"bad"},"spec":{"size":0}})");
  EXPECT_EQ(reason(bad), "422 Invalid");
  EXPECT_THAT(bad.body, HasSubstr("spec.owner"));
  EXPECT_THAT(bad.body, HasSubstr("greater than or equal to 1"));
  EXPECT_EQ(text(s.get("/apis/shop.example.com/v1beta1/namespaces/default/carts/mine").json, {"apiVersion"}),
            "shop.example.com/v1beta1");
  EXPECT_EQ(s.patch(carts + "/mine/status", "merge-patch+json", R"({"status":{"size":2}})").code, 200);
  EXPECT_EQ(number(s.get(carts + "/mine/scale").json, {"status", "replicas"}), 2);
  EXPECT_EQ(s.patch(carts + "/mine", "strategic-merge-patch+json", "{}").code, 415);
  const auto table = s.request("GET", carts, "", "", "application/json;as=Table;v=v1;g=meta.k8s.io");
  EXPECT_TRUE(same(list(table.json, {"rows"})[0].at("cells"), *parse_json(R"(["mine",3])"))) << table.body;
  EXPECT_THAT(s.get("/apis/shop.example.com/v1").body, HasSubstr("carts/scale"));
  EXPECT_THAT(s.get("/openapi/v3/apis/shop.example.com/v1").body, HasSubstr("com.example.shop.v1.Cart"));
  EXPECT_EQ(s.del("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/carts.shop.example.com").code, 200);
  for (int i = 0;
       i < 50 && s.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/carts.shop.example.com").code != 404;
       ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(s.get(carts).code, 404);
  EXPECT_EQ(run(fmt::format("ETCDCTL_API=3 etcdctl --endpoints {} get --prefix --keys-only /registry/shop",
                            s.etcd().endpoint()))
                .out,
            "")
      << "its objects went with it";
}

TEST_F(Server, discovery_and_openapi_hold_together) {
  const auto groups = s.get("/apis");
  for (const auto& g : list(groups.json, {"groups"}))
    for (const auto& v : list(g, {"versions"})) {
      EXPECT_EQ(s.get("/apis/" + text(v, {"groupVersion"})).code, 200) << show(v);
    }
  const auto index = s.get("/openapi/v3");
  const auto document = s.get(text(index.json, {"paths", "apis/apps/v1", "serverRelativeURL"}));
  const auto& types = object(document.json, {"components", "schemas"});
  EXPECT_TRUE(types.contains("io.k8s.api.apps.v1.Deployment"));
  // Every reference leads somewhere.
  std::function<void(const json::value&)> walk = [&](const json::value& v) {
    if (const auto* o = v.if_object())
      for (const auto& [k, child] : *o) {
        if (k == "$ref" && child.is_string()) {
          EXPECT_TRUE(types.contains(std::string(child.get_string()).substr(21))) << child;
        }
        walk(child);
      }
    if (const auto* a = v.if_array())
      for (const auto& child : *a) walk(child);
  };
  walk(document.json);
  EXPECT_EQ(s.request("GET", "/apis", "", "", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
                .json.at("kind"),
            "APIGroupDiscoveryList");
}

TEST(ServerLife, objects_addresses_and_history_survive_restarts_of_both_processes) {
  TestServer s;
  const auto made =
      s.post("/api/v1/namespaces/default/services", R"({"metadata":{"name":"web"},"spec":{"ports":[{"port":80}]}})");
  ASSERT_EQ(made.code, 201);
  s.stop();
  s.start();
  EXPECT_EQ(s.get("/api/v1/namespaces/default/services/web").body, made.body);
  const auto ip = text(made.json, {"spec", "clusterIP"});
  const auto taken =
      s.post("/api/v1/namespaces/default/services",
             R"({"metadata":{"name":"thief"},"spec":{"clusterIP":")" + ip + R"(","ports":[{"port":80}]}})");
  EXPECT_EQ(taken.code, 422) << "the address is still web's";
  s.etcd().kill();
  EXPECT_EQ(s.get("/api/v1/namespaces/default/services/web").code, 200) << "reads come from the cache";
  s.etcd().start();
  Reply after;
  for (int i = 0; i < 100 && after.code != 201; ++i) {
    after = s.post(kMaps, config_map("after"));
    if (after.code != 201) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(after.code, 201) << after.body;
  EXPECT_THAT(types(s.watch(kMaps + "?resourceVersion=" + version(made))), ElementsAre("ADDED after"));
}

}  // namespace
}  // namespace weft::lab::api
