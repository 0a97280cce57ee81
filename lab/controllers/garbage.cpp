#include "lab/controllers/garbage.h"

#include <algorithm>

namespace weft::lab {

bool Owned::has(std::string_view finalizer) const {
  return std::find(finalizers.begin(), finalizers.end(), finalizer) != finalizers.end();
}

Owned owned(const kube::Resource& resource, const json::object& object) {
  Owned out{resource, name_of(object), uid_of(object), text(object, "metadata/resourceVersion"), {},
            {},       deleting(object)};
  for (const auto& v : list(object, "metadata/ownerReferences")) {
    if (!v.is_object()) continue;
    const json::object& r = v.get_object();
    out.owners.push_back(
        {text(r, "apiVersion"), text(r, "kind"), text(r, "name"), text(r, "uid"), flag(r, "blockOwnerDeletion")});
  }
  for (const auto& v : list(object, "metadata/finalizers"))
    if (v.is_string()) out.finalizers.emplace_back(v.get_string());
  return out;
}

void OwnerGraph::put(Owned node) {
  drop(node.resource, node.name);
  names_[{node.resource.to_string(), node.name}] = node.uid;
  for (const auto& o : node.owners) dependents_[o.uid].insert(node.uid);
  nodes_[node.uid] = std::move(node);
}

void OwnerGraph::drop(const kube::Resource& resource, const ObjectName& name) {
  const auto it = names_.find({resource.to_string(), name});
  if (it == names_.end()) return;
  const auto node = nodes_.find(it->second);
  if (node != nodes_.end()) {
    for (const auto& o : node->second.owners) {
      const auto d = dependents_.find(o.uid);
      if (d == dependents_.end()) continue;
      d->second.erase(node->first);
      if (d->second.empty()) dependents_.erase(d);
    }
    nodes_.erase(node);
  }
  names_.erase(it);
}

const Owned* OwnerGraph::by_uid(const std::string& uid) const {
  const auto it = nodes_.find(uid);
  return it == nodes_.end() ? nullptr : &it->second;
}

const Owned* OwnerGraph::by_name(const kube::Resource& resource, const ObjectName& name) const {
  const auto it = names_.find({resource.to_string(), name});
  return it == names_.end() ? nullptr : by_uid(it->second);
}

std::vector<const Owned*> OwnerGraph::dependents(const std::string& uid) const {
  std::vector<const Owned*> out;
  const auto it = dependents_.find(uid);
  if (it == dependents_.end()) return out;
  for (const auto& d : it->second)
    if (const auto* node = by_uid(d)) out.push_back(node);
  return out;
}

std::vector<OwnerRef> unknown_owners(const OwnerGraph& graph, const Owned& node) {
  std::vector<OwnerRef> out;
  for (const auto& o : node.owners)
    if (!graph.by_uid(o.uid)) out.push_back(o);
  return out;
}

GarbageVerdict judge(const OwnerGraph& graph, const Owned& node, const std::set<std::string>& gone) {
  using Act = GarbageVerdict::Act;
  GarbageVerdict v;
  const auto dependents = graph.dependents(node.uid);
  if (node.deleting && node.has(kOrphanFinalizer)) {
    v.act = Act::orphan_dependents;
    for (const auto* d : dependents) v.uids.insert(d->uid);
    return v;
  }
  if (node.deleting && node.has(kForegroundFinalizer)) {
    for (const auto* d : dependents)
      for (const auto& o : d->owners)
        if (o.uid == node.uid && o.blocks) v.uids.insert(d->uid);
    v.act = v.uids.empty() ? Act::release : Act::look_at_dependents;
    return v;
  }
  if (node.deleting || node.owners.empty()) return v;
  bool solid = false, waited_for = false;
  for (const auto& o : node.owners) {
    const auto* owner = graph.by_uid(o.uid);
    if (!owner && gone.contains(o.uid)) {
      v.uids.insert(o.uid);
    } else if (owner && owner->deleting && owner->has(kForegroundFinalizer)) {
      waited_for = true;
      v.uids.insert(o.uid);
    } else {
      solid = true;
    }
  }
  if (v.uids.empty()) return v;
  if (solid) {
    v.act = Act::cut;
    return v;
  }
  v.act = Act::remove;
  v.uids.clear();
  v.propagation = node.has(kOrphanFinalizer)                                              ? "Orphan"
                  : node.has(kForegroundFinalizer) || (waited_for && !dependents.empty()) ? "Foreground"
                                                                                          : "Background";
  return v;
}

json::object cut_patch(const json::object& object, const std::set<std::string>& uids) {
  json::array kept;
  for (const auto& v : list(object, "metadata/ownerReferences"))
    if (v.is_object() && !uids.contains(text(v.get_object(), "uid"))) kept.push_back(v);
  json::object metadata{{"uid", uid_of(object)}, {"resourceVersion", text(object, "metadata/resourceVersion")}};
  metadata["ownerReferences"] = kept.empty() ? json::value(nullptr) : json::value(std::move(kept));
  json::object patch;
  patch["metadata"] = std::move(metadata);
  return patch;
}

json::object finalizer_patch(const Owned& node, std::string_view drop) {
  json::array kept;
  for (const auto& f : node.finalizers)
    if (f != drop) kept.push_back(json::string(f));
  json::object metadata{{"uid", node.uid}, {"resourceVersion", node.version}};
  metadata["finalizers"] = kept.empty() ? json::value(nullptr) : json::value(std::move(kept));
  json::object patch;
  patch["metadata"] = std::move(metadata);
  return patch;
}

}  // namespace weft::lab
