// ConfigMaps and Secrets that pods of this node use: each is watched by its name while somebody holds it, as the
// Node authorizer allows, so that mounted files follow the object within moments.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "async/scope.h"
#include "kube/reflector.h"
#include "lab/node/environment.h"
#include "state/table.h"

namespace weft::lab {

struct ObjectRow {
  using Key = ObjectName;
  ObjectName name;
  std::string resource_version;
  json::object object;
  Key key() const { return name; }
  bool operator==(const ObjectRow& o) const { return name == o.name && resource_version == o.resource_version; }
};

class WatchedObject {
 public:
  WatchedObject(kube::Client& client, bool secret, ObjectName name);

  /// True once it is known whether the object exists.
  bool known() const { return table_.initialized(); }
  /// Decoded data (binaryData and Secrets too); nothing: it does not exist.
  std::optional<std::map<std::string, std::string>> data() const;
  Notifier& changed() { return table_.notifier(); }
  /// Waits until known(), for at most `limit`.
  Task<bool> wait_known(std::chrono::milliseconds limit);

 private:
  friend class Objects;
  bool secret_;
  ObjectName name_;
  Table<ObjectRow> table_;
  kube::Reflector<ObjectRow> reflector_;
  Scope scope_;
};

class Objects {
 public:
  Objects(kube::Client& client, Scope& scope) : client_(client), scope_(scope) {}
  std::shared_ptr<WatchedObject> watch(bool secret, const ObjectName& name);

 private:
  kube::Client& client_;
  Scope& scope_;
  std::map<std::pair<bool, ObjectName>, std::weak_ptr<WatchedObject>> watched_;
};

}  // namespace weft::lab
