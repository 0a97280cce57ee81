// Putting the CNI plugin where the container runtime looks for it.
#pragma once

#include <string>

#include "base/result.h"

namespace weft::pods {

struct CniInstall {
  std::string plugin;  // the weft-cni to copy; empty: only the configuration is written
  std::string bin_dir = "/opt/cni/bin";
  std::string conf_dir = "/etc/cni/net.d";
  std::string conf_name = "05-weft.conflist";
  std::string socket_path = "/var/run/weft/weft.sock";
  std::string state_dir = "/var/run/weft/state";
};

/// The network configuration list, CNI 1.0.0, with portmap behind us when the runtime offers it (hostPort).
std::string conflist(const CniInstall&, bool with_portmap);

/// Copies the plugin (a running one is replaced, not written into) and then writes the configuration, which tells the
/// kubelet that the network is ready: call it when the agent serves. Files that are right already are not touched.
Result<> install_cni(const CniInstall&);

}  // namespace weft::pods
