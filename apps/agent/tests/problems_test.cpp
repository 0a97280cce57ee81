#include "apps/agent/problems.h"

#include <gtest/gtest.h>

#include "apps/agent/mesh_report.h"

namespace weft::agent {
namespace {

std::vector<std::string> texts(Problems problems) {
  std::vector<std::string> out;
  for (const auto& p : std::move(problems).take()) out.push_back(p.to_string());
  return out;
}

class ProblemsTest : public ::testing::Test {
 protected:
  asio::io_context io;
  Problems problems;
};

TEST_F(ProblemsTest, a_service_that_does_not_fit_is_named_with_the_datapaths_words) {
  Table<Frontend> frontends(io, "frontends");
  Frontend f;
  f.address = {*SocketAddress::parse("10.96.0.5:80"), Protocol::tcp};
  f.service = {"shop", "cart"};
  frontends.upsert(f);
  ReconcileHealth maps;
  maps.errors["10.96.0.5:80/TCP"] = "map lb_frontends is full";
  maps.errors["10.96.0.9:80/TCP"] = "busy";
  EXPECT_EQ(error_of(maps, f.address), "map lb_frontends is full");
  problems.add_frontends(maps, frontends);
  EXPECT_EQ(texts(std::move(problems)), (std::vector<std::string>{"frontend 10.96.0.9:80/TCP cannot be removed: busy",
                                                                  "Service shop/cart: map lb_frontends is full"}));
}

TEST_F(ProblemsTest, a_pod_says_once_what_it_waits_for) {
  Table<identity::Endpoint> endpoints(io, "endpoints");
  identity::Endpoint waiting, ready;
  waiting.pod = {"shop", "cart-1"};
  waiting.state = "waiting-for-identity";
  waiting.why = "identities are all taken";
  ready.pod = {"shop", "cart-2"};
  ready.state = "ready";
  endpoints.upsert(waiting);
  endpoints.upsert(ready);
  ReconcileHealth objects;
  objects.errors["shop/cart-1"] = "identities are all taken";
  objects.errors["shop/cart-2"] = "forbidden";
  problems.add_endpoints(endpoints, &objects);
  EXPECT_EQ(texts(std::move(problems)),
            (std::vector<std::string>{"Pod shop/cart-1: waiting-for-identity: identities are all taken",
                                      "Pod shop/cart-2: its CiliumEndpoint cannot be written: forbidden"}));
}

TEST_F(ProblemsTest, objects_that_cannot_be_read_and_watches_that_fail_are_told) {
  kube::ReflectorHealth services;
  services.bad[{"shop", "cart"}] = "spec.clusterIPs: \"x\" is no address";
  services.error = "Kubernetes API: connection refused";
  problems.add_source("Service", services);
  problems.add_source("Service", services);
  EXPECT_EQ(
      texts(std::move(problems)),
      (std::vector<std::string>{
          "watching Service: Kubernetes API: connection refused",
          "Service shop/cart: spec.clusterIPs: \"x\" is no address: mend the object; until then its last readable "
          "state, if there was one, stays in force"}));
}

TEST_F(ProblemsTest, a_report_holds_the_first_and_the_number_of_all) {
  Table<RemoteStatus> remotes(io, "remotes");
  std::vector<api::Problem> many(kProblemsReported + 7, {"Service", "shop/cart", "full"});
  const auto report = mesh_status_of(Options{}, remotes, many, Wall::now());
  EXPECT_EQ(report.problems.size(), kProblemsReported);
  EXPECT_EQ(report.problem_count, kProblemsReported + 7);
}

}  // namespace
}  // namespace weft::agent
