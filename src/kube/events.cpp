#include "kube/events.h"

#include <boost/json.hpp>

#include "base/encoding.h"
#include "base/log.h"
#include "kube/json.h"

namespace weft::kube {

namespace {
constexpr auto kSame = std::chrono::minutes(10);
constexpr double kBurst = 25;
constexpr double kPerSecond = 1.0 / 300;
}  // namespace

ObjectReference reference_to(const json::object& object) {
  const auto name = name_of(object);
  return {text_at(object, "apiVersion"), text_at(object, "kind"), name.ns, name.name, uid_of(object)};
}

EventRecorder::EventRecorder(Client& client, Scope& scope, std::string component, std::string host)
    : client_(client), scope_(scope), component_(std::move(component)), host_(std::move(host)) {}

void EventRecorder::record(const ObjectReference& about, Type type, std::string_view reason, std::string_view message) {
  const auto now = Steady::now();
  forget_old(now);
  const std::string object = about.kind + "/" + about.ns + "/" + about.name + "/" + about.uid;
  auto& spam = spam_.try_emplace(object, Spam{kBurst, now}).first->second;
  spam.tokens = std::min(kBurst, spam.tokens + std::chrono::duration<double>(now - spam.last).count() * kPerSecond);
  spam.last = now;
  if (spam.tokens < 1) return;
  spam.tokens -= 1;

  const std::string key = object + "/" + std::string(reason) + "/" + std::string(message);
  if (const auto it = known_.find(key); it != known_.end()) {
    it->second.last = now;
    scope_.spawn("event", bump(client_, it->second.ns, it->second.name, ++it->second.count));
    return;
  }
  // Events about objects without a namespace live in "default", as the API server demands.
  const std::string ns = about.ns.empty() ? "default" : about.ns;
  const std::string name = about.name + "." + hex_encode(random_bytes(8));
  const auto stamp = rfc3339(Wall::now());
  json::object involved{
      {"apiVersion", about.api_version}, {"kind", about.kind}, {"name", about.name}, {"uid", about.uid}};
  if (!about.ns.empty()) involved["namespace"] = about.ns;
  json::object event{{"apiVersion", "v1"},
                     {"kind", "Event"},
                     {"metadata", json::object{{"name", name}, {"namespace", ns}}},
                     {"involvedObject", std::move(involved)},
                     {"type", type == Type::normal ? "Normal" : "Warning"},
                     {"reason", reason},
                     {"message", message.substr(0, 1024)},
                     {"source", json::object{{"component", component_}, {"host", host_}}},
                     {"reportingComponent", component_},
                     {"reportingInstance", host_},
                     {"firstTimestamp", stamp},
                     {"lastTimestamp", stamp},
                     {"count", 1}};
  known_[key] = {name, ns, 1, now};
  scope_.spawn("event", write(client_, ns, std::move(event)));
}

void EventRecorder::forget_old(Steady::time_point now) {
  if (++serial_ % 64 != 0 && known_.size() < 4096) return;
  std::erase_if(known_, [&](const auto& e) { return now - e.second.last > kSame; });
  std::erase_if(spam_, [&](const auto& e) { return now - e.second.last > std::chrono::hours(3); });
}

Task<> EventRecorder::write(Client& client, std::string ns, json::object event) {
  auto r = co_await client.create(kEvents, ns, event);
  if (!r) log::debug("an event was not recorded", {{"error", r.error().message}});
}

Task<> EventRecorder::bump(Client& client, std::string ns, std::string name, unsigned count) {
  json::object patch;
  patch["count"] = count;
  patch["lastTimestamp"] = rfc3339(Wall::now());
  auto r = co_await client.patch(kEvents, ns, name, PatchType::merge, patch);
  if (!r) log::debug("an event was not counted", {{"error", r.error().message}});
}

}  // namespace weft::kube
