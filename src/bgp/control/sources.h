// Rows of BGP objects from the API server. A reflector's parser keeps the last good state of each object (Keeper).
#pragma once

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <string>

#include "bgp/control/kinds.h"
#include "bgp/control/parse.h"
#include "kube/reflector.h"

namespace weft::bgp::control {

/// A table of one kind and what fills it.
template <class Spec>
class ObjectSource {
 public:
  ObjectSource(kube::Client& client, const kube::Resource& resource, Parsed<Spec> (*parse)(const json::object&),
               kube::ReflectorOptions options = {})
      : table_(client.io(), resource.plural),
        keeper_(std::make_shared<Keeper<Spec>>(parse)),
        reflector_(
            client, resource, table_,
            [keeper = keeper_](const json::object& o) -> Result<std::optional<Object<Spec>>> { return (*keeper)(o); },
            std::move(options)) {}

  Task<> run() { return reflector_.run(); }
  Table<Object<Spec>>& table() { return table_; }
  std::vector<ObjectPtr<Spec>> all() const { return table_.all(); }
  ObjectMap<Spec> by_name() const {
    ObjectMap<Spec> out;
    for (auto& row : table_.all()) out.emplace(row->meta.name, row);
    return out;
  }

 private:
  Table<Object<Spec>> table_;
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
