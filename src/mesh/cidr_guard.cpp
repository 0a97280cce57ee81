#include "mesh/cidr_guard.h"

namespace weft::mesh {
namespace {

std::vector<PodCidr> cidrs_of(const Node& node) {
  std::vector<PodCidr> out;
  for (const auto& p : node.pod_cidrs) out.push_back({node.cluster, node.name, p});
  return out;
}

}  // namespace

Result<> CidrGuard::check(const std::vector<PodCidr>& theirs) const {
  return check_pod_cidrs(theirs, tables_.pod_cidrs->index());
}

Result<Node> CidrGuard::take(const RemoteIdentity& from, const std::string& key, const std::string& value) {
  auto node = import_node(from, key, value);
  if (!node) {
    forget(key);
    return node;
  }
  if (auto r = admit(*node, value); !r) return std::unexpected(r.error());
  return node;
}

Result<> CidrGuard::admit(const Node& node, const std::string& value) {
  const auto before = tables_.nodes.get(node.key());
  Result<> r;
  if (!before || before->pod_cidrs != node.pod_cidrs) r = check(cidrs_of(node));
  if (r) {
    forget(node.name);
  } else {
    refused_[node.name] = value;
    why_[node.name] = r.error().message;
  }
  return r;
}

void CidrGuard::forget(const std::string& node) {
  refused_.erase(node);
  why_.erase(node);
}

void CidrGuard::keep(const std::map<std::string, std::string>& keys) {
  const auto gone = [&](const auto& entry) { return !keys.contains(entry.first); };
  std::erase_if(refused_, gone);
  std::erase_if(why_, gone);
}

const std::string& CidrGuard::overlap() {
  (void)tables_.pod_cidrs->index();
  if (looked_ != tables_.pod_cidrs->changes()) {
    looked_ = tables_.pod_cidrs->changes();
    taken_.clear();
    tables_.nodes.scan({remote_, ""}, [&](const Node& n) {
      if (n.cluster != remote_) return false;
      const auto r = check(cidrs_of(n));
      if (!r) taken_ = r.error().message;
      return r.has_value();
    });
  }
  overlap_ = !why_.empty() ? why_.begin()->second : taken_;
  return overlap_;
}

}  // namespace weft::mesh
