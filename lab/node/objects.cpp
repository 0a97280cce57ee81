#include "lab/node/objects.h"

#include "base/encoding.h"

namespace weft::lab {
namespace {

Result<std::optional<ObjectRow>> parse_row(const json::object& o) {
  return ObjectRow{kube::name_of(o), str(o, "/metadata/resourceVersion"), o};
}

kube::ReflectorOptions only(const ObjectName& name) {
  kube::ReflectorOptions options;
  options.ns = name.ns;
  options.field_selector = "metadata.name=" + name.name;
  options.retry_max = std::chrono::seconds(5);
  return options;
}

// Keeps the object alive until its watch has ended.
Task<> finish(std::shared_ptr<void> keep, Scope& scope) {
  co_await scope.stop();
  keep.reset();
}

}  // namespace

WatchedObject::WatchedObject(kube::Client& client, bool secret, ObjectName name)
    : secret_(secret),
      name_(std::move(name)),
      table_(client.io(), (secret ? "secret " : "configmap ") + name_.to_string()),
      reflector_(client, secret ? kube::kSecrets : kube::kConfigMaps, table_, parse_row, only(name_)),
      scope_(client.io(), table_.name()) {
  scope_.spawn("watch", reflector_.run());
}

std::optional<std::map<std::string, std::string>> WatchedObject::data() const {
  const auto row = table_.get(name_);
  if (!row) return std::nullopt;
  std::map<std::string, std::string> out;
  if (!secret_) out = string_map(row->object, "/data");
  for (const auto& [key, text] : string_map(row->object, secret_ ? "/data" : "/binaryData"))
    if (const auto bytes = base64_decode(text)) out[key] = *bytes;
  return out;
}

Task<bool> WatchedObject::wait_known(std::chrono::milliseconds limit) {
  const auto deadline = Steady::now() + limit;
  while (!known()) {
    const auto left = deadline - Steady::now();
    if (left <= std::chrono::nanoseconds(0)) co_return false;
    const auto seen = table_.notifier().version();
    const bool woken = co_await table_.notifier().changed_since(seen, left);
    (void)woken;
  }
  co_return true;
}

std::shared_ptr<WatchedObject> Objects::watch(bool secret, const ObjectName& name) {
  auto& slot = watched_[{secret, name}];
  if (auto existing = slot.lock()) return existing;
  // The last holder ends the watch; the object itself lives until the watch has noticed.
  auto* object = new WatchedObject(client_, secret, name);
  std::shared_ptr<WatchedObject> handle(object, [this](WatchedObject* o) {
    std::shared_ptr<void> keep(o, [](void* p) { delete static_cast<WatchedObject*>(p); });
    scope_.spawn("end of " + o->table_.name(), finish(std::move(keep), o->scope_));
  });
  slot = handle;
  return handle;
}

}  // namespace weft::lab
