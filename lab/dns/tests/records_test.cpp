#include "lab/dns/records.h"

#include <gtest/gtest.h>

namespace weft::lab {
namespace {

Address ip(const char* text) { return *Address::parse(text); }

std::shared_ptr<const Service> service(const char* name, std::vector<Address> ips, bool headless = false,
                                       bool unready = false) {
  Service s;
  s.name = {"shop", name};
  s.cluster_ips = std::move(ips);
  s.headless = headless;
  s.publish_not_ready_addresses = unready;
  return std::make_shared<const Service>(std::move(s));
}

std::shared_ptr<const EndpointSlice> slice(const char* of, std::vector<SliceEndpoint> endpoints) {
  EndpointSlice s;
  s.name = {"shop", std::string(of) + "-x"};
  s.service = of;
  s.endpoints = std::move(endpoints);
  return std::make_shared<const EndpointSlice>(std::move(s));
}

SliceEndpoint endpoint(const char* address, bool ready, const char* hostname = "") {
  SliceEndpoint e;
  e.addresses = {ip(address)};
  e.ready = ready;
  e.hostname = hostname;
  return e;
}

TEST(Records, a_service_answers_with_its_addresses_of_both_families_not_with_its_endpoints) {
  const auto r = records({service("api", {ip("10.96.1.1"), ip("fd00:96:1::1")})},
                         {slice("api", {endpoint("10.1.0.5", true)})}, "cluster.local");
  EXPECT_EQ(hosts_text(r), "10.96.1.1 api.shop.svc.cluster.local\nfd00:96:1::1 api.shop.svc.cluster.local\n");
}

TEST(Records, a_headless_service_answers_with_ready_endpoints_and_their_names) {
  const auto r =
      records({service("db", {}, true)},
              {slice("db", {endpoint("10.1.0.5", true, "db-0"), endpoint("10.1.0.6", false, "db-1")})}, "c.l");
  EXPECT_EQ(hosts_text(r), "10.1.0.5 db-0.db.shop.svc.c.l\n10.1.0.5 db.shop.svc.c.l\n");
}

TEST(Records, not_ready_addresses_are_published_where_asked) {
  const auto r = records({service("db", {}, true, true)}, {slice("db", {endpoint("10.1.0.6", false)})}, "c.l");
  EXPECT_EQ(r.at("db.shop.svc.c.l").size(), 1u);
}

TEST(Records, slices_without_their_service_say_nothing) {
  EXPECT_TRUE(records({}, {slice("db", {endpoint("10.1.0.6", true)})}, "c.l").empty());
}

}  // namespace
}  // namespace weft::lab
