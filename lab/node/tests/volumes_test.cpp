#include "lab/node/volumes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <boost/json/parse.hpp>

#include <filesystem>

#include "base/file.h"
#include "lab/node/cni.h"
#include "lab/node/node.h"

namespace weft::lab {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

Pod some_pod() {
  auto p =
      parse_pod(json::parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u","labels":{"a":"b"}}})").as_object());
  return p.value_or(Pod{});
}

VolumeInputs inputs() {
  VolumeInputs in;
  in.refs = [](bool secret, const std::string& name) -> std::optional<std::map<std::string, std::string>> {
    if (secret && name == "tls") return std::map<std::string, std::string>{{"tls.crt", "C"}, {"tls.key", "K"}};
    if (!secret && name == "cm") return std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}};
    return std::nullopt;
  };
  in.token = [](const std::string& audience, std::int64_t) -> Result<std::string> { return "token for " + audience; };
  return in;
}

Result<VolumeFiles> files(const char* volume) {
  return volume_files(some_pod(), json::parse(volume).as_object(), inputs());
}

TEST(Volumes, all_keys_or_those_named) {
  const auto all = files(R"({"name":"v","configMap":{"name":"cm"}})");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), 2u);
  const auto some = files(
      R"({"name":"v","secret":{"secretName":"tls","defaultMode":256,"items":[{"key":"tls.key","path":"sub/key","mode":384}]}})");
  ASSERT_TRUE(some) << some.error().message;
  EXPECT_EQ(*some, (VolumeFiles{{"sub/key", {"K", 0600}}}));
}

TEST(Volumes, what_is_missing_is_an_error_unless_optional) {
  const auto missing = files(R"({"name":"v","secret":{"secretName":"nope"}})");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "volume \"v\": secret \"nope\" not found");
  const auto optional = files(R"({"name":"v","secret":{"secretName":"nope","optional":true}})");
  ASSERT_TRUE(optional);
  EXPECT_TRUE(optional->empty());
  EXPECT_FALSE(files(R"({"name":"v","configMap":{"name":"cm","items":[{"key":"z","path":"z"}]}})"));
  EXPECT_FALSE(files(R"({"name":"v","configMap":{"name":"cm","items":[{"key":"a","path":"../z"}]}})"));
}

TEST(Volumes, projected_joins_its_sources) {
  const auto f = files(R"({"name":"v","projected":{"sources":[
    {"serviceAccountToken":{"path":"token","audience":"x"}},
    {"configMap":{"name":"cm","items":[{"key":"a","path":"ca.crt"}]}},
    {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}})");
  ASSERT_TRUE(f) << f.error().message;
  EXPECT_EQ(f->at("token").content, "token for x");
  EXPECT_EQ(f->at("ca.crt").content, "1");
  EXPECT_EQ(f->at("namespace").content, "n");
}

struct Folder {
  std::string path = fs::temp_directory_path() / ("weft-volume-" + std::to_string(::getpid()));
  ~Folder() { fs::remove_all(path); }
};

TEST(Volumes, an_update_replaces_all_files_behind_one_link) {
  const Folder folder;
  ASSERT_TRUE(write_volume(folder.path, {{"a", {"1", 0644}}, {"d/b", {"2", 0600}}}));
  EXPECT_EQ(read_file(folder.path + "/a").value(), "1");
  EXPECT_EQ(read_file(folder.path + "/d/b").value(), "2");
  const auto first = fs::read_symlink(folder.path + "/..data");
  ASSERT_TRUE(write_volume(folder.path, {{"a", {"3", 0644}}}));
  EXPECT_EQ(read_file(folder.path + "/a").value(), "3");
  EXPECT_FALSE(fs::exists(folder.path + "/d"));
  EXPECT_FALSE(fs::exists(folder.path + "/" + first.string())) << "the old set is gone";
}

TEST(Cni, a_list_or_a_single_plugin_is_a_network) {
  const auto list_form =
      parse_cni(R"({"cniVersion":"1.0.0","name":"weft","plugins":[{"type":"weft-cni"},{"type":"portmap"}]})", "f");
  ASSERT_TRUE(list_form);
  EXPECT_EQ(list_form->plugins.size(), 2u);
  const auto single = parse_cni(R"({"cniVersion":"0.4.0","name":"x","type":"bridge"})", "f");
  ASSERT_TRUE(single);
  EXPECT_EQ(single->version, "0.4.0");
  for (const char* bad : {"", "{", "[]", R"({"name":"x"})", R"({"name":"x","plugins":[]})",
                          R"({"plugins":[{"type":"a"}]})", R"({"name":"x","plugins":[{"type":"../sh"}]})"})
    EXPECT_FALSE(parse_cni(bad, "f")) << bad;
}

TEST(Cni, a_plugin_gets_name_version_and_the_result_before_it) {
  const auto n = parse_cni(R"({"cniVersion":"1.0.0","name":"weft","plugins":[{"type":"a","x":1},{"type":"b"}]})", "f");
  ASSERT_TRUE(n);
  const json::object previous = {{"ips", json::array{json::object{{"address", "10.1.0.5/32"}}}}};
  EXPECT_THAT(plugin_input(*n, 0, nullptr), testing::AllOf(HasSubstr(R"("x":1)"), HasSubstr(R"("name":"weft")"),
                                                           testing::Not(HasSubstr("prevResult"))));
  EXPECT_THAT(plugin_input(*n, 1, &previous), HasSubstr(R"("prevResult":{"ips")"));
  EXPECT_THAT(result_addresses(previous), testing::ElementsAre("10.1.0.5"));
}

TEST(Node, is_ready_exactly_when_a_network_is_configured) {
  const auto ready = [](const json::array& conditions) {
    for (const auto& c : conditions)
      if (c.at("type").as_string() == "Ready")
        return std::string(c.at("status").as_string()) + " " + std::string(c.at("message").as_string());
    return std::string();
  };
  EXPECT_THAT(ready(node_conditions(fail(Errc::not_found, "none in /etc/cni/net.d"), {}, Wall::now())),
              HasSubstr("none in /etc/cni/net.d"));
  const json::object current =
      json::parse(R"({"status":{"conditions":[{"type":"NetworkUnavailable","status":"False"}]}})").as_object();
  const auto conditions = node_conditions(CniNetwork{"weft", "1.0.0", {}}, current, Wall::now());
  EXPECT_THAT(ready(conditions), testing::StartsWith("True"));
  EXPECT_EQ(conditions.back().at("type").as_string(), "NetworkUnavailable") << "conditions of others stay";
}

TEST(Node, registers_with_every_address_and_its_pod_cidrs) {
  const json::object node =
      node_object({"n1", {"172.18.1.11", "fd00::11"}, {"10.1.0.0/24", "fd00:1::/64"}, {{"zone", "a"}}});
  EXPECT_EQ(str(node, "/spec/podCIDR"), "10.1.0.0/24");
  EXPECT_EQ(str(node, "/metadata/labels/zone"), "a");
  std::vector<std::string> addresses;
  for (const auto& a : list(node, "/status/addresses"))
    addresses.push_back(str(a.as_object(), "/type") + " " + str(a.as_object(), "/address"));
  EXPECT_THAT(addresses, testing::ElementsAre("InternalIP 172.18.1.11", "InternalIP fd00::11", "Hostname n1"));
}

}  // namespace
}  // namespace weft::lab
