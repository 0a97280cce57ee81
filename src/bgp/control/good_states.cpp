#include "bgp/control/good_states.h"

#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "kube/json.h"

namespace weft::bgp::control {

GoodStates::GoodStates(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  const auto text = read_file(path_);
  if (!text) return;
  boost::system::error_code ec;
  json::value all = json::parse(*text, ec);
  if (!ec && all.is_object()) {
    kinds_ = std::move(all.get_object());
  } else {
    log::warn("what BGP objects said last cannot be read and is forgotten", {{"file", path_}});
  }
}

void GoodStates::keep(const std::string& kind, const json::object& object) {
  const std::string name = kube::name_of(object).name;
  json::object kept{{"metadata", {{"name", name}, {"uid", kube::uid_of(object)}}},
                    {"spec", kube::object_at(object, "spec")}};
  json::value& of_kind = kinds_[kind];
  if (!of_kind.is_object()) of_kind = json::object();
  json::value& slot = of_kind.get_object()[name];
  if (slot == json::value(kept)) return;
  slot = std::move(kept);
  changed_ = true;
}

const json::object* GoodStates::find(const std::string& kind, std::string_view name, std::string_view uid) const {
  const json::object& of_kind = kube::object_at(kinds_, kind);
  const json::value* found = of_kind.if_contains(name);
  if (found == nullptr || !found->is_object() || kube::uid_of(found->get_object()) != uid) return nullptr;
  return &found->get_object();
}

void GoodStates::retain(const std::string& kind, const std::set<std::string>& names) {
  json::value* of_kind = kinds_.if_contains(kind);
  if (of_kind == nullptr || !of_kind->is_object()) return;
  std::vector<std::string> gone;
  for (const auto& [name, object] : of_kind->get_object())
    if (!names.contains(std::string(name))) gone.emplace_back(name);
  for (const auto& name : gone) of_kind->get_object().erase(name);
  changed_ = changed_ || !gone.empty();
}

Result<> GoodStates::save() {
  if (!changed_) return {};
  if (!path_.empty())
    if (auto r = write_file(path_, json::serialize(kinds_)); !r) return r;
  changed_ = false;
  return {};
}

}  // namespace weft::bgp::control
