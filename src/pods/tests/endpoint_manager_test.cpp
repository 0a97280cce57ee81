#include "pods/endpoint_manager.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "netlink/fake.h"
#include "pods/plumbing.h"
#include "pods/pods_api.h"

namespace weft::pods {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using netlink::FakeKernel;
using netlink::FakeWorld;

// A node whose agent can be restarted: the world and the disk stay, the manager does not.
class EndpointManagerTest : public testing::Test {
 protected:
  EndpointManagerTest() {
    char name[] = "/tmp/weft-pods-XXXXXX";
    dir_ = ::mkdtemp(name);
    world_->add_nic("eth0", {"172.18.1.11/24", "fd00:18:1::11/64"});
    start();
  }
  ~EndpointManagerTest() override { fs::remove_all(dir_); }

  void start(std::vector<std::string> cidrs = {"10.1.0.0/24", "fd00:1::/64"}) {
    manager_.reset();
    table_ = std::make_unique<Table<LocalPod>>(io_, "pods");
    manager_ = std::make_unique<EndpointManager>(kernel_, *table_, EndpointOptions{.state_dir = dir_, .mtu = 1450});
    std::vector<Prefix> parsed;
    for (const auto& c : cidrs) parsed.push_back(*Prefix::parse(c));
    const auto r = manager_->start(parsed);
    ASSERT_TRUE(r) << r.error().message;
  }
  Result<LocalPod> add(const std::string& id) {
    const std::string netns = "/run/netns/" + id;
    if (!world_->namespaces.contains(netns)) world_->add_netns(netns);
    return manager_->add({id, "eth0", netns, {"shop", id}, "uid-" + id});
  }
  std::string ips(const std::string& id) const {
    const auto row = table_->get(id + "/eth0");
    std::string out;
    if (row)
      for (const auto& ip : row->ips) out += (out.empty() ? "" : " ") + ip.to_string();
    return row ? out : "none";
  }
  bool has_host_route(const std::string& destination) {
    for (const auto& r : here().routes)
      if (r.destination == *Prefix::parse(destination)) return true;
    return false;
  }
  FakeWorld::Namespace& here() { return world_->namespaces[""]; }
  std::size_t files(const std::string& sub) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_ + "/" + sub), fs::directory_iterator{}));
  }

  asio::io_context io_;
  std::shared_ptr<FakeWorld> world_ = std::make_shared<FakeWorld>();
  FakeKernel kernel_{world_};
  std::string dir_;
  std::unique_ptr<Table<LocalPod>> table_;
  std::unique_ptr<EndpointManager> manager_;
};

TEST_F(EndpointManagerTest, start_puts_the_gateways_on_weft_host_and_forwards) {
  const auto host = *kernel_.link(kHostDevice);
  std::set<std::string> on_host;
  for (const auto& a : here().addresses)
    if (a.ifindex == host.index) on_host.insert(a.prefix().to_string());
  EXPECT_EQ(on_host, (std::set<std::string>{"10.1.0.1/32", "fd00:1::1/128"}));
  EXPECT_EQ(here().sysctls["net/ipv4/ip_forward"], "1");
  EXPECT_EQ(here().sysctls["net/ipv6/conf/all/forwarding"], "1");
  EXPECT_TRUE(table_->initialized());
}

TEST_F(EndpointManagerTest, add_wires_both_sides) {
  const auto pod = add("a");
  ASSERT_TRUE(pod) << pod.error().message;
  EXPECT_EQ(ips("a"), "10.1.0.2 fd00:1::2");
  EXPECT_TRUE(has_host_route("10.1.0.2/32") && has_host_route("fd00:1::2/128"));
  const auto& inside = world_->namespaces["/run/netns/a"];
  std::set<std::string> routes;
  for (const auto& r : inside.routes)
    routes.insert(r.destination.to_string() + (r.via ? " via " + r.via->to_string() : ""));
  EXPECT_EQ(routes,
            (std::set<std::string>{"10.1.0.1/32", "0.0.0.0/0 via 10.1.0.1", "fd00:1::1/128", "::/0 via fd00:1::1"}));
  ASSERT_EQ(inside.neighbours.size(), 2u);
  EXPECT_EQ(inside.neighbours[0].mac, pod->host_mac);
  EXPECT_EQ(pod->ifindex, kernel_.link(pod->host_ifname)->index);
}

TEST_F(EndpointManagerTest, the_same_container_twice_gets_the_same_answer) {
  const auto first = add("a");
  const auto second = add("a");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(manager_->ipam().pool(Family::v4).used(), 1u);
}

TEST_F(EndpointManagerTest, delete_never_fails_for_the_unknown_and_leaves_nothing) {
  const auto links = here().links.size();
  const auto routes = here().routes.size();
  ASSERT_TRUE(add("a"));
  EXPECT_TRUE(manager_->remove("a/eth0"));
  EXPECT_TRUE(manager_->remove("a/eth0"));
  EXPECT_TRUE(manager_->remove("never/eth0"));
  EXPECT_EQ(here().links.size(), links);
  EXPECT_EQ(here().routes.size(), routes);
  EXPECT_EQ(files("endpoints"), 0u);
  EXPECT_EQ(ips("a"), "none");
}

TEST_F(EndpointManagerTest, a_failed_add_gives_everything_back) {
  world_->fail_next["replace_route"] = Error{Errc::exhausted, "setting route: Cannot allocate memory"};
  const auto links = here().links.size();
  const auto r = add("a");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "pod shop/a: setting route: Cannot allocate memory");
  EXPECT_EQ(here().links.size(), links);
  EXPECT_EQ(manager_->ipam().pool(Family::v4).used(), 0u);
  EXPECT_EQ(files("endpoints"), 0u);
  EXPECT_TRUE(add("a"));
}

TEST_F(EndpointManagerTest, a_namespace_that_is_not_there_is_said_so) {
  const auto r = manager_->add({"x", "eth0", "/run/netns/none", {"shop", "x"}, ""});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::not_found);
}

TEST_F(EndpointManagerTest, restart_keeps_pods_and_their_addresses) {
  const auto a = add("a");
  const auto b = add("b");
  ASSERT_TRUE(a && b);
  start();
  EXPECT_EQ(*table_->get("a/eth0"), *a);
  EXPECT_EQ(ips("b"), "10.1.0.3 fd00:1::3");
  ASSERT_TRUE(add("c"));
  EXPECT_EQ(ips("c"), "10.1.0.4 fd00:1::4");
}

TEST_F(EndpointManagerTest, restart_repairs_a_route_that_went_missing) {
  ASSERT_TRUE(add("a"));
  std::erase_if(here().routes, [](const auto& r) { return r.destination.is_host(); });
  EXPECT_FALSE(manager_->check("a/eth0", std::nullopt));
  start();
  EXPECT_TRUE(has_host_route("10.1.0.2/32") && has_host_route("fd00:1::2/128"));
  EXPECT_TRUE(manager_->check("a/eth0", std::nullopt));
}

TEST_F(EndpointManagerTest, restart_forgets_pods_whose_namespace_is_gone) {
  ASSERT_TRUE(add("a"));
  ASSERT_TRUE(add("b"));
  world_->remove_netns("/run/netns/a");
  start();
  EXPECT_EQ(ips("a"), "none");
  EXPECT_EQ(ips("b"), "10.1.0.3 fd00:1::3");
  EXPECT_EQ(files("endpoints"), 1u);
}

TEST_F(EndpointManagerTest, restart_rebuilds_a_link_but_not_into_another_namespace_of_the_same_name) {
  ASSERT_TRUE(add("a"));
  ASSERT_TRUE(add("b"));
  ASSERT_TRUE(kernel_.delete_link(host_ifname("a/eth0")));
  world_->remove_netns("/run/netns/b");
  world_->add_netns("/run/netns/b");
  start();
  EXPECT_EQ(ips("a"), "10.1.0.2 fd00:1::2");
  EXPECT_TRUE(manager_->check("a/eth0", std::nullopt));
  EXPECT_EQ(ips("b"), "none");
}

TEST_F(EndpointManagerTest, a_broken_file_disturbs_nobody_and_stays) {
  ASSERT_TRUE(add("a"));
  std::ofstream(dir_ + "/endpoints/broken.json") << "{\"version\":1,";
  std::ofstream(dir_ + "/endpoints/odd.json") << R"({"version":1,"containerId":"z","ips":"10.1.0.9"})";
  start();
  EXPECT_EQ(ips("a"), "10.1.0.2 fd00:1::2");
  EXPECT_EQ(table_->size(), 1u);
  EXPECT_EQ(files("endpoints"), 3u);
}

TEST_F(EndpointManagerTest, a_lost_state_directory_gives_no_address_twice) {
  ASSERT_TRUE(add("a"));
  fs::remove_all(dir_ + "/endpoints");
  start();
  ASSERT_TRUE(add("b"));
  EXPECT_EQ(ips("b"), "10.1.0.3 fd00:1::3");
  EXPECT_TRUE(manager_->remove("a/eth0"));
  EXPECT_FALSE(kernel_.link(host_ifname("a/eth0")));
  EXPECT_EQ(manager_->ipam().pool(Family::v4).used(), 1u);
}

TEST_F(EndpointManagerTest, without_pod_cidrs_an_add_is_to_be_tried_again) {
  start({});
  const auto r = add("a");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unavailable);
  EXPECT_FALSE(manager_->ready());
  ASSERT_TRUE(manager_->set_pod_cidrs({*Prefix::parse("10.1.0.0/24")}));
  EXPECT_TRUE(manager_->ready());
  ASSERT_TRUE(add("a"));
  EXPECT_EQ(ips("a"), "10.1.0.2");
}

TEST_F(EndpointManagerTest, garbage_collection_removes_what_is_not_named) {
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(add(id));
  EXPECT_EQ(*manager_->collect_garbage({"b/eth0", "unheard-of/eth0"}), 2u);
  EXPECT_EQ(table_->size(), 1u);
  EXPECT_EQ(ips("b"), "10.1.0.3 fd00:1::3");
}

TEST_F(EndpointManagerTest, queued_deletes_are_done_at_start_and_bad_ones_dropped) {
  ASSERT_TRUE(add("a"));
  std::ofstream(manager_->delete_queue_dir() + "/a-eth0.json")
      << R"({"command":"DEL","containerId":"a","netns":"","ifname":"eth0","config":{"cniVersion":"1.0.0"}})";
  std::ofstream(manager_->delete_queue_dir() + "/bad.json") << "not json";
  start();
  EXPECT_EQ(ips("a"), "none");
  EXPECT_EQ(files("delete-queue"), 0u);
}

TEST_F(EndpointManagerTest, check_sees_what_is_wrong) {
  const auto a = add("a");
  ASSERT_TRUE(a);
  EXPECT_TRUE(manager_->check("a/eth0", a->ips));
  EXPECT_EQ(manager_->check("b/eth0", {}).error().code, Errc::not_found);
  EXPECT_NE(manager_->check("a/eth0", std::vector{*Address::parse("10.1.0.9")})
                .error()
                .message.find("prevResult has 10.1.0.9"),
            std::string::npos);
  world_->namespaces["/run/netns/a"].addresses.clear();
  EXPECT_NE(manager_->check("a/eth0", {}).error().message.find("address 10.1.0.2 is missing on eth0"),
            std::string::npos);
}

TEST_F(EndpointManagerTest, api_answers_in_cni_terms) {
  PodsApi api(*manager_);
  world_->add_netns("/run/netns/a");
  const auto ask = [&](const std::string& command, const std::string& netns = "/run/netns/a") {
    return api.answer(json::parse(
        R"({"command":")" + command + R"(","containerId":"a","netns":")" + netns +
        R"(","ifname":"eth0","args":{"K8S_POD_NAME":"a","K8S_POD_NAMESPACE":"shop"},"config":{"cniVersion":"1.0.0"}})"));
  };
  EXPECT_EQ(ask("ADD").at("ips").at(0).at("address"), "10.1.0.2/32");
  EXPECT_EQ(ask("CHECK"), json::object{});
  EXPECT_EQ(ask("STATUS"), json::object{});
  EXPECT_EQ(ask("DEL"), json::object{});
  EXPECT_EQ(ask("DEL"), json::object{});
  EXPECT_EQ(ask("CHECK").at("code"), 100u);
  EXPECT_EQ(ask("ADD", "/run/netns/none").at("code"), 3u);
  EXPECT_EQ(api.answer(json::parse("[]")).at("code"), 6u);
}

}  // namespace
}  // namespace weft::pods
