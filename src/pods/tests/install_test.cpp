#include "pods/install.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace weft::pods {
namespace {

namespace fs = std::filesystem;

TEST(CniInstall, puts_plugin_and_configuration_in_place_and_again_changes_nothing) {
  char name[] = "/tmp/weft-install-XXXXXX";
  const std::string dir = ::mkdtemp(name);
  std::ofstream(dir + "/weft-cni") << "program";
  CniInstall i{.plugin = dir + "/weft-cni", .bin_dir = dir + "/opt/cni/bin", .conf_dir = dir + "/etc/cni/net.d"};
  ASSERT_TRUE(install_cni(i));
  EXPECT_EQ(*read_file(i.bin_dir + "/weft-cni"), "program");
  const std::string conf = i.conf_dir + "/05-weft.conflist";
  EXPECT_EQ(
      *read_file(conf),
      R"({"cniVersion":"1.0.0","name":"weft","plugins":[{"type":"weft-cni","socketPath":"/var/run/weft/weft.sock","stateDir":"/var/run/weft/state"}]})"
      "\n");
  struct stat before{}, after{};
  ASSERT_EQ(::stat((i.bin_dir + "/weft-cni").c_str(), &before), 0);
  EXPECT_EQ(before.st_mode & 0777, 0755u);
  ASSERT_TRUE(install_cni(i));
  ASSERT_EQ(::stat((i.bin_dir + "/weft-cni").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  std::ofstream(i.bin_dir + "/portmap") << "x";
  ASSERT_TRUE(install_cni(i));
  EXPECT_NE(read_file(conf)->find("portmap"), std::string::npos);
  i.plugin = dir + "/none";
  EXPECT_FALSE(install_cni(i));
  fs::remove_all(dir);
}

}  // namespace
}  // namespace weft::pods
