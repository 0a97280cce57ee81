#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "kube/config.h"

namespace weft::kube {
namespace {

class TempDir {
 public:
  TempDir() {
    std::string t = "/tmp/weft-kube-XXXXXX";
    path_ = mkdtemp(t.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct EnvGuard {
  explicit EnvGuard(const char* n, const std::string& value) : name(n) {
    if (const char* v = std::getenv(n)) before = v;
    value.empty() ? unsetenv(n) : setenv(n, value.c_str(), 1);
  }
  ~EnvGuard() { before ? setenv(name, before->c_str(), 1) : unsetenv(name); }
  const char* name;
  std::optional<std::string> before;
};

const char* kTwo = R"(
apiVersion: v1
kind: Config
current-context: cluster1
clusters:
- name: cluster1
  cluster: {server: "https://172.18.1.2:6443", certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
- name: cluster2
  cluster: {server: "https://[fd00:18:2::2]:6443", insecure-skip-tls-verify: true}
users:
- name: admin
  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
- name: bearer
  user: {token: abc}
contexts:
- name: cluster1
  context: {cluster: cluster1, user: admin, namespace: shop}
- name: cluster2
  context: {cluster: cluster2, user: bearer}
- name: broken
  context: {cluster: nowhere, user: admin}
)";

TEST(KubeConfig, current_context_gives_server_ca_and_client_certificate) {
  const auto c = parse_kubeconfig(kTwo, "/home/me/.kube");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->server, "https://172.18.1.2:6443");
  EXPECT_EQ(c->ca.path, "/home/me/.kube/pki/ca.crt");
  EXPECT_EQ(c->tls_server_name, "kubernetes");
  EXPECT_EQ(c->client_certificate.text, "CERT");
  EXPECT_EQ(c->client_key.text, "KEY");
  EXPECT_EQ(c->ns, "shop");
  EXPECT_EQ(c->context, "cluster1");
  EXPECT_FALSE(c->insecure);
}

TEST(KubeConfig, named_context_wins_over_the_current_one) {
  const auto c = parse_kubeconfig(kTwo, "/", "cluster2");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->server, "https://[fd00:18:2::2]:6443");
  EXPECT_TRUE(c->insecure);
  EXPECT_EQ(c->token.text, "abc");
  EXPECT_EQ(c->ns, "default");
}

TEST(KubeConfig, errors_name_what_is_missing_and_what_there_is) {
  const auto none = parse_kubeconfig(kTwo, "/", "cluster9");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_NE(none.error().message.find("cluster9"), std::string::npos);
  EXPECT_NE(none.error().message.find("cluster1"), std::string::npos);
  const auto broken = parse_kubeconfig(kTwo, "/", "broken");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("nowhere"), std::string::npos) << broken.error().message;
}

TEST(KubeConfig, garbage_is_refused_without_a_crash) {
  for (const char* text : {"[1, 2", "just text", "- a\n- b", "clusters: 7\ncontexts: {a: b}\ncurrent-context: x",
                           "current-context: a\ncontexts: [{name: a, context: [1]}]", "\x01\x02"})
    EXPECT_FALSE(parse_kubeconfig(text, "/")) << text;
}

TEST(KubeConfig, credential_plugin_is_kept_with_its_arguments) {
  const auto c = parse_kubeconfig(R"(
current-context: x
clusters: [{name: x, cluster: {server: "https://x"}}]
users: [{name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./get-token, args: [a, b], env: [{name: K, value: v}]}}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
)",
                                  "/conf");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->exec_command, (std::vector<std::string>{"/conf/./get-token", "a", "b"}));
  ASSERT_EQ(c->exec_env.size(), 1u);
  EXPECT_EQ(c->exec_env[0].second, "v");
}

std::string cluster_and_user(const std::string& cluster, const std::string& user) {
  return "current-context: x\nclusters: [{name: east, cluster: {server: 'https://x'" + cluster +
         "}}]\nusers: [{name: jo, user: {token: abc" + user +
         "}}]\ncontexts: [{name: x, context: {cluster: east, user: jo}}]\n";
}

TEST(KubeConfig, who_to_act_as_is_kept) {
  const auto c = parse_kubeconfig(
      cluster_and_user("", ", as: jane, as-uid: '7', as-groups: [a, b], as-user-extra: {scopes: [view, list]}"), "/");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->act_as.user, "jane");
  EXPECT_EQ(c->act_as.uid, "7");
  EXPECT_EQ(c->act_as.groups, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(c->act_as.extra,
            (std::vector<std::pair<std::string, std::string>>{{"scopes", "view"}, {"scopes", "list"}}));
  EXPECT_EQ(parse_kubeconfig(cluster_and_user("", ""), "/")->act_as, Impersonation{});
}

TEST(KubeConfig, who_to_act_as_is_refused_rather_than_half_understood) {
  const auto why = [](const std::string& user) {
    const auto c = parse_kubeconfig(cluster_and_user("", user), "/");
    return c ? "taken" : c.error().message;
  };
  for (const char* alone : {", as-groups: [a]", ", as-uid: '7'", ", as-user-extra: {a: [b]}"}) {
    EXPECT_NE(why(alone).find("user jo: "), std::string::npos) << alone << ": " << why(alone);
    EXPECT_NE(why(alone).find("without as"), std::string::npos) << alone << ": " << why(alone);
  }
  EXPECT_EQ(why(", as: jane, as-groups: readers"), "user jo: as-groups is not a list of texts: write [one, two]");
  EXPECT_EQ(why(", as: jane, as-user-extra: {a: b}"),
            "user jo: as-user-extra.a is not a list of texts: write [one, two]");
  EXPECT_EQ(why(", as: jane, as-user-extra: [a]"), "user jo: as-user-extra is not a map: write {key: [value]}");
  EXPECT_EQ(why(", as: [jane]"), "user jo: as is not a text: write one name");
  EXPECT_EQ(why(", as: jane, as-uid: {}"), "user jo: as-uid is not a text: write one name");
  EXPECT_NE(why(", as: \"jane\\r\\nX: y\"").find("user jo: as has a line break"), std::string::npos);
}

TEST(KubeConfig, a_proxy_is_kept_and_one_that_is_not_offered_is_named_with_file_cluster_and_field) {
  const auto c = parse_kubeconfig(cluster_and_user(", proxy-url: 'http://bastion:3128'", ""), "/");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->proxy_url, "http://bastion:3128");
  for (const char* field : {", proxy-url: 'bastion'", ", proxy-url: ['http://bastion']"})
    EXPECT_FALSE(parse_kubeconfig(cluster_and_user(field, ""), "/")) << field;
  TempDir dir;
  const auto file = dir.write("config", cluster_and_user(", proxy-url: 'socks5://bastion:1080'", ""));
  const auto refused = load_kubeconfig(file);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  for (const auto& part : {file, std::string("cluster east: proxy-url"), std::string("http://")})
    EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
}

TEST(KubeConfig, several_files_merge_and_the_first_wins) {
  TempDir dir;
  const auto a = dir.write("a",
                           "current-context: one\nclusters: [{name: one, cluster: {server: 'https://first'}}]\n"
                           "contexts: [{name: one, context: {cluster: one}}]\n");
  const auto b = dir.write("b",
                           "current-context: two\nclusters: [{name: one, cluster: {server: 'https://second'}},\n"
                           " {name: two, cluster: {server: 'https://two', certificate-authority: ca.pem}}]\n"
                           "contexts: [{name: two, context: {cluster: two}}]\n");
  EnvGuard env("KUBECONFIG", a + ":" + dir.path() + "/absent:" + b);
  const auto one = load_kubeconfig();
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->server, "https://first");
  const auto two = load_kubeconfig("", "two");
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(two->ca.path, dir.path() + "/ca.pem");
}

TEST(KubeConfig, absent_file_is_named) {
  const auto c = load_kubeconfig("/nonexistent/kubeconfig");
  ASSERT_FALSE(c);
  EXPECT_NE(c.error().message.find("/nonexistent/kubeconfig"), std::string::npos);
}

TEST(InCluster, service_account_files_and_environment_are_used) {
  TempDir dir;
  dir.write("token", "secret\n");
  dir.write("ca.crt", "PEM");
  dir.write("namespace", "kube-system\n");
  EnvGuard host("KUBERNETES_SERVICE_HOST", "fd00:96:1::1");
  EnvGuard port("KUBERNETES_SERVICE_PORT", "6443");
  const auto c = in_cluster(dir.path());
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->server, "https://[fd00:96:1::1]:6443");
  EXPECT_EQ(c->ns, "kube-system");
  EXPECT_EQ(c->token.path, dir.path() + "/token");
}

TEST(InCluster, outside_of_a_pod_is_not_found) {
  EnvGuard host("KUBERNETES_SERVICE_HOST", "");
  const auto c = in_cluster("/nonexistent");
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, Errc::not_found);
}

}  // namespace
}  // namespace weft::kube
