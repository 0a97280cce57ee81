// Rows of BGP objects from the API server. A reflector's parser keeps the last good state of each object (Keeper).
#pragma once

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "bgp/control/kinds.h"
#include "bgp/control/parse.h"
#include "kube/reflector.h"

namespace weft::bgp::control {

/// A table of one kind and what fills it.
template <class Spec>
class ObjectSource {
 public:
  /// `states`, when given, outlives the source: see Keeper.
  ObjectSource(kube::Client& client, const kube::Resource& resource, Parsed<Spec> (*parse)(const json::object&),
               GoodStates* states = nullptr, kube::ReflectorOptions options = {})
      : table_(client.io(), resource.plural),
        kind_(resource.kind),
        keeper_(std::make_shared<Keeper<Spec>>(parse, kind_, states)),
        reflector_(
            client, resource, table_,
            [keeper = keeper_](const json::object& o) -> Result<std::optional<Object<Spec>>> { return (*keeper)(o); },
            std::move(options)) {}

  Task<> run() { return reflector_.run(); }
  Table<Object<Spec>>& table() { return table_; }
  std::vector<ObjectPtr<Spec>> all() const { return table_.all(); }
  /// What was kept of objects that are gone is forgotten; before the first list nobody knows which those are.
  void forget_gone(GoodStates& states) const {
    if (!table_.initialized()) return;
    std::set<std::string> names;
    table_.for_each([&](const Object<Spec>& o) { names.insert(o.meta.name); });
    states.retain(kind_, names);
  }
  ObjectMap<Spec> by_name() const {
    ObjectMap<Spec> out;
    for (auto& row : table_.all()) out.emplace(row->meta.name, row);
    return out;
  }

 private:
  Table<Object<Spec>> table_;
  std::string kind_;
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
  Key key() const { return name; }
  bool operator==(const NodeRow&) const = default;
};
Result<std::optional<NodeRow>> parse_node_row(const json::object& node);

}  // namespace weft::bgp::control
