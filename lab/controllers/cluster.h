// Cluster: what the controllers know of the cluster and how they change it. One informer a kind, shared by all
// controllers; each write waits until the informer shows it, so that no decision is taken on a picture from before
// one's own last step.
#pragma once

#include <functional>
#include <list>

#include "async/scope.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "lab/controllers/object.h"

namespace weft::lab {

struct Informer {
  Informer(kube::Client& client, const kube::Resource& resource, kube::ReflectorOptions options);
  kube::Resource resource;
  Table<Object> objects;
  kube::Reflector<Object> reflector;

  ObjectPtr get(const ObjectName& name) const { return objects.get(name); }
  /// Everything of a namespace, in order of names; of all namespaces when empty.
  std::vector<ObjectPtr> in(const std::string& ns) const;
};

class Cluster {
 public:
  explicit Cluster(kube::Client& client) : client_(client) {}

  kube::Client& client() { return client_; }
  asio::io_context& io() { return client_.io(); }
  /// The informer of a kind, made on first use. Before start().
  Informer& informer(const kube::Resource& resource, kube::ReflectorOptions options = {});
  /// Starts every informer made so far and returns when all have their first list. Later ones start with add().
  Task<> start(Scope& scope);
  Informer& add(Scope& scope, const kube::Resource& resource);
  std::list<Informer>& informers() { return informers_; }

  /// The namespace is on its way out: the server takes nothing new into it.
  bool ending(const std::string& ns);

  /// Called with what a name was before and is now (null: absent). Runs until cancelled.
  using Seen = std::function<void(const ObjectName&, const ObjectPtr& before, const ObjectPtr& now)>;
  void on_change(Scope& scope, Informer& informer, Seen seen);

  // ---- writes; each returns when the informer of the kind, if there is one, has it
  Task<Result<json::object>> create(const kube::Resource& resource, json::object object);
  Task<Result<json::object>> patch(const kube::Resource& resource, ObjectName name, json::value merge_patch,
                                   std::string subresource = {});
  Task<Result<json::object>> update(const kube::Resource& resource, json::object object);
  /// Absent already is success. Does not wait: see `removed`.
  Task<Result<>> remove(const kube::Resource& resource, ObjectName name, kube::DeleteOptions options);
  /// Deletes exactly this object, and waits until the informer shows it as going or gone.
  Task<Result<>> remove(const kube::Resource& resource, ObjectPtr object);

  /// Tells people what happened to an object (kubectl describe, kubectl get events). Failure to tell is no failure.
  Task<> event(const kube::Resource& about, ObjectPtr object, std::string type, std::string reason,
               std::string message);

 private:
  Informer* known(const kube::Resource& resource);
  Task<> seen_by(const kube::Resource& resource, std::uint64_t version);

  kube::Client& client_;
  std::list<Informer> informers_;
};

}  // namespace weft::lab
