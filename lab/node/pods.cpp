#include <boost/json/parse.hpp>

#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "kube/reflector.h"
#include "lab/node/node.h"

namespace weft::lab {
namespace fs = std::filesystem;
namespace {

using Workers = std::map<std::string, std::unique_ptr<PodWorker>>;  // by uid

Task<> live(Workers& workers, std::string uid, Notifier& ended) {
  co_await workers.at(uid)->run();
  workers.erase(uid);
  ended.notify();
}

std::map<std::string, json::object> load_records(const std::string& state_dir) {
  std::map<std::string, json::object> out;
  std::error_code ec;
  for (fs::directory_iterator it(state_dir + "/pods", ec), end; !ec && it != end; it.increment(ec)) {
    const auto text = read_file((it->path() / "pod.json").string());
    boost::system::error_code parse_error;
    auto value = text ? json::parse(*text, parse_error) : json::value();
    if (!text || parse_error || !value.is_object()) {
      log::warn("pod record is damaged and left alone", {{"file", it->path().string()}});
      continue;
    }
    out[it->path().filename().string()] = std::move(value.get_object());
  }
  return out;
}

bool over(const Pod& p) { return p.phase == "Succeeded" || p.phase == "Failed"; }

// A pod that ended, or never began here, and is being deleted: only its object is left to remove.
Task<> remove_object(kube::Client& client, Pod pod) {
  kube::DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = pod.uid;
  auto r = co_await client.remove(kube::kPods, pod.name.ns, pod.name.name, options);
  if (!r && r.error().code != Errc::not_found)
    log::warn("pod not deleted from the API", {{"pod", pod.name.to_string()}, {"error", r.error().message}});
}

}  // namespace

Task<> keep_pods(NodeContext& context, Scope& scope) {
  Table<Pod> table(context.client.io(), "pods");
  kube::ReflectorOptions options;
  options.field_selector = "spec.nodeName=" + context.options.node_name;
  options.retry_max = std::chrono::seconds(5);
  kube::Reflector<Pod> reflector(
      context.client, kube::kPods, table,
      [](const json::object& o) -> Result<std::optional<Pod>> {
        auto p = parse_pod(o);
        if (!p) return fail(p.error());
        return std::optional<Pod>(std::move(*p));
      },
      options);
  Workers workers;
  Notifier ended(context.client.io());
  // Workers and the watch live in a scope of their own, which ends before what they refer to.
  Scope inner(context.client.io(), "pods");
  (void)scope;
  auto records = load_records(context.runtime.state_dir);
  const auto begin = [&](Pod pod, json::object record) {
    const std::string uid = pod.uid;
    workers[uid] = std::make_unique<PodWorker>(context, std::move(pod), std::move(record));
    inner.spawn("pod " + uid, live(workers, uid, ended));
  };
  for (auto& [uid, record] : records)
    if (auto pod = pod_of_record(record)) {
      log::info("pod adopted", {{"pod", pod->name.to_string()}, {"uid", uid}});
      begin(std::move(*pod), std::move(record));
    }
  inner.spawn("watch", reflector.run());
  std::exception_ptr cancelled;
  try {
    for (;;) {
      const auto seen = table.notifier().version();
      if (table.initialized()) {
        std::set<std::string> present;
        for (const auto& pod : table.all()) {
          present.insert(pod->uid);
          if (const auto it = workers.find(pod->uid); it != workers.end()) {
            if (!(it->second->pod() == *pod)) it->second->update(*pod);
          } else if (pod->deleting) {
            inner.spawn("remove", remove_object(context.client, *pod));
          } else if (!over(*pod)) {
            log::info("pod assigned", {{"pod", pod->name.to_string()}});
            begin(*pod, {});
          }
        }
        for (const auto& [uid, worker] : workers)
          if (!present.contains(uid)) worker->gone();
      }
      co_await table.notifier().changed_since(seen, std::chrono::seconds(30));
    }
  } catch (...) {
    cancelled = std::current_exception();
  }
  // Stopping the process leaves the pods running: the next one adopts them.
  inner.cancel();
  std::rethrow_exception(cancelled);
}

}  // namespace weft::lab
