#include "lab/node/pod.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "lab/node/environment.h"
#include "lab/node/files.h"

namespace weft::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Pod pod(const std::string& json_text) {
  auto p = parse_pod(json::parse(json_text).as_object());
  EXPECT_TRUE(p) << (p ? "" : p.error().message);
  return p.value_or(Pod{});
}

const char* kPod = R"pod({
  "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web", "a": "1"}},
  "spec": {
    "nodeName": "n1", "serviceAccountName": "robot", "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 7,
    "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["db", "db.local"]}],
    "containers": [{
      "name": "c", "image": "registry:5000/team/app:1.2",
      "args": ["--port=$(PORT)", "$(MISSING)", "$$(PORT)"],
      "ports": [{"name": "http", "containerPort": 8080}],
      "env": [{"name": "PORT", "value": "80"}, {"name": "URL", "value": "http://$(HOST):$(PORT)"},
              {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
              {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
              {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
              {"name": "OPT", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k", "optional": true}}}],
      "envFrom": [{"prefix": "CM_", "configMapRef": {"name": "cm"}}],
      "readinessProbe": {"httpGet": {"path": "ready", "port": "http"}, "periodSeconds": 2},
      "livenessProbe": {"tcpSocket": {"port": 8080}, "failureThreshold": 5},
      "volumeMounts": [{"name": "v", "mountPath": "/data", "readOnly": true}]
    }]
  }})pod";

RefData refs() {
  return [](bool secret, const std::string& name) -> std::optional<std::map<std::string, std::string>> {
    if (secret && name == "s") return std::map<std::string, std::string>{{"pw", "geheim"}};
    if (!secret && name == "cm") return std::map<std::string, std::string>{{"A", "1"}};
    return std::nullopt;
  };
}

TEST(Pod, is_read_with_the_api_servers_defaults) {
  const Pod p = pod(kPod);
  EXPECT_EQ(p.restart, RestartPolicy::on_failure);
  EXPECT_EQ(p.grace.count(), 7);
  EXPECT_EQ(p.hostname, "web-1");
  const auto& c = p.containers.at(0);
  EXPECT_EQ(c.readiness->handler.path, "/ready");
  EXPECT_EQ(c.readiness->period.count(), 2);
  EXPECT_EQ(c.readiness->timeout.count(), 1);
  EXPECT_EQ(c.liveness->failure_threshold, 5u);
  EXPECT_TRUE(c.mounts.at(0).read_only);
}

TEST(Pod, paths_that_climb_out_are_refused) {
  const auto r = parse_pod(json::parse(R"({"metadata":{"name":"a","namespace":"b","uid":"u"},"spec":{"containers":[
    {"name":"c","volumeMounts":[{"name":"v","mountPath":"/x","subPath":"../../etc"}]}]}})")
                               .as_object());
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message, HasSubstr("container c: volumeMount /x"));
  EXPECT_FALSE(parse_pod(json::parse(R"({"metadata":{"name":"a","namespace":"b","uid":"../u"}})").as_object()));
}

TEST(Pod, a_port_is_a_number_or_a_name) {
  const Pod p = pod(kPod);
  EXPECT_EQ(resolve_port(p.containers[0], "http").value_or(0), 8080u);
  EXPECT_EQ(resolve_port(p.containers[0], "9").value_or(0), 9u);
  EXPECT_FALSE(resolve_port(p.containers[0], "metrics"));
  EXPECT_FALSE(resolve_port(p.containers[0], "0"));
}

TEST(Pod, an_image_without_command_needs_one_in_the_topology) {
  const Pod p = pod(kPod);
  const auto none = argv_of(p.containers[0], {});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("registry:5000/team/app:1.2"));
  EXPECT_THAT(none.error().message, HasSubstr("under images in the topology"));
  EXPECT_THAT(argv_of(p.containers[0], {{"app", {"run-app"}}}).value()[0], "run-app");
  EXPECT_THAT(argv_of(p.containers[0], {{"registry:5000/team/app", {"full"}}, {"app", {"short"}}}).value()[0], "full");
}

TEST(Environment, variables_refer_to_those_before_them) {
  const Pod p = pod(kPod);
  const auto env =
      environment(p, p.containers[0], {{"10.1.0.5", "fd00::5"}, {"172.18.1.11"}}, refs(), {{"HOST", "web"}});
  ASSERT_TRUE(env) << env.error().message;
  EXPECT_EQ(env->at("URL"), "http://web:80");
  EXPECT_EQ(env->at("ME"), "web-1");
  EXPECT_EQ(env->at("IP"), "10.1.0.5");
  EXPECT_EQ(env->at("PW"), "geheim");
  EXPECT_EQ(env->at("CM_A"), "1");
  EXPECT_FALSE(env->contains("OPT"));
}

TEST(Environment, what_is_missing_is_named) {
  Pod p = pod(kPod);
  p.containers[0].env.push_back({"X", EnvVar::Source::secret, "key", "nope", false});
  const auto env = environment(p, p.containers[0], {}, refs(), {});
  ASSERT_FALSE(env);
  EXPECT_EQ(env.error().message, "secret \"nope\" not found (env X)");
  p.containers[0].env.back() = {"X", EnvVar::Source::secret, "key", "s", false};
  EXPECT_EQ(environment(p, p.containers[0], {}, refs(), {}).error().message,
            "couldn't find key key in secret s (env X)");
}

TEST(Environment, expansion_keeps_what_it_does_not_know) {
  const std::map<std::string, std::string> vars = {{"A", "1"}, {"B", "$(A)"}};
  EXPECT_EQ(expand("$(A)-$(B)-$(C)", vars), "1-$(A)-$(C)");
  EXPECT_EQ(expand("$$(A) $$ $", vars), "$(A) $ $");
  EXPECT_EQ(expand("$(A", vars), "$(A");
  EXPECT_EQ(expand("a$b", vars), "a$b");
}

TEST(Downward, labels_are_offered_one_by_one_and_as_a_file) {
  const Pod p = pod(kPod);
  EXPECT_EQ(downward_field(p, {}, "metadata.labels['app']").value(), "web");
  EXPECT_EQ(downward_field(p, {}, "metadata.labels").value(), "a=\"1\"\napp=\"web\"");
  EXPECT_EQ(downward_field(p, {{}, {"1.1.1.1", "fd00::1"}}, "status.hostIPs").value(), "1.1.1.1,fd00::1");
  EXPECT_FALSE(downward_field(p, {}, "spec.hostname"));
}

TEST(Files, hosts_has_own_addresses_and_aliases) {
  const Pod p = pod(kPod);
  const std::string text = hosts_file(p, {"10.1.0.5", "fd00::5"}, "node file\n", "cluster.local");
  EXPECT_THAT(text, HasSubstr("10.1.0.5\tweb-1\n"));
  EXPECT_THAT(text, HasSubstr("fd00::5\tweb-1\n"));
  EXPECT_THAT(text, HasSubstr("1.2.3.4\tdb\tdb.local\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("node file")));
}

TEST(Files, resolv_conf_follows_the_policy) {
  Pod p = pod(kPod);
  EXPECT_EQ(
      resolv_conf(p, {"10.96.0.10"}, "cluster.local", "nameserver 9.9.9.9\nsearch corp\n"),
      "search shop.svc.cluster.local svc.cluster.local cluster.local corp\nnameserver 10.96.0.10\noptions ndots:5\n");
  p.host_network = true;
  EXPECT_EQ(resolv_conf(p, {"10.96.0.10"}, "cluster.local", "nameserver 9.9.9.9\n"), "nameserver 9.9.9.9\n");
  p.dns_policy = "ClusterFirstWithHostNet";
  EXPECT_THAT(resolv_conf(p, {"10.96.0.10"}, "cluster.local", ""), HasSubstr("nameserver 10.96.0.10"));
  p.dns_policy = "None";
  p.object["spec"].as_object()["dnsConfig"] =
      json::parse(R"({"nameservers":["1.1.1.1"],"searches":["x"],"options":[{"name":"ndots","value":"2"}]})");
  EXPECT_EQ(resolv_conf(p, {"10.96.0.10"}, "cluster.local", ""), "search x\nnameserver 1.1.1.1\noptions ndots:2\n");
}

}  // namespace
}  // namespace weft::lab
