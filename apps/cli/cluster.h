// Cluster: one Kubernetes cluster as the CLI reads it. Blocking: a command asks, waits, and goes on.
#pragma once

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/access.h"
#include "apps/cli/helm.h"
#include "apps/cli/mesh_report.h"
#include "kube/client.h"

namespace weft::cli {

class Cluster {
 public:
  /// Reads the kubeconfig; does not connect yet.
  static Result<Cluster> open(const Target& target);
  /// Through a client made elsewhere (tests). `io` is the client's.
  Cluster(Target target, std::shared_ptr<asio::io_context> io, std::shared_ptr<kube::Client> client);

  const Target& target() const { return target_; }
  /// The context's name, also when none was given; what messages call this cluster.
  const std::string& name() const { return name_; }
  const kube::Config& config() const { return client_->config(); }

  /// No value: there is no such object, or the server does not know the kind.
  Result<std::optional<json::object>> find(const kube::Resource&, const std::string& ns, const std::string& name);
  Result<std::vector<json::object>> list(const kube::Resource&, const std::string& ns = {},
                                         const std::string& label_selector = {});
  Result<> remove(const kube::Resource&, const std::string& ns, const std::string& name);
  /// Creates it, or merges `object` into the one that is there.
  Result<> apply(const kube::Resource&, const json::object& object);
  /// The server's version, "v1.32.1": whether it answers at all.
  Result<std::string> version();

  Result<ClusterObjects> objects();
  Result<MeshInput> mesh_input();
  /// Where the agents say how they stand with other clusters; `config` is the ConfigMap weft-config, if there is one.
  std::string mesh_status_namespace(const std::optional<json::object>& config) const;

 private:
  template <class T>
  Result<T> wait(Task<Result<T>> task);

  Target target_;
  std::string name_;
  std::shared_ptr<asio::io_context> io_;
  std::shared_ptr<kube::Client> client_;
};

/// Gives `to` the certificate authority of `from`, as the Secret `secret` (its tls.secretName), so that the two can be
/// meshed. Makes the namespace of `to` when there is none yet. Errc::exists when `to` has another authority already.
Result<> inherit_ca(Cluster& from, Cluster& to, const std::string& secret = "cilium-ca");

}  // namespace weft::cli
