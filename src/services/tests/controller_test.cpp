#include "services/controller.h"

#include <gtest/gtest.h>

namespace weft::services {
namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

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
  both.endpoints[0].has_hints = true;
  both.endpoints.push_back({.addresses = {addr("10.1.0.2")}, .for_zones = {"z2"}, .has_hints = true});
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

TEST_F(ServiceControllerTest, frontends_are_initialized_when_every_source_has_spoken) {
  services.expect("list");
  slices.expect("list");
  remotes.expect("west");
  services.initialized_by("list");
  slices.initialized_by("list");
  controller.step();
  EXPECT_FALSE(frontends.initialized());
  remotes.initialized_by("west");
  controller.step();
  EXPECT_TRUE(frontends.initialized());
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

TEST_F(ServiceControllerTest, a_global_service_served_before_waits_for_the_remotes_and_a_new_one_does_not) {
  const FrontendKey before{{addr("10.96.0.5"), 80}, Protocol::tcp};
  Table<Frontend> out{io, "frontends"};
  ServiceController restarted{{.cluster = "east", .node = "n1"},
                              services,
                              slices,
                              remotes,
                              out,
                              [&](const FrontendKey& k) { return k == before; }};
  remotes.expect("west");
  auto fresh = cart("10.96.0.9");
  fresh.name.name = "fresh";
  services.upsert(cart());
  services.upsert(fresh);
  slices.upsert(slice("a", "cart", "10.1.0.1"));
  restarted.step();
  EXPECT_EQ(out.get(before), nullptr);
  EXPECT_EQ(out.size(), 1u);
  remotes.upsert(feed("west", "10.2.0.1"));
  remotes.initialized_by("west");
  restarted.step();
  ASSERT_NE(out.get(before), nullptr);
  EXPECT_EQ(out.get(before)->backends.size(), 2u);
}

}  // namespace
}  // namespace weft::services
