// The container runtime's side of CNI 1.0.0: network configuration lists and the plugins they name.
// Source: containernetworking/cni SPEC.md, version 1.0.0.
#pragma once

#include <string>
#include <vector>

#include "async/task.h"
#include "lab/node/json.h"

namespace weft::lab {

/// A network configuration list. A single plugin's .conf is a list of one.
struct CniNetwork {
  std::string name;
  std::string version = "1.0.0";
  std::vector<json::object> plugins;
};
Result<CniNetwork> parse_cni(const std::string& text, const std::string& file);
/// The first *.conflist, *.conf or *.json of a folder in name order, as every runtime takes it. Errc::not_found: none.
Result<CniNetwork> load_cni(const std::string& folder = "/etc/cni/net.d");

struct CniAttachment {
  std::string container_id;  // of the pod's sandbox
  std::string netns;         // path
  std::string interface = "eth0";
  std::string pod_ns, pod_name, pod_uid;
};

/// Standard input of one plugin. Pure.
std::string plugin_input(const CniNetwork& network, std::size_t plugin, const json::object* previous);
/// ips[].address without the prefix length.
std::vector<std::string> result_addresses(const json::object& result);

struct Cni {
  std::string path = "/opt/cni/bin";  // where plugins are, ':' between several
  std::string log_dir;

  /// Runs ADD of every plugin; the last one's result. When one fails, DEL of all before the error is returned.
  Task<Result<json::object>> add(CniNetwork network, CniAttachment attachment);
  /// Runs DEL of every plugin, last first. `result` is the one of add, if there was one.
  Task<Result<>> remove(CniNetwork network, CniAttachment attachment, json::object result);

 private:
  Task<Result<json::object>> call(const CniNetwork& network, std::size_t plugin, std::string command,
                                  const CniAttachment& attachment, const json::object* previous);
};

}  // namespace weft::lab
