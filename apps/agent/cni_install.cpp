#include "apps/agent/cni_install.h"

#include <filesystem>
#include <system_error>

#include "base/file.h"

namespace weft::agent {
namespace {

Result<> replace_if_different(const std::string& dir, const std::string& name, const std::string& content, unsigned mode) {
  std::error_code ec;
  std::filesystem::create_directories(dir, ec);
  if (ec) return fail(errno_error(dir, ec.value()));
  const std::string path = dir + "/" + name;
  if (const auto present = read_file(path); present && *present == content) return {};
  return write_file(path, content, mode);
}

}  // namespace

std::string cni_conflist(const std::string& socket_path, const std::string& state_dir) {
  return R"({
  "cniVersion": "1.0.0",
  "name": "weft",
  "plugins": [
    {"type": "weft-cni", "socketPath": ")" + socket_path + R"(", "stateDir": ")" + state_dir + R"("}
  ]
}
)";
}

Result<> install_cni_binary(const std::string& binary, const std::string& bin_dir) {
  auto content = read_file(binary);
  if (!content) return fail(content.error().in("install the CNI plugin"));
  return replace_if_different(bin_dir, kCniPlugin, *content, 0755);
}

Result<> write_cni_conf(const std::string& conf_dir, const std::string& content) {
  return replace_if_different(conf_dir, kCniConfFile, content, 0600);
}

std::string cni_binary_beside_us() {
  std::error_code ec;
  return std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / kCniPlugin;
}

}  // namespace weft::agent
