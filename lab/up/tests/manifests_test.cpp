#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "lab/up/cluster.h"
#include "lab/up/yaml_json.h"

namespace weft::lab {
namespace {

TEST(Manifests, kube_dns_gets_the_tenth_address_of_each_service_range) {
  const auto t = parse_topology(std::string(default_topology()), "x");
  ASSERT_TRUE(t);
  const auto list = manifests(t->clusters[1]);
  ASSERT_TRUE(list) << list.error().message;
  bool seen = false;
  for (const auto& o : *list) {
    const std::string text = boost::json::serialize(o);
    EXPECT_EQ(text.find("${"), std::string::npos) << text;
    if (o.at("kind").as_string() != "Service") continue;
    seen = true;
    EXPECT_THAT(text, ::testing::HasSubstr(R"("clusterIPs":["10.97.0.10","fd00:96:2::a"])"));
    EXPECT_EQ(o.at("spec").at("ports").at(0).at("port").as_int64(), 53);
  }
  EXPECT_TRUE(seen);
}

TEST(YamlJson, plain_scalars_have_types_and_quoted_ones_are_text) {
  const auto d = json_documents(
      "a: 1\nb: '1'\nc: true\nd: \"true\"\ne: 1.5\nf: ~\ng: 10.0.0.1\nh: 1e\ni: '53'\n---\nj: [1, x]\n", "f");
  ASSERT_TRUE(d);
  ASSERT_EQ(d->size(), 2u);
  EXPECT_EQ(boost::json::serialize(d->at(0)),
            R"({"a":1,"b":"1","c":true,"d":"true","e":1.5E0,"f":null,"g":"10.0.0.1","h":"1e","i":"53"})");
  EXPECT_EQ(boost::json::serialize(d->at(1)), R"({"j":[1,"x"]})");
}

TEST(YamlJson, a_mistake_names_file_and_line) {
  const auto d = json_documents("a: 1\nb: [\n", "f.yaml");
  ASSERT_FALSE(d);
  EXPECT_THAT(d.error().message, ::testing::StartsWith("f.yaml:"));
}

}  // namespace
}  // namespace weft::lab
