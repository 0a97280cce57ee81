#include "lab/apiserver/service.h"

#include <gmock/gmock.h>

#include "lab/apiserver/tests/text_json.h"

namespace weft::lab::api {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::uint64_t zero(std::uint64_t) { return 0; }

struct Cluster {
  ServiceAllocator allocator;
  explicit Cluster(bool dual = true)
      : allocator(dual ? std::vector<Prefix>{*Prefix::parse("10.96.0.0/16"), *Prefix::parse("fd00:96:1::/108")}
                       : std::vector<Prefix>{*Prefix::parse("10.96.0.0/16")},
                  30000, 30002, zero) {}
  FieldErrors errors;
  json::value make(const std::string& spec, const json::value* old = nullptr) {
    auto v = j(R"({"metadata":{"name":"s"},"spec":)" + spec + "}");
    ServiceAllocator::Taken taken;
    errors = allocator.prepare(v, old, taken);
    if (errors.empty()) allocator.observe(old, &v);
    return v;
  }
};

TEST(ip_allocator, random_addresses_lie_above_the_static_band_and_may_be_given_back) {
  IpAllocator a(*Prefix::parse("10.96.0.0/16"));
  EXPECT_EQ(a.next(zero)->to_string(), "10.96.1.1");
  EXPECT_EQ(a.next(zero)->to_string(), "10.96.1.2");
  EXPECT_TRUE(a.take(*Address::parse("10.96.0.10")));
  EXPECT_EQ(a.take(*Address::parse("10.96.0.10")).error().code, Errc::exists);
  EXPECT_EQ(a.take(*Address::parse("10.97.0.10")).error().code, Errc::invalid);
  EXPECT_EQ(a.take(*Address::parse("10.96.0.0")).error().code, Errc::invalid);
  EXPECT_EQ(a.take(*Address::parse("10.96.255.255")).error().code, Errc::invalid);
  a.release(*Address::parse("10.96.1.1"));
  EXPECT_EQ(a.next(zero)->to_string(), "10.96.1.1");
}

TEST(ip_allocator, a_small_range_is_used_up_to_its_last_address) {
  IpAllocator a(*Prefix::parse("10.0.0.0/29"));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(a.next(zero)) << i;
  EXPECT_EQ(a.next(zero).error().code, Errc::exhausted);
}

TEST(service, a_plain_service_gets_one_address_of_the_first_family_and_the_defaults) {
  Cluster c;
  const auto s = c.make(R"({"ports":[{"port":80,"protocol":"TCP"}],"selector":{"a":"b"}})");
  ASSERT_THAT(c.errors, IsEmpty());
  EXPECT_EQ(text(s, {"spec", "clusterIP"}), "10.96.1.1");
  EXPECT_TRUE(same(s.at("spec").at("ipFamilies"), j(R"(["IPv4"])")));
  EXPECT_EQ(text(s, {"spec", "ipFamilyPolicy"}), "SingleStack");
  EXPECT_EQ(number(list(s, {"spec", "ports"})[0], {"targetPort"}), 80);
  EXPECT_EQ(text(s, {"spec", "internalTrafficPolicy"}), "Cluster");
}

TEST(service, prefer_dual_stack_gets_both_and_falls_back_on_a_single_stack_cluster) {
  Cluster dual, single(false);
  const auto spec = R"({"ipFamilyPolicy":"PreferDualStack","ports":[{"port":80,"protocol":"TCP"}]})";
  EXPECT_EQ(list(dual.make(spec), {"spec", "clusterIPs"}).size(), 2u);
  EXPECT_EQ(list(single.make(spec), {"spec", "clusterIPs"}).size(), 1u);
  single.make(R"({"ipFamilyPolicy":"RequireDualStack","ports":[{"port":80,"protocol":"TCP"}]})");
  ASSERT_EQ(single.errors.size(), 1u);
  EXPECT_EQ(single.errors[0].field, "spec.ipFamilyPolicy");
}

TEST(service, an_ipv6_service_is_made_by_naming_the_family) {
  Cluster c;
  const auto s = c.make(R"({"ipFamilies":["IPv6"],"ports":[{"port":80,"protocol":"TCP"}]})");
  EXPECT_THAT(text(s, {"spec", "clusterIP"}), HasSubstr("fd00:96:1::"));
}

TEST(service, an_address_asked_for_is_given_once) {
  Cluster c;
  EXPECT_EQ(text(c.make(R"({"clusterIP":"10.96.0.10","ports":[{"port":53,"protocol":"UDP"}]})"), {"spec", "clusterIP"}),
            "10.96.0.10");
  c.make(R"({"clusterIP":"10.96.0.10","ports":[{"port":53,"protocol":"UDP"}]})");
  ASSERT_EQ(c.errors.size(), 1u);
  EXPECT_THAT(c.errors[0].message, HasSubstr("failed to allocate IP 10.96.0.10: provided IP is already allocated"));
  c.make(R"({"clusterIP":"10.1.0.10","ports":[{"port":53,"protocol":"UDP"}]})");
  EXPECT_THAT(c.errors[0].message, HasSubstr("The range of valid IPs is 10.96.0.0/16"));
}

TEST(service, headless_services_have_no_address) {
  Cluster c;
  const auto s = c.make(R"({"clusterIP":"None","selector":{"a":"b"}})");
  ASSERT_THAT(c.errors, IsEmpty());
  EXPECT_TRUE(same(s.at("spec").at("clusterIPs"), j(R"(["None"])")));
  c.make(R"({"clusterIP":"None","type":"NodePort","ports":[{"port":80,"protocol":"TCP"}]})");
  EXPECT_FALSE(c.errors.empty());
}

TEST(service, node_ports_are_given_shared_between_protocols_and_refused_when_taken) {
  Cluster c;
  const auto s = c.make(
      R"({"type":"NodePort","ports":[{"name":"t","port":53,"protocol":"TCP"},{"name":"u","port":53,"protocol":"UDP"}]})");
  ASSERT_THAT(c.errors, IsEmpty());
  EXPECT_EQ(number(list(s, {"spec", "ports"})[0], {"nodePort"}), 30000);
  EXPECT_EQ(number(list(s, {"spec", "ports"})[1], {"nodePort"}), 30000);
  EXPECT_EQ(text(s, {"spec", "externalTrafficPolicy"}), "Cluster");
  c.make(R"({"type":"NodePort","ports":[{"port":80,"protocol":"TCP","nodePort":30000}]})");
  ASSERT_EQ(c.errors.size(), 1u);
  EXPECT_EQ(c.errors[0].field, "spec.ports[0].nodePort");
  c.make(R"({"type":"NodePort","ports":[{"port":80,"protocol":"TCP","nodePort":80}]})");
  EXPECT_THAT(c.errors[0].message, HasSubstr("30000-30002"));
}

TEST(service, what_an_update_leaves_out_stays_and_what_goes_is_freed) {
  Cluster c;
  const auto first = c.make(R"({"type":"NodePort","ports":[{"port":80,"protocol":"TCP"}]})");
  const auto kept = c.make(R"({"type":"NodePort","ports":[{"port":80,"protocol":"TCP","targetPort":8080}]})", &first);
  ASSERT_THAT(c.errors, IsEmpty());
  EXPECT_EQ(text(kept, {"spec", "clusterIP"}), text(first, {"spec", "clusterIP"}));
  EXPECT_EQ(number(list(kept, {"spec", "ports"})[0], {"nodePort"}), 30000);
  auto back = json::serialize(kept.at("spec"));
  back.replace(back.find("NodePort"), 8, "ClusterIP");
  const auto plain = c.make(back, &kept);
  ASSERT_THAT(c.errors, IsEmpty());
  EXPECT_EQ(find(list(plain, {"spec", "ports"})[0], {"nodePort"}), nullptr);
  EXPECT_EQ(number(list(c.make(R"({"type":"NodePort","ports":[{"port":1,"protocol":"TCP"}]})"), {"spec", "ports"})[0],
                   {"nodePort"}),
            30000)
      << "the port is free again";
}

TEST(service, the_cluster_address_may_not_change) {
  Cluster c;
  const auto first = c.make(R"({"ports":[{"port":80,"protocol":"TCP"}]})");
  c.make(R"({"clusterIP":"10.96.3.3","ports":[{"port":80,"protocol":"TCP"}]})", &first);
  ASSERT_FALSE(c.errors.empty());
  EXPECT_EQ(c.errors[0].field, "spec.clusterIPs[0]");
}

TEST(service, going_dual_adds_an_address_and_going_back_frees_it) {
  Cluster c;
  const auto one = c.make(R"({"ports":[{"port":80,"protocol":"TCP"}]})");
  auto spec = one.at("spec").as_object();
  spec["ipFamilyPolicy"] = "RequireDualStack";
  const auto two = c.make(json::serialize(spec), &one);
  ASSERT_THAT(c.errors, IsEmpty());
  ASSERT_EQ(list(two, {"spec", "clusterIPs"}).size(), 2u);
  EXPECT_EQ(c.allocator.ranges()[1].count(), 1u);
  spec = two.at("spec").as_object();
  spec["ipFamilyPolicy"] = "SingleStack";
  const auto back = c.make(json::serialize(spec), &two);
  ASSERT_THAT(c.errors, IsEmpty()) << c.errors[0].message;
  EXPECT_EQ(list(back, {"spec", "clusterIPs"}).size(), 1u);
  EXPECT_EQ(c.allocator.ranges()[1].count(), 0u);
}

TEST(service, a_refused_service_holds_nothing) {
  Cluster c;
  c.make(R"({"type":"NodePort","ports":[{"port":80,"protocol":"TCP","nodePort":1}]})");
  EXPECT_FALSE(c.errors.empty());
  EXPECT_EQ(c.allocator.ranges()[0].count(), 0u);
}

TEST(service, ports_need_names_and_numbers_in_range) {
  Cluster c;
  c.make(R"({"ports":[{"port":80,"protocol":"TCP"},{"port":0,"protocol":"TCP"}]})");
  ASSERT_EQ(c.errors.size(), 4u);
  EXPECT_EQ(c.errors[0].field, "spec.ports[0].name");
  EXPECT_EQ(c.errors[1].field, "spec.ports[1].name");
  EXPECT_EQ(c.errors[2].field, "spec.ports[1].port");
  EXPECT_EQ(c.errors[3].field, "spec.ports[1].targetPort") << "it defaults to the port";
  c.make(R"({"ports":[{"port":80,"protocol":"TCP","nodePort":30000}]})");
  ASSERT_EQ(c.errors.size(), 1u);
  EXPECT_THAT(c.errors[0].message, HasSubstr("may not be used when `type` is 'ClusterIP'"));
}

}  // namespace
}  // namespace weft::lab::api
