// Rows of BGP objects from the API server. A reflector's parser keeps the last good state of each object (Keeper).
#pragma once

#include <boost/json.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "bgp/control/kinds.h"
#include "bgp/control/parse.h"
#include "kube/reflector.h"

namespace weft::bgp::control {

/// A CRD that is about to be installed, and an API server that has just started, answer 404 too.
inline constexpr std::chrono::milliseconds kKindPatience{10'000};

/// Adds the kind when it was never listed, and every list for `patience` by now was answered by 404. One that was
/// absent `before` stays so until it is listed: a server that is away says nothing about its kinds.
template <class Row>
void note_absent(const Table<Row>& table, const kube::ReflectorHealth& health, const kube::Resource& resource,
                 std::chrono::milliseconds patience, const AbsentKinds& before, AbsentKinds& out) {
  if (table.initialized()) return;
  const bool missing = health.missing_since && Steady::now() - *health.missing_since >= patience;
  if (missing || before.contains(resource.to_string())) out.emplace(resource.to_string(), resource.version);
}

/// A table of one kind and what fills it.
template <class Spec>
class ObjectSource {
 public:
  /// `states`, when given, outlives the source: see Keeper.
  ObjectSource(kube::Client& client, const kube::Resource& resource, Parsed<Spec> (*parse)(const json::object&),
               GoodStates* states = nullptr, kube::ReflectorOptions options = {})
      : table_(client.io(), resource.plural),
        resource_(resource),
        keeper_(std::make_shared<Keeper<Spec>>(parse, resource.kind, states)),
        reflector_(
            client, resource, table_,
            [keeper = keeper_](const json::object& o) -> Result<std::optional<Object<Spec>>> { return (*keeper)(o); },
            std::move(options)) {}

  Task<> run() { return reflector_.run(); }
  Table<Object<Spec>>& table() { return table_; }
  void note_absent(std::chrono::milliseconds patience, const AbsentKinds& before, AbsentKinds& out) const {
    control::note_absent(table_, reflector_.health(), resource_, patience, before, out);
  }
  bool known(const AbsentKinds& absent) const { return table_.initialized() || absent.contains(resource_.to_string()); }
  std::vector<ObjectPtr<Spec>> all() const { return table_.all(); }
  /// What was kept of objects that are gone is forgotten; before the first list nobody knows which those are.
  void forget_gone(GoodStates& states) const {
    if (!table_.initialized()) return;
    std::set<std::string> names;
    table_.for_each([&](const Object<Spec>& o) { names.insert(o.meta.name); });
    states.retain(resource_.kind, names);
  }
  ObjectMap<Spec> by_name() const {
    ObjectMap<Spec> out;
    for (auto& row : table_.all()) out.emplace(row->meta.name, row);
    return out;
  }

 private:
  Table<Object<Spec>> table_;
  kube::Resource resource_;
  std::shared_ptr<Keeper<Spec>> keeper_;
  kube::Reflector<Object<Spec>> reflector_;
};

/// A Secret with a key `password`. Others have no row: what is in them stays out of our memory.
struct Password {
  using Key = std::string;
  std::string name;
  std::string value;
  Key key() const { return name; }
  bool operator==(const Password&) const = default;
};
Result<std::optional<Password>> parse_password(const json::object& secret);

/// What of a Node concerns the plan.
struct NodeRow {
  using Key = std::string;
  std::string name;
  Labels labels;
  Labels annotations;  // of virtual routers
  Key key() const { return name; }
  bool operator==(const NodeRow&) const = default;
};
Result<std::optional<NodeRow>> parse_node_row(const json::object& node);

}  // namespace weft::bgp::control
