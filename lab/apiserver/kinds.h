// Kinds: what is served. Builtin ones come from types/*.types, others from CustomResourceDefinitions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lab/apiserver/schema.h"

namespace weft::lab::api {

/// A column of a server-side table.
struct Column {
  std::string name;
  std::string type = "string";
  std::string format;
  std::string description;
  int priority = 0;  // above 0: with -o wide only
  std::function<json::value(const json::value& object)> cell;
};

/// One version of one resource.
struct Kind {
  std::string group;
  std::string version;
  std::string kind;
  std::string list_kind;
  std::string plural;
  std::string singular;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool namespaced = true;
  std::set<std::string> subresources;  // status, scale, binding, eviction, token, finalize
  const Schema* schema = nullptr;
  std::string schema_name;  // in OpenAPI
  std::string description;
  std::vector<Column> columns;

  // Custom resources only.
  std::shared_ptr<const CrdSchema> custom;
  std::string storage_version;
  std::string deprecation;  // a warning for each request; empty: none
  std::string scale_spec_path, scale_status_path, scale_selector_path;

  bool is_custom() const { return custom != nullptr; }
  bool has(const std::string& subresource) const { return subresources.contains(subresource); }
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  /// "deployments.apps"
  std::string resource() const { return qualified(group, plural); }
  bool is(std::string_view g, std::string_view p) const { return group == g && plural == p; }
};
using KindPtr = std::shared_ptr<const Kind>;

class Kinds {
 public:
  /// With the builtin kinds.
  Kinds();

  KindPtr find(const std::string& group, const std::string& version, const std::string& plural) const;
  /// The version that is stored; nullptr if there is no such resource.
  KindPtr stored(const std::string& group, const std::string& plural) const;
  KindPtr by_kind(const std::string& group, const std::string& version, const std::string& kind) const;
  /// All kinds, by group, version (newest first) and plural.
  std::vector<KindPtr> all() const;
  std::vector<KindPtr> of(const std::string& group, const std::string& version) const;
  bool has_group_version(const std::string& group, const std::string& version) const;
  /// Versions of a group in the order of preference.
  std::vector<std::string> versions(const std::string& group) const;
  /// Groups but the core one; builtin ones first.
  std::vector<std::string> groups() const;

  /// Replaces the versions of one custom resource.
  void set_custom(const std::string& group, const std::string& plural, std::vector<KindPtr> versions);
  void remove_custom(const std::string& group, const std::string& plural);
  /// Grows with every change.
  std::uint64_t generation() const { return generation_; }

 private:
  std::vector<KindPtr> kinds_;
  std::uint64_t generation_ = 0;
};

/// Named builtin types by their full names.
const std::map<std::string, Schema>& builtin_types();
const Schema* builtin_type(const std::string& name);
/// Printer columns of a builtin kind; Name and Age for those without their own (columns.cpp).
std::vector<Column> builtin_columns(const std::string& group, const std::string& kind);
/// v1 before v1beta2 before v1beta1 before v1alpha1, higher numbers first.
bool version_before(const std::string& a, const std::string& b);

}  // namespace weft::lab::api
