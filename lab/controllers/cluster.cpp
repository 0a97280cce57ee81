#include "lab/controllers/cluster.h"

#include <charconv>

#include "base/log.h"

namespace weft::lab {

using namespace std::chrono_literals;

namespace {

// A write that the watch does not show in this time is given up waiting for: the next decision may then rest on an
// old picture, and at worst ends in a conflict.
constexpr auto kSeeLimit = 3s;

std::uint64_t to_number(const std::string& text) {
  std::uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

Task<> pump(Informer& informer, Cluster::Seen seen) {
  Table<Object>::Stream changes(informer.objects);
  std::map<ObjectName, ObjectPtr> last;
  for (;;) {
    const auto batch = changes.next();
    for (const auto& change : batch) {
      const auto it = last.find(change.key);
      const ObjectPtr before = it == last.end() ? nullptr : it->second;
      if (change.row) {
        last[change.key] = change.row;
      } else if (it != last.end()) {
        last.erase(it);
      }
      seen(change.key, before, change.row);
    }
    co_await changes.changed();
  }
}

}  // namespace

Informer::Informer(kube::Client& client, const kube::Resource& what, kube::ReflectorOptions options)
    : resource(what),
      objects(client.io(), what.to_string()),
      reflector(client, what, objects, parse_object, std::move(options)) {}

std::vector<ObjectPtr> Informer::in(const std::string& ns) const {
  std::vector<ObjectPtr> out;
  if (ns.empty()) return objects.all();
  objects.scan({ns, ""}, [&](const Object& o) {
    if (o.name.ns != ns) return false;
    out.push_back(objects.get(o.name));
    return true;
  });
  return out;
}

Informer& Cluster::informer(const kube::Resource& resource, kube::ReflectorOptions options) {
  if (auto* i = known(resource)) return *i;
  return informers_.emplace_back(client_, resource, std::move(options));
}

Informer* Cluster::known(const kube::Resource& resource) {
  for (auto& i : informers_)
    if (i.resource == resource) return &i;
  return nullptr;
}

Task<> Cluster::start(Scope& scope) {
  for (auto& i : informers_) scope.spawn("informer " + i.resource.to_string(), i.reflector.run());
  for (auto& i : informers_) {
    while (!i.objects.initialized()) {
      const auto seen = i.objects.notifier().version();
      if (i.objects.initialized()) break;
      co_await i.objects.notifier().changed_since(seen);
    }
  }
}

Informer& Cluster::add(Scope& scope, const kube::Resource& resource) {
  if (auto* i = known(resource)) return *i;
  Informer& i = informers_.emplace_back(client_, resource, kube::ReflectorOptions{});
  scope.spawn("informer " + resource.to_string(), i.reflector.run());
  return i;
}

bool Cluster::ending(const std::string& ns) {
  Informer* namespaces = known(kube::kNamespaces);
  const auto object = namespaces ? namespaces->get({"", ns}) : nullptr;
  return object && deleting(**object);
}

void Cluster::on_change(Scope& scope, Informer& informer, Seen seen) {
  scope.spawn("changes of " + informer.resource.to_string(), pump(informer, std::move(seen)));
}

Task<> Cluster::seen_by(const kube::Resource& resource, std::uint64_t version) {
  Informer* informer = known(resource);
  if (!informer || version == 0) co_return;
  const auto deadline = Steady::now() + kSeeLimit;
  for (;;) {
    const auto mark = informer->objects.notifier().version();
    if (to_number(informer->reflector.health().resource_version) >= version) co_return;
    const auto left = deadline - Steady::now();
    if (left <= 0ns) {
      log::warn("the watch does not show a write", {{"kind", resource.to_string()}, {"revision", version}});
      co_return;
    }
    co_await informer->objects.notifier().changed_since(mark, left);
  }
}

Task<Result<json::object>> Cluster::create(const kube::Resource& resource, json::object object) {
  const std::string ns = text(object, "metadata/namespace");
  auto made = co_await client_.create(resource, ns, object);
  if (made) {
    const auto version = version_of(*made);
    co_await seen_by(resource, version);
  }
  co_return made;
}

Task<Result<json::object>> Cluster::patch(const kube::Resource& resource, ObjectName name, json::value merge_patch,
                                          std::string subresource) {
  kube::PatchOptions options;
  options.subresource = std::move(subresource);
  auto changed = co_await client_.patch(resource, name.ns, name.name, kube::PatchType::merge, merge_patch, options);
  if (changed) {
    const auto version = version_of(*changed);
    co_await seen_by(resource, version);
  }
  co_return changed;
}

Task<Result<json::object>> Cluster::update(const kube::Resource& resource, json::object object) {
  const std::string ns = text(object, "metadata/namespace");
  auto changed = co_await client_.update(resource, ns, object);
  if (changed) {
    const auto version = version_of(*changed);
    co_await seen_by(resource, version);
  }
  co_return changed;
}

Task<Result<>> Cluster::remove(const kube::Resource& resource, ObjectName name, kube::DeleteOptions options) {
  auto gone = co_await client_.remove(resource, name.ns, name.name, options);
  if (!gone && gone.error().code != Errc::not_found) co_return fail(gone.error());
  co_return Result<>{};
}

Task<Result<>> Cluster::remove(const kube::Resource& resource, ObjectPtr object) {
  kube::DeleteOptions options;
  options.uid = uid_of(**object);
  options.propagation = "Background";
  auto result = co_await remove(resource, object->name, std::move(options));
  // Somebody made another object of this name meanwhile: the one we meant is gone.
  if (!result && result.error().code == Errc::conflict) result = Result<>{};
  Informer* informer = known(resource);
  if (!result || !informer) co_return result;
  const auto deadline = Steady::now() + kSeeLimit;
  for (;;) {
    const auto mark = informer->objects.notifier().version();
    const auto now = informer->get(object->name);
    if (!now || uid_of(**now) != uid_of(**object) || deleting(**now)) co_return result;
    const auto left = deadline - Steady::now();
    if (left <= 0ns) co_return result;
    co_await informer->objects.notifier().changed_since(mark, left);
  }
}

Task<> Cluster::event(const kube::Resource& about, ObjectPtr object, std::string type, std::string reason,
                      std::string message) {
  const std::string ns = object->name.ns.empty() ? "default" : object->name.ns;
  const std::string now = rfc3339(Wall::now());
  json::object body{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", {{"namespace", ns}, {"name", object->name.name.substr(0, 200) + "." + random_suffix(10)}}},
      {"involvedObject",
       {{"apiVersion", about.api_version()},
        {"kind", about.kind},
        {"namespace", object->name.ns},
        {"name", object->name.name},
        {"uid", uid_of(**object)}}},
      {"type", type},
      {"reason", reason},
      {"message", message},
      {"source", {{"component", "weft-lab-controllers"}}},
      {"reportingComponent", "weft-lab-controllers"},
      {"count", 1},
      {"firstTimestamp", now},
      {"lastTimestamp", now}};
  auto told = co_await client_.create(kube::kEvents, ns, body);
  if (!told) log::debug("event not recorded", {{"about", object->name.to_string()}, {"error", told.error().message}});
}

}  // namespace weft::lab
