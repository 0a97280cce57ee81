#include "services/controller.h"

#include <gtest/gtest.h>

#include <optional>

#include "services/tests/addr.h"

namespace weft::services {
namespace {

class ServiceControllerTest : public ::testing::Test {
 protected:
  asio::io_context io;
  Table<Service> services{io, "services"};
  Table<EndpointSlice> slices{io, "slices"};
  Table<ClusterService> remotes{io, "remote services"};
  Table<Frontend> frontends{io, "frontends"};
  ServiceController controller{{.cluster = "east", .node = "n1"}, services, slices, remotes, frontends};

  Service cart(const char* ip = "10.96.0.5") {
    Service s;
    s.name = {"shop", "cart"};
    s.cluster_ips = {addr(ip)};
    s.ports = {{.name = "", .protocol = Protocol::tcp, .port = 80}};
    s.global = true;
    return s;
  }
  EndpointSlice slice(const char* name, const char* service, const char* ip) {
    return {.name = {"shop", name},
            .service = service,
            .ports = {{"", Protocol::tcp, 8080}},
            .endpoints = {{.addresses = {addr(ip)}}}};
  }
  ClusterService feed(const char* cluster, const char* ip) {
    ClusterService f;
    f.cluster = cluster;
    f.name = {"shop", "cart"};
    f.backends[addr(ip)][""] = {Protocol::tcp, 8080};
    return f;
  }
  std::size_t backends() {
    controller.step();
    std::size_t n = 0;
    frontends.for_each([&](const Frontend& f) { n += f.backends.size(); });
    return n;
  }
};

TEST_F(ServiceControllerTest, follows_services_slices_and_feeds_in_any_order) {
  remotes.upsert(feed("west", "10.2.0.1"));
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(backends(), 0u);
  services.upsert(cart());
  EXPECT_EQ(backends(), 2u);
  remotes.upsert(feed("north", "10.3.0.1"));
  EXPECT_EQ(backends(), 3u);
  slices.remove({"shop", "a"});
  EXPECT_EQ(backends(), 2u);
  services.remove({"shop", "cart"});
  EXPECT_EQ(backends(), 0u);
  EXPECT_EQ(frontends.size(), 0u);
}

TEST_F(ServiceControllerTest, a_slice_that_moves_to_another_service_leaves_the_first) {
  services.upsert(cart());
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(backends(), 1u);
  slices.upsert(slice("a", "other", "10.1.0.1"));
  EXPECT_EQ(backends(), 0u);
}

TEST_F(ServiceControllerTest, a_changed_cluster_ip_moves_the_frontend) {
  services.upsert(cart("10.96.0.5"));
  backends();
  services.upsert(cart("10.96.0.6"));
  backends();
  ASSERT_EQ(frontends.size(), 1u);
  EXPECT_EQ(frontends.all()[0]->address.address.address.to_string(), "10.96.0.6");
}

TEST_F(ServiceControllerTest, a_contested_external_ip_has_one_holder_and_passes_on) {
  auto a = cart();
  a.external_ips = {addr("192.0.2.1")};
  auto b = a;
  b.name.name = "basket";
  b.cluster_ips = {addr("10.96.0.9")};
  services.upsert(a);
  services.upsert(b);
  backends();
  const FrontendKey contested{{addr("192.0.2.1"), 80}, Protocol::tcp};
  EXPECT_EQ(frontends.get(contested)->service.name, "basket");
  ASSERT_EQ(controller.unserved().size(), 1u);
  EXPECT_EQ(controller.unserved()[0].frontend.service.to_string(), "shop/cart");
  EXPECT_EQ(controller.unserved()[0].why,
            "192.0.2.1:80/TCP is taken by Service shop/basket: give one of the two another external IP or port");
  services.remove(b.name);
  backends();
  EXPECT_TRUE(controller.unserved().empty());
  EXPECT_EQ(frontends.get(contested)->service.name, "cart");
}

// In every order of names and of arrival.
TEST_F(ServiceControllerTest, a_cluster_ip_is_never_lost_to_an_external_ip_and_the_loser_is_told_by_name) {
  const FrontendKey address{{addr("10.96.0.10"), 80}, Protocol::tcp};
  for (const char* thief_ns : {"apps", "zoo"}) {
    for (const bool thief_first : {true, false}) {
      SCOPED_TRACE(std::string(thief_ns) + (thief_first ? " comes first" : " comes second"));
      auto dns = cart("10.96.0.10");
      dns.name = {"kube-system", "kube-dns"};
      auto thief = cart("10.96.0.66");
      thief.name = {thief_ns, "thief"};
      thief.external_ips = {addr("10.96.0.10")};
      for (const auto& s : thief_first ? std::vector{thief, dns} : std::vector{dns, thief}) {
        services.upsert(s);
        backends();
      }
      ASSERT_NE(frontends.get(address), nullptr);
      EXPECT_EQ(frontends.get(address)->service.name, "kube-dns");
      EXPECT_EQ(frontends.get(address)->kind, FrontendKind::cluster_ip);
      ASSERT_EQ(controller.unserved().size(), 1u);
      EXPECT_EQ(controller.unserved()[0].frontend.service, thief.name);
      EXPECT_EQ(controller.unserved()[0].why,
                "10.96.0.10:80/TCP is the ClusterIP of Service kube-system/kube-dns: give this Service another "
                "external IP or port");
      // Whatever happens to the loser meanwhile.
      thief.annotations["touched"] = "yes";
      services.upsert(thief);
      slices.upsert({.name = {thief_ns, "s"},
                     .service = "thief",
                     .ports = {{"", Protocol::tcp, 8080}},
                     .endpoints = {{.addresses = {addr("10.1.0.66")}}}});
      backends();
      EXPECT_EQ(frontends.get(address)->service.name, "kube-dns");
      EXPECT_TRUE(frontends.get(address)->backends.empty());
      // Free when its owner goes, and the owner's again when it comes back.
      services.remove(dns.name);
      backends();
      EXPECT_EQ(frontends.get(address)->service, thief.name);
      EXPECT_TRUE(controller.unserved().empty());
      services.upsert(dns);
      backends();
      EXPECT_EQ(frontends.get(address)->service, dns.name);
      services.remove(dns.name);
      services.remove(thief.name);
      slices.remove({thief_ns, "s"});
      backends();
      EXPECT_EQ(frontends.size(), 0u);
    }
  }
}

TEST_F(ServiceControllerTest, an_external_ip_that_is_the_services_own_cluster_ip_contests_nothing) {
  auto s = cart();
  s.external_ips = s.cluster_ips;
  services.upsert(s);
  backends();
  ASSERT_EQ(frontends.size(), 1u);
  EXPECT_EQ(frontends.all()[0]->kind, FrontendKind::cluster_ip);
  EXPECT_TRUE(controller.unserved().empty());
}

TEST_F(ServiceControllerTest, a_port_that_is_not_translated_is_no_row_but_a_reason_and_the_others_are_served) {
  auto s = cart();
  s.cluster_ips.push_back(addr("fd00:96::5"));
  s.ports.push_back({.name = "stream", .protocol = Protocol::sctp, .port = 5000});
  services.upsert(s);
  backends();
  EXPECT_EQ(frontends.size(), 2u) << "port 80 of both families";
  ASSERT_EQ(controller.unserved().size(), 2u);
  for (const Unserved& u : controller.unserved()) {
    EXPECT_EQ(u.frontend.service, s.name);
    EXPECT_EQ(u.frontend.address.address.port, 5000);
    EXPECT_EQ(u.why, "port 5000/SCTP: protocol SCTP is not translated; use TCP or UDP");
  }
  s.ports.pop_back();
  services.upsert(s);
  backends();
  EXPECT_TRUE(controller.unserved().empty());
  s.ports[0].protocol = Protocol::sctp;
  services.upsert(s);
  backends();
  EXPECT_EQ(frontends.size(), 0u);
  services.remove(s.name);
  backends();
  EXPECT_TRUE(controller.unserved().empty());
}

TEST_F(ServiceControllerTest, a_node_that_moves_to_another_zone_chooses_its_backends_anew) {
  Table<Frontend> out{io, "frontends"};
  ServiceController zoned{
      {.cluster = "east", .node = "n1", .zone = "z1", .service_topology = true}, services, slices, remotes, out};
  auto s = cart();
  s.global = false;
  s.traffic_distribution = "PreferClose";
  services.upsert(s);
  auto both = slice("a", "cart", "10.1.0.1");
  both.endpoints[0].for_zones = {"z1"};
  both.endpoints.push_back({.addresses = {addr("10.1.0.2")}, .for_zones = {"z2"}});
  slices.upsert(both);
  const auto chosen = [&] {
    zoned.step();
    std::string names;
    for (const Backend& b : out.all().at(0)->backends)
      if (b.preferred) names += b.address.address.to_string() + " ";
    return names;
  };
  EXPECT_EQ(chosen(), "10.1.0.1 ");
  zoned.set_zone("z2");
  EXPECT_EQ(chosen(), "10.1.0.2 ");
}

TEST_F(ServiceControllerTest, a_change_touches_only_its_own_service) {
  for (int i = 0; i < 100; ++i) {
    auto s = cart();
    s.name.name = "s" + std::to_string(i);
    s.cluster_ips = {Address::v4(0x0a600100u + static_cast<std::uint32_t>(i))};
    services.upsert(s);
  }
  backends();
  const auto before = frontends.revision();
  slices.upsert(slice("a", "s7", "10.1.0.1"));
  backends();
  EXPECT_EQ(frontends.revision(), before + 1);
}

TEST_F(ServiceControllerTest, frontends_are_initialized_when_services_and_slices_are_listed_whoever_is_away) {
  services.expect("list");
  slices.expect("list");
  remotes.expect("remote cluster west");
  services.initialized_by("list");
  controller.step();
  EXPECT_FALSE(frontends.initialized());
  slices.initialized_by("list");
  controller.step();
  EXPECT_TRUE(frontends.initialized());
}

TEST_F(ServiceControllerTest, maps_that_take_over_from_others_wait_for_the_remotes) {
  Table<Frontend> out{io, "frontends"};
  ServiceController fresh{{.cluster = "east", .node = "n1"}, services, slices, remotes, out, {{}, true}};
  remotes.expect("remote cluster west");
  services.upsert(cart());
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  fresh.step();
  EXPECT_EQ(out.size(), 1u) << "what is known is written at once";
  EXPECT_FALSE(out.initialized());
  remotes.initialized_by("remote cluster west");
  fresh.step();
  EXPECT_TRUE(out.initialized());
}

TEST_F(ServiceControllerTest, nothing_is_written_before_services_and_slices_are_both_listed) {
  services.expect("list");
  slices.expect("list");
  services.upsert(cart());
  services.initialized_by("list");
  controller.step();
  EXPECT_EQ(frontends.size(), 0u) << "a service without its slices looks like one without backends";
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  slices.initialized_by("list");
  EXPECT_EQ(backends(), 1u);
}

// A run that begins with maps that an earlier one left, while remote clusters are silent.
class RestartTest : public ServiceControllerTest {
 protected:
  const FrontendKey key{{addr("10.96.0.5"), 80}, Protocol::tcp};
  Table<Frontend> out{io, "frontends"};
  std::optional<ServiceController> restarted;

  void SetUp() override {
    remotes.expect("remote cluster west");
    remotes.expect("remote cluster north");
  }
  void restart(std::vector<InheritedBackend> inherited) {
    restarted.emplace(Site{.cluster = "east", .node = "n1"}, services, slices, remotes, out,
                      ServiceController::Start{.inherited = {{key, std::move(inherited)}}});
  }
  InheritedBackend left_by(const char* cluster, const char* ip, BackendState state = BackendState::active) {
    return {{addr(ip), 8080}, state, cluster_tag(cluster)};
  }
  // Those that take new connections, as "address" or "address of cluster".
  std::string serving() {
    restarted->step();
    const auto f = out.get(key);
    if (!f) return "no frontend";
    std::string text;
    for (const Backend& b : f->backends)
      if (b.preferred && b.state == BackendState::active)
        text +=
            (text.empty() ? "" : ", ") + b.address.address.to_string() + (b.cluster.empty() ? "" : " of " + b.cluster);
    return text;
  }
};

TEST_F(RestartTest, local_endpoints_are_followed_at_once_and_the_silent_remotes_backends_stay) {
  restart({left_by("west", "10.2.0.1")});
  services.upsert(cart());
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(serving(), "10.1.0.1, 10.2.0.1 of west");
  slices.upsert(slice("a", "cart", "10.1.0.9"));
  EXPECT_EQ(serving(), "10.1.0.9, 10.2.0.1 of west");
  slices.remove({"shop", "a"});
  EXPECT_EQ(serving(), "10.2.0.1 of west") << "a service that only the remote serves";
}

TEST_F(RestartTest, each_cluster_is_heard_for_itself) {
  restart({left_by("west", "10.2.0.1"), left_by("north", "10.3.0.1")});
  services.upsert(cart());
  EXPECT_EQ(serving(), "10.2.0.1 of west, 10.3.0.1 of north");
  remotes.initialized_by("remote cluster west");
  EXPECT_EQ(serving(), "10.3.0.1 of north") << "west has no backend any more";
  EXPECT_TRUE(out.initialized());
  remotes.upsert(feed("north", "10.3.0.7"));
  EXPECT_EQ(serving(), "10.3.0.7 of north") << "of this service north has spoken, the rest of its list is on its way";
  remotes.initialized_by("remote cluster north");
  EXPECT_EQ(serving(), "10.3.0.7 of north");
}

TEST_F(RestartTest, a_remote_that_is_given_up_leaves_nothing) {
  restart({left_by("west", "10.2.0.1")});
  services.upsert(cart());
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(serving(), "10.1.0.1, 10.2.0.1 of west");
  remotes.initialized_by("remote cluster north");
  remotes.initialized_by("remote cluster west");
  EXPECT_EQ(serving(), "10.1.0.1");
  remotes.expect("remote cluster west");
  slices.upsert(slice("a", "cart", "10.1.0.2"));
  EXPECT_EQ(serving(), "10.1.0.2") << "and nothing comes back";
}

TEST_F(RestartTest, until_it_is_known_which_remotes_there_are_all_stay_and_a_forgotten_one_goes_then) {
  remotes.expect("mesh configuration");
  restart({left_by("west", "10.2.0.1"), left_by("south", "10.4.0.1")});
  services.upsert(cart());
  EXPECT_EQ(serving(), "10.2.0.1 of west, 10.4.0.1 of unknown");
  remotes.initialized_by("mesh configuration");
  EXPECT_EQ(serving(), "10.2.0.1 of west") << "south was removed while no agent ran";
}

TEST_F(RestartTest, affinity_counts_inherited_backends_as_remote) {
  restart({left_by("west", "10.2.0.1")});
  auto s = cart();
  s.affinity = ServiceAffinity::local;
  services.upsert(s);
  EXPECT_EQ(serving(), "10.2.0.1 of west") << "fails over as before the restart";
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(serving(), "10.1.0.1");
  slices.remove({"shop", "a"});
  EXPECT_EQ(serving(), "10.2.0.1 of west");
  s.affinity = ServiceAffinity::remote;
  services.upsert(s);
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(serving(), "10.2.0.1 of west");
  remotes.initialized_by("remote cluster west");
  EXPECT_EQ(serving(), "10.1.0.1");
}

TEST_F(RestartTest, a_service_that_is_not_global_any_more_inherits_nothing) {
  restart({left_by("west", "10.2.0.1")});
  auto s = cart();
  s.global = false;
  services.upsert(s);
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  EXPECT_EQ(serving(), "10.1.0.1");
}

TEST_F(RestartTest, what_a_slice_says_of_an_address_counts_more_and_a_terminating_one_gets_no_new_connection) {
  restart({left_by("west", "10.2.0.1"), left_by("west", "10.2.0.2", BackendState::terminating)});
  services.upsert(cart());
  slices.upsert(slice("a", "cart", "10.2.0.1"));
  EXPECT_EQ(serving(), "10.2.0.1");
  EXPECT_EQ(out.get(key)->backends.size(), 2u);
}

}  // namespace
}  // namespace weft::services
