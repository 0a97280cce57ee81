// A pod as the node reads it out of the API object.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lab/node/json.h"
#include "model/names.h"

namespace weft::lab {

struct EnvVar {
  enum class Source { literal, field, config_map, secret, resource };
  std::string name;
  Source source = Source::literal;
  std::string value;  // literal: the text; field: the path; others: the key
  std::string ref;    // name of the ConfigMap or Secret
  bool optional = false;
};

struct EnvFrom {
  std::string prefix;
  bool secret = false;
  std::string ref;
  bool optional = false;
};

struct VolumeMount {
  std::string volume;
  std::string path;
  std::string sub_path;  // after expansion of subPathExpr's variables, if `expand`
  bool expand = false;
  bool read_only = false;
};

/// What a probe or a lifecycle hook does.
struct Handler {
  enum class Kind { exec, http, tcp, grpc, sleep };
  Kind kind = Kind::exec;
  std::vector<std::string> command;
  std::string host, path = "/", scheme = "HTTP";
  std::string port;  // a number, or the name of a container port
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::seconds sleep{0};
};

struct ProbeSpec {
  Handler handler;
  std::chrono::seconds initial_delay{0};
  std::chrono::seconds period{10};
  std::chrono::seconds timeout{1};
  unsigned success_threshold = 1;
  unsigned failure_threshold = 3;
};

struct ContainerSpec {
  std::string name;
  std::string image;
  std::vector<std::string> command, args;
  std::string working_dir;
  std::vector<EnvVar> env;
  std::vector<EnvFrom> env_from;
  std::vector<VolumeMount> mounts;
  std::optional<ProbeSpec> readiness, liveness, startup;
  std::optional<Handler> post_start, pre_stop;
  std::map<std::string, unsigned> ports;
  bool sidecar = false;  // an init container with restartPolicy Always
  bool privileged = false;
};

enum class RestartPolicy { always, on_failure, never };

struct Pod {
  ObjectName name;
  std::string uid;
  std::string resource_version;
  bool deleting = false;           // metadata.deletionTimestamp
  std::chrono::seconds grace{30};  // deletionGracePeriodSeconds while deleting, else the pod's own
  std::string phase;               // status.phase as the API has it
  RestartPolicy restart = RestartPolicy::always;
  bool host_network = false;
  std::string hostname, subdomain;
  std::string service_account = "default";
  std::string dns_policy = "ClusterFirst";
  std::vector<ContainerSpec> init_containers, containers;
  json::array volumes;
  json::object object;  // all of it

  using Key = ObjectName;
  Key key() const { return name; }
  bool operator==(const Pod& o) const { return uid == o.uid && resource_version == o.resource_version; }
};

/// The error names the pod and the field.
Result<Pod> parse_pod(const json::object& object);

/// The number of a port given as number or name of one of the container's ports.
Result<unsigned> resolve_port(const ContainerSpec& container, const std::string& port);

/// What to run: `command` and `args`, or for a container without command the one that `images` has for its image.
/// The error is what the user reads in the container's status.
Result<std::vector<std::string>> argv_of(const ContainerSpec& container,
                                         const std::map<std::string, std::vector<std::string>>& images);

}  // namespace weft::lab
