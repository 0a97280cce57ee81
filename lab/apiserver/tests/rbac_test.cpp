#include "lab/apiserver/rbac.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/apiserver/node_authorizer.h"

namespace weft::lab::api {
namespace {

using ::testing::HasSubstr;

json::value parsed(const std::string& text) {
  auto v = parse_yaml(text);
  EXPECT_TRUE(v) << text;
  return v ? *v : json::value();
}

// The objects of a cluster, written as YAML.
struct World {
  Policy::Objects cluster_roles, cluster_bindings, roles, bindings, pods;

  void add(Policy::Objects& to, const std::string& ns, const std::string& name, const std::string& yaml) {
    auto s = std::make_shared<Stored>();
    s->ns = ns;
    s->name = name;
    s->object = parsed(yaml);
    to[ns.empty() ? name : ns + "/" + name] = s;
  }
  Policy policy() const { return {cluster_roles, cluster_bindings, roles, bindings, pods}; }
  Decision ask(const User& user, const std::string& method, const std::string& path,
               std::map<std::string, std::string> query = {}) const {
    return decide(policy(), user, attributes(method, path, std::move(query)));
  }
  static Attributes attributes(const std::string& method, const std::string& path,
                               std::map<std::string, std::string> query = {}) {
    std::vector<std::string> parts;
    for (std::size_t begin = 1; begin < path.size();) {
      const auto end = std::min(path.find('/', begin), path.size());
      parts.push_back(path.substr(begin, end - begin));
      begin = end + 1;
    }
    return attributes_of(method, parts, query);
  }
};

const User kRobot{"system:serviceaccount:shop:robot",
                  "",
                  {"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}};
const User kNode{"system:node:n1", "", {"system:nodes", "system:authenticated"}};

World robots() {
  World w;
  w.add(w.cluster_roles, "", "reader",
        "rules: [{apiGroups: ['', apps], resources: [pods, deployments/scale], verbs: [get, list, watch]}]");
  w.add(w.roles, "shop", "keeper",
        "rules: [{apiGroups: [''], resources: [configmaps], resourceNames: [state], verbs: [get, update]}, "
        "{apiGroups: [''], resources: [configmaps], verbs: [create]}]");
  w.add(w.bindings, "shop", "keeps",
        "{roleRef: {kind: Role, name: keeper}, subjects: [{kind: ServiceAccount, name: robot, namespace: shop}]}");
  return w;
}

TEST(Rbac, reads_what_a_request_wants_as_the_real_server_does) {
  auto a = World::attributes("GET", "/api/v1/namespaces/shop/pods");
  EXPECT_EQ(std::tie(a.verb, a.group, a.resource, a.ns), std::make_tuple("list", "", "pods", "shop"));
  a = World::attributes("GET", "/api/v1/pods", {{"watch", "true"}, {"fieldSelector", "a=b,metadata.name=x"}});
  EXPECT_EQ(std::tie(a.verb, a.name, a.ns), std::make_tuple("watch", "x", ""));
  a = World::attributes("PATCH", "/apis/apps/v1/namespaces/shop/deployments/d/scale");
  EXPECT_EQ(std::make_tuple(a.verb, a.group, a.combined(), a.name),
            std::make_tuple("patch", "apps", "deployments/scale", "d"));
  a = World::attributes("GET", "/api/v1/namespaces/shop");
  EXPECT_EQ(std::tie(a.verb, a.resource, a.ns, a.name), std::make_tuple("get", "namespaces", "shop", "shop"));
  a = World::attributes("PUT", "/api/v1/namespaces/shop/finalize");
  EXPECT_EQ(std::make_tuple(a.verb, a.combined(), a.name), std::make_tuple("update", "namespaces/finalize", "shop"));
  a = World::attributes("DELETE", "/apis/cilium.io/v2/ciliumnodes");
  EXPECT_EQ(std::tie(a.verb, a.group, a.resource), std::make_tuple("deletecollection", "cilium.io", "ciliumnodes"));
  a = World::attributes("GET", "/apis/cilium.io/v2");
  EXPECT_EQ(std::tie(a.verb, a.path, a.resource), std::make_tuple("get", "/apis/cilium.io/v2", ""));
}

TEST(Rbac, gives_nothing_without_a_binding) {
  auto w = robots();
  EXPECT_FALSE(w.ask(kRobot, "GET", "/api/v1/pods").allowed);
  w.add(w.cluster_bindings, "", "reads",
        "{roleRef: {kind: ClusterRole, name: reader}, subjects: [{kind: Group, name: 'system:serviceaccounts:shop'}]}");
  const auto d = w.ask(kRobot, "GET", "/api/v1/pods");
  EXPECT_TRUE(d.allowed);
  EXPECT_EQ(d.reason,
            "RBAC: allowed by ClusterRoleBinding \"reads\" of ClusterRole \"reader\" to Group "
            "\"system:serviceaccounts:shop\"");
  EXPECT_FALSE(w.ask(kRobot, "DELETE", "/api/v1/namespaces/shop/pods/p").allowed);
  EXPECT_FALSE(w.ask(kRobot, "GET", "/api/v1/nodes").allowed);
}

TEST(Rbac, tells_a_resource_from_its_subresources) {
  auto w = robots();
  w.add(w.cluster_bindings, "", "reads",
        "{roleRef: {kind: ClusterRole, name: reader}, subjects: [{kind: User, name: "
        "'system:serviceaccount:shop:robot'}]}");
  EXPECT_TRUE(w.ask(kRobot, "GET", "/apis/apps/v1/namespaces/shop/deployments/d/scale").allowed);
  EXPECT_FALSE(w.ask(kRobot, "GET", "/apis/apps/v1/namespaces/shop/deployments/d").allowed);
  EXPECT_FALSE(w.ask(kRobot, "GET", "/api/v1/namespaces/shop/pods/p/log").allowed);
}

TEST(Rbac, a_role_is_good_in_its_namespace_and_for_the_names_it_lists) {
  const auto w = robots();
  EXPECT_TRUE(w.ask(kRobot, "PUT", "/api/v1/namespaces/shop/configmaps/state").allowed);
  EXPECT_FALSE(w.ask(kRobot, "PUT", "/api/v1/namespaces/shop/configmaps/other").allowed);
  EXPECT_FALSE(w.ask(kRobot, "PUT", "/api/v1/namespaces/else/configmaps/state").allowed);
  EXPECT_TRUE(w.ask(kRobot, "POST", "/api/v1/namespaces/shop/configmaps").allowed) << "create has no name to compare";
  EXPECT_FALSE(w.ask(kRobot, "GET", "/api/v1/configmaps").allowed);
}

TEST(Rbac, a_binding_to_a_role_that_is_not_there_gives_nothing_and_is_named) {
  auto w = robots();
  w.add(w.cluster_bindings, "", "broken",
        "{roleRef: {kind: ClusterRole, name: gone}, subjects: [{kind: Group, name: 'system:authenticated'}]}");
  const auto d = w.ask(kRobot, "GET", "/api/v1/pods");
  EXPECT_FALSE(d.allowed);
  EXPECT_EQ(d.reason, "RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found");
}

TEST(Rbac, refusals_read_as_the_real_servers) {
  EXPECT_EQ(
      refusal_text(kRobot, World::attributes("GET", "/api/v1/namespaces/shop/pods"), ""),
      "User \"system:serviceaccount:shop:robot\" cannot list resource \"pods\" in API group \"\" in the namespace "
      "\"shop\"");
  EXPECT_EQ(
      refusal_text(kNode, World::attributes("PATCH", "/api/v1/nodes/n2/status"), "why"),
      "User \"system:node:n1\" cannot patch resource \"nodes/status\" in API group \"\" at the cluster scope: why");
  EXPECT_EQ(refusal_text(kRobot, World::attributes("GET", "/metrics"), ""),
            "User \"system:serviceaccount:shop:robot\" cannot get path \"/metrics\"");
}

TEST(Rbac, administrators_may_do_everything_and_everybody_may_look_around) {
  World w;
  for (const auto& o : bootstrap_policy()) {
    auto s = std::make_shared<Stored>();
    s->name = text(o, {"metadata", "name"});
    s->object = o;
    (text(o, {"kind"}) == "ClusterRole" ? w.cluster_roles : w.cluster_bindings)[s->name] = s;
  }
  EXPECT_TRUE(w.ask({"admin", "", {"system:masters"}}, "DELETE", "/api/v1/nodes").allowed);
  EXPECT_TRUE(w.ask(kRobot, "GET", "/apis/cilium.io/v2").allowed);
  EXPECT_TRUE(w.ask(kRobot, "GET", "/openapi/v3/api/v1").allowed);
  EXPECT_TRUE(w.ask(kRobot, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").allowed);
  EXPECT_FALSE(w.ask(kRobot, "POST", "/apis/authentication.k8s.io/v1/tokenreviews").allowed);
  EXPECT_FALSE(w.ask(kRobot, "GET", "/metrics").allowed);
}

TEST(NodeAuthorizer, a_kubelet_keeps_its_own_node_lease_and_pods) {
  World w;
  w.add(w.pods, "shop", "mine", "spec: {nodeName: n1}");
  w.add(w.pods, "shop", "theirs", "spec: {nodeName: n2}");
  EXPECT_TRUE(w.ask(kNode, "POST", "/api/v1/nodes").allowed);
  EXPECT_TRUE(w.ask(kNode, "PATCH", "/api/v1/nodes/n1/status").allowed);
  EXPECT_FALSE(w.ask(kNode, "PATCH", "/api/v1/nodes/n2/status").allowed);
  EXPECT_FALSE(w.ask(kNode, "DELETE", "/api/v1/nodes/n1").allowed);
  EXPECT_TRUE(w.ask(kNode, "PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1").allowed);
  EXPECT_FALSE(w.ask(kNode, "PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2").allowed);
  EXPECT_FALSE(w.ask(kNode, "PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n1").allowed);
  EXPECT_TRUE(w.ask(kNode, "PATCH", "/api/v1/namespaces/shop/pods/mine/status").allowed);
  EXPECT_FALSE(w.ask(kNode, "PATCH", "/api/v1/namespaces/shop/pods/theirs/status").allowed);
  EXPECT_FALSE(w.ask(kNode, "DELETE", "/api/v1/namespaces/shop/pods/theirs").allowed);
  EXPECT_FALSE(w.ask(kNode, "GET", "/apis/cilium.io/v2/ciliumnodes").allowed);
  EXPECT_FALSE(w.ask({"system:node:n1", "", {"system:authenticated"}}, "GET", "/api/v1/pods").allowed)
      << "the name alone makes no node";
}

TEST(NodeAuthorizer, a_kubelet_reads_what_its_pods_use_and_no_more) {
  World w;
  w.add(w.pods, "shop", "mine",
        "spec: {nodeName: n1, serviceAccountName: robot, imagePullSecrets: [{name: pull}], volumes: [{name: v, "
        "projected: {sources: [{secret: {name: tls}}, {configMap: {name: ca}}]}}, {name: w, secret: {secretName: s}}], "
        "containers: [{envFrom: [{configMapRef: {name: env}}]}]}");
  const auto may = [&](const char* what, const char* name) {
    return w
        .ask(kNode, "GET", std::string("/api/v1/namespaces/shop/") + what,
             {{"watch", "true"}, {"fieldSelector", std::string("metadata.name=") + name}})
        .allowed;
  };
  for (const char* name : {"pull", "tls", "s"}) EXPECT_TRUE(may("secrets", name)) << name;
  for (const char* name : {"ca", "env"}) EXPECT_TRUE(may("configmaps", name)) << name;
  EXPECT_FALSE(may("secrets", "ca"));
  EXPECT_FALSE(may("secrets", "other"));
  const auto all = w.ask(kNode, "GET", "/api/v1/namespaces/shop/secrets");
  EXPECT_FALSE(all.allowed);
  EXPECT_EQ(all.reason, "No Object name found");
  EXPECT_TRUE(w.ask(kNode, "POST", "/api/v1/namespaces/shop/serviceaccounts/robot/token").allowed);
  EXPECT_THAT(w.ask(kNode, "POST", "/api/v1/namespaces/shop/serviceaccounts/admin/token").reason,
              HasSubstr("no relationship found between node 'n1' and this object"));
}

}  // namespace
}  // namespace weft::lab::api
