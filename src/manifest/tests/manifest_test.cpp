#include "manifest/manifest.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

std::string read(const char* yaml) {
  const auto v = parse_yaml(yaml);
  return v ? boost::json::serialize(*v) : v.error().message;
}

TEST(Manifest, plain_scalars_have_types_and_quoted_ones_are_strings) {
  EXPECT_EQ(
      read(
          "{a: 80, b: \"80\", c: true, d: 'true', e: null, f: ~, g: 1.5, h: 10.96.0.1, i: -3, j: 0x10, k: 0400, l: 0}"),
      R"({"a":80,"b":"80","c":true,"d":"true","e":null,"f":null,"g":1.5E0,"h":"10.96.0.1","i":-3,"j":16,"k":256,"l":0})");
}

TEST(Manifest, says_where_it_went_wrong) {
  EXPECT_EQ(read("a: 1\na: 2"), "not YAML: line 2, column 1: key \"a\" stands twice");
  EXPECT_NE(read("a: [1, 2").find("line "), std::string::npos);
}

TEST(Manifest, refuses_what_nests_too_deeply) {
  EXPECT_NE(read((std::string(300, '[') + std::string(300, ']')).c_str()).find("too deeply"), std::string::npos);
}

TEST(Manifest, takes_a_stream_and_a_list_apart) {
  const auto all =
      parse_manifest("---\n# nothing\n---\nkind: A\n---\nkind: ServiceList\nitems: [{kind: B}, {kind: C}]\n");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[2].at("kind").as_string(), "C");
}

TEST(Manifest, what_it_writes_it_reads_back) {
  const boost::json::value v = {{"text", "10"},
                                {"n", 10},
                                {"list", {"a: b", "- x", "", "multi\nline", "yes"}},
                                {"none", nullptr},
                                {"map", {{"empty", boost::json::object{}}}}};
  EXPECT_EQ(parse_yaml(to_yaml(v)).value(), v);
}

}  // namespace
}  // namespace weft
