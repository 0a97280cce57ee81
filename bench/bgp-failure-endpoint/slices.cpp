#include "slices.h"

#include <boost/json.hpp>

namespace weft::bench {
namespace {

bool is_true(const kube::json::object& conditions, const char* name) {
  const auto* v = conditions.if_contains(name);
  return v && v->is_bool() && v->get_bool();
}

void note(const kube::json::object& slice, SliceMoments& out) {
  const auto now = Steady::now();
  const auto* endpoints = slice.if_contains("endpoints");
  if (!endpoints || !endpoints->is_array()) return;
  for (const auto& e : endpoints->get_array()) {
    const auto* ref = e.as_object().if_contains("targetRef");
    const auto* conditions = e.as_object().if_contains("conditions");
    if (!ref || !conditions || !conditions->is_object()) continue;
    const std::string pod(ref->at("name").as_string());
    if (is_true(conditions->get_object(), "ready")) out.ready.emplace(pod, now);
    if (is_true(conditions->get_object(), "terminating")) out.terminating.emplace(pod, now);
  }
}

}  // namespace

Task<> watch_slices(kube::Client& client, std::string ns, SliceMoments& out) {
  kube::WatchOptions options;
  options.ns = ns;
  auto watch = co_await client.watch(kube::kEndpointSlices, options);
  if (!watch) {
    out.error = watch.error().message;
    co_return;
  }
  for (;;) {
    auto event = co_await watch->next();
    if (!event || !*event) {
      out.error = event ? "the API server ended the watch" : event.error().message;
      co_return;
    }
    note((*event)->object, out);
  }
}

}  // namespace weft::bench
