#include "pods/install.h"

#include <boost/json.hpp>

#include <filesystem>

#include "base/file.h"

namespace weft::pods {

namespace json = boost::json;
namespace fs = std::filesystem;

std::string conflist(const CniInstall& i, bool with_portmap) {
  json::array plugins{json::object{{"type", "weft-cni"}, {"socketPath", i.socket_path}, {"stateDir", i.state_dir}}};
  if (with_portmap) plugins.push_back(json::object{{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}});
  return json::serialize(json::object{{"cniVersion", "1.0.0"}, {"name", "weft"}, {"plugins", std::move(plugins)}}) +
         "\n";
}

Result<> install_cni(const CniInstall& i) {
  std::error_code ec;
  for (const auto& dir : {i.bin_dir, i.conf_dir}) {
    fs::create_directories(dir, ec);
    if (ec)
      return fail(Errc::internal,
                  "directory " + dir + ": " + ec.message() + "; mount the node's directory there, writable");
  }
  const auto put = [](const std::string& path, const std::string& content, unsigned mode) -> Result<> {
    if (const auto there = read_file(path); there && *there == content) return {};
    return write_file(path, content, mode);
  };
  if (!i.plugin.empty()) {
    auto program = read_file(i.plugin);
    if (!program) return fail(program.error().in("CNI plugin"));
    WEFT_TRY(put(i.bin_dir + "/weft-cni", *program, 0755));
  }
  return put(i.conf_dir + "/" + i.conf_name, conflist(i, fs::exists(i.bin_dir + "/portmap", ec)), 0644);
}

}  // namespace weft::pods
