// Asking agents in their pods: an API server in memory, and a kubectl that notes how it was called.
#include "apps/cli/agent_pods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "kube/fake.h"

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AgentPods : public ::testing::Test {
 protected:
  AgentPods()
      : io(std::make_shared<asio::io_context>(1)),
        server(*io),
        cluster({.context = "east", .kubeconfig = "/k", .ns = "net"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), server.transport())) {
    char name[] = "/tmp/weft-kubectl-XXXXXX";
    folder = ::mkdtemp(name);
    // The pod is the word behind "exec".
    const std::string script = "#!/bin/sh\necho \"$*\" >> " + folder +
                               "/calls\nwhile [ \"$1\" != exec ]; do shift; done\ncat " + folder + "/$2\n";
    EXPECT_TRUE(write_file(folder + "/kubectl", script, 0755));
    ::setenv("WEFT_KUBECTL", (folder + "/kubectl").c_str(), 1);
    question.words = {"bpf", "lb", "list"};
  }
  ~AgentPods() override {
    ::unsetenv("WEFT_KUBECTL");
    std::filesystem::remove_all(folder);
  }

  void add(const std::string& node, bool ready, const std::string& answer) {
    server.put(kube::kPods,
               json::parse(R"({"metadata": {"name": "weft-)" + node +
                           R"(", "namespace": "net", "labels": {"k8s-app": "weft"}}, "spec": {"nodeName": ")" + node +
                           R"("}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ")" +
                           (ready ? "True" : "False") + R"("}]}})")
                   .as_object());
    if (answer.empty()) return;
    EXPECT_TRUE(write_file(folder + "/weft-" + node, answer));
  }
  std::string calls() const { return read_file(folder + "/calls").value_or(""); }

  std::shared_ptr<asio::io_context> io;
  kube::FakeServer server;
  Cluster cluster;
  std::string folder;
  AgentQuestion question;
};

TEST_F(AgentPods, the_first_that_is_ready_answers_for_its_cluster) {
  add("n1", false, R"([{"id": 1}])");
  add("n2", true, R"([{"id": 2}])");
  add("n3", true, R"([{"id": 3}])");
  const auto a = ask_agents(cluster, question);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->entries, json::parse(R"([{"id": 2}])"));
  EXPECT_THAT(a->nodes, ElementsAre("n2"));
  EXPECT_EQ(where_from(question, *a), "As node n2 has it, one of 3; --node asks another");
  EXPECT_EQ(calls(),
            "--kubeconfig=/k --context=east -n net exec weft-n2 -c weft-agent -- weft bpf lb list --socket "
            "/var/run/weft/weft.sock -o json\n");
}

TEST_F(AgentPods, the_socket_is_where_the_configuration_has_it) {
  add("n1", true, "[]");
  server.put(
      kube::kConfigMaps,
      json::parse(R"({"metadata": {"name": "weft-config", "namespace": "net"}, "data": {"socket-path": "/r/w.sock"}})")
          .as_object());
  const auto a = ask_agents(cluster, question);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_THAT(calls(), HasSubstr("--socket /r/w.sock -o json"));
  EXPECT_EQ(where_from(question, *a), "") << "with a single node there is nothing to say";
}

TEST_F(AgentPods, one_that_does_not_answer_is_named_and_the_next_is_asked) {
  add("n1", true, "");
  add("n2", true, "[]");
  const auto a = ask_agents(cluster, question);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_THAT(a->nodes, ElementsAre("n2"));
  ASSERT_EQ(a->unanswered.size(), 1u);
  EXPECT_THAT(a->unanswered[0], HasSubstr("n1: "));
  EXPECT_THAT(a->unanswered[0], HasSubstr("weft-n1"));
}

TEST_F(AgentPods, a_node_that_is_named_is_asked_alone) {
  add("n1", true, R"([{"id": 1}])");
  add("n2", true, R"([{"id": 2}])");
  question.node = "n2";
  const auto a = ask_agents(cluster, question);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->entries, json::parse(R"([{"id": 2}])"));
  question.node = "n9";
  EXPECT_EQ(ask_agents(cluster, question).error().message, "east: no agent runs on node n9; on n1, n2 there is one");
}

TEST_F(AgentPods, what_each_node_knows_of_itself_is_put_together) {
  add("n1", true, R"([{"pod": "a"}])");
  add("n2", true, R"([{"pod": "b"}])");
  question.every_node = true;
  const auto a = ask_agents(cluster, question);
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->entries, json::parse(R"([{"pod": "a", "node": "n1"}, {"pod": "b", "node": "n2"}])"));
  EXPECT_EQ(where_from(question, *a), "From 2 of 2 nodes");
}

TEST_F(AgentPods, no_agents_and_no_answers_are_errors_that_name_the_cluster) {
  EXPECT_THAT(ask_agents(cluster, question).error().message, HasSubstr("east: no agent's pod runs in namespace net"));
  add("n1", true, "not json");
  const auto a = ask_agents(cluster, question);
  ASSERT_FALSE(a);
  EXPECT_EQ(a.error().code, Errc::unavailable);
  EXPECT_THAT(a.error().message, HasSubstr("east: no agent answered: n1: the answer is no list"));
}

TEST(WhichAgent, a_cluster_or_a_node_that_is_named_is_what_is_meant) {
  EXPECT_EQ(WhichAgent{.socket_there = true}.in_pods(), false);
  EXPECT_EQ(WhichAgent{.socket_there = false}.in_pods(), true);
  EXPECT_EQ((WhichAgent{.cluster_named = true, .socket_there = true}.in_pods()), true);
  EXPECT_EQ((WhichAgent{.node_named = true, .socket_there = true}.in_pods()), true);
  EXPECT_EQ((WhichAgent{.socket_named = true, .socket_there = false}.in_pods()), false);
  EXPECT_EQ((WhichAgent{.cluster_named = true, .socket_named = true}.in_pods().error().code), Errc::invalid);
}

}  // namespace
}  // namespace weft::cli
