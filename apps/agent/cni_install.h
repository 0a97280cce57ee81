// Installs the CNI plugin where the container runtime looks for it: the binary first, the configuration last, so that
// the runtime never finds a network whose plugin is not there.
#pragma once

#include <string>

#include "base/result.h"

namespace weft::agent {

inline constexpr const char* kCniPlugin = "weft-cni";
inline constexpr const char* kCniConfFile = "05-weft.conflist";

/// The CNI network configuration list (CNI 1.0.0) that calls our plugin.
std::string cni_conflist(const std::string& socket_path, const std::string& state_dir);

/// Copies `binary` to `bin_dir`/weft-cni unless the same bytes are there already.
Result<> install_cni_binary(const std::string& binary, const std::string& bin_dir);
/// Writes `conf_dir`/05-weft.conflist unless it is right already.
Result<> write_cni_conf(const std::string& conf_dir, const std::string& content);
/// The path of the program weft-cni beside the running executable.
std::string cni_binary_beside_us();

}  // namespace weft::agent
