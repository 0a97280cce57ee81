#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <filesystem>

#include "base/file.h"
#include "mesh/config_files.h"

namespace weft::mesh {
namespace {

TEST(RemoteConfigFile, is_etcds_client_yaml) {
  const auto o = parse_remote_config("west", R"(endpoints:
- https://west.mesh.cilium.io:2379
trusted-ca-file: /var/lib/cilium/clustermesh/common-etcd-client-ca.crt
key-file: /var/lib/cilium/clustermesh/common-etcd-client.key
cert-file: /var/lib/cilium/clustermesh/common-etcd-client.crt
dial-timeout: 2000000000
)");
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_EQ(o->endpoints, std::vector<std::string>{"https://west.mesh.cilium.io:2379"});
  EXPECT_EQ(o->tls.ca, "/var/lib/cilium/clustermesh/common-etcd-client-ca.crt");
  EXPECT_EQ(o->tls.key, "/var/lib/cilium/clustermesh/common-etcd-client.key");
  EXPECT_EQ(o->tls.cert, "/var/lib/cilium/clustermesh/common-etcd-client.crt");
}

TEST(RemoteConfigFile, errors_name_the_file_and_the_key) {
  for (const char* text : {"endpoints: x", "endpoints: []", "endpoints: [1]", "[]", "endpoints: [",
                           "endpoints: [https://a]\nkey-file: [1]"}) {
    const auto o = parse_remote_config("/dir/west", text);
    ASSERT_FALSE(o) << text;
    EXPECT_THAT(o.error().message, ::testing::HasSubstr("/dir/west"));
  }
}

class RemoteFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = (std::filesystem::temp_directory_path() / "weft-remotes-XXXXXX").string();
    ASSERT_NE(::mkdtemp(dir_.data()), nullptr);
    write("west", "endpoints:\n- https://west:2379\n");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& name, const std::string& text) { ASSERT_TRUE(write_file(dir_ + "/" + name, text)); }
  std::string dir_;
};

TEST_F(RemoteFilesTest, absent_from_a_whole_listing_is_gone) {
  const auto files = read_remote_files(dir_);
  EXPECT_TRUE(files.files.contains("west"));
  EXPECT_EQ(files.doubt("west"), "");
  EXPECT_EQ(files.doubt("east"), "");
  EXPECT_EQ(files.incomplete, "");
  std::filesystem::remove(dir_ + "/west");
  std::filesystem::create_symlink("nowhere", dir_ + "/south");
  const auto now = read_remote_files(dir_);
  EXPECT_FALSE(now.files.contains("west"));
  EXPECT_EQ(now.doubt("west"), "");
  EXPECT_EQ(now.doubt("south"), "") << "a link to nothing is no file";
  EXPECT_EQ(read_remote_files(dir_ + "/none").doubt("west"), "");
}

TEST_F(RemoteFilesTest, what_is_there_and_cannot_be_read_is_not_gone) {
  std::filesystem::create_symlink("east", dir_ + "/east");  // ELOOP, for root too
  write("south", "");                                       // being written
  write("north", "endpoints:\n- https://north:2379\ntrusted-ca-file: " + dir_ + "/east\n");
  const auto files = read_remote_files(dir_);
  EXPECT_TRUE(files.files.contains("west"));
  for (const char* name : {"east", "south", "north"}) {
    EXPECT_FALSE(files.files.contains(name)) << name;
    EXPECT_THAT(files.doubt(name), ::testing::HasSubstr(dir_)) << name;
  }
}

TEST_F(RemoteFilesTest, a_directory_that_cannot_be_listed_says_nothing_about_any_file) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto files = read_remote_files(dir_);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(files.files.contains("west"));
  EXPECT_THAT(files.doubt("west"), ::testing::HasSubstr("open files"));
}

}  // namespace
}  // namespace weft::mesh
