// The record from which a restarted weft-lab-node goes on.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "lab/node/worker.h"

namespace weft::lab {
namespace fs = std::filesystem;

namespace {

CniNetwork network_from_json(const json::object& o) {
  CniNetwork n;
  n.name = str(o, "/name");
  n.version = str(o, "/version", "1.0.0");
  for (const auto& p : list(o, "/plugins"))
    if (p.is_object()) n.plugins.push_back(p.get_object());
  return n;
}

json::object network_to_json(const CniNetwork& n) {
  json::array plugins;
  for (const auto& p : n.plugins) plugins.push_back(p);
  return {{"name", n.name}, {"version", n.version}, {"plugins", plugins}};
}

json::object ended_to_json(const Ended& e) {
  return {{"code", e.code},       {"signal", e.signal},        {"reason", e.reason},
          {"message", e.message}, {"startedAt", e.started_at}, {"finishedAt", e.finished_at}};
}

Ended ended_from_json(const json::object& o) {
  return {static_cast<int>(integer(o, "/code")),
          static_cast<int>(integer(o, "/signal")),
          str(o, "/reason"),
          str(o, "/message"),
          str(o, "/startedAt"),
          str(o, "/finishedAt")};
}

}  // namespace

void PodWorker::save() {
  json::array containers;
  for (const Container& c : containers_) {
    json::object o = c.run ? to_json(*c.run)
                           : json::object{{"pid", 0},
                                          {"log", fmt::format("logs/{}_{}_{}/{}/{}.log", pod_.name.ns, pod_.name.name,
                                                              pod_.uid, c.spec.name, std::max(c.attempt - 1, 0))}};
    o["name"] = c.spec.name;
    o["running"] = c.run.has_value();
    o["nextAttempt"] = c.attempt;
    o["restarts"] = c.state.restarts;
    o["over"] = c.over;
    o["ready"] = c.state.ready;
    o["started"] = c.state.started;
    o["id"] = c.state.id;
    if (c.state.phase == ContainerState::Phase::ended) o["ended"] = ended_to_json(c.state.ended);
    if (c.state.last) o["last"] = ended_to_json(*c.state.last);
    containers.push_back(o);
  }
  json::array ips(pod_ips_.begin(), pod_ips_.end());
  // Main containers first: `weft lab exec` takes the first when none is named.
  std::ranges::stable_sort(containers, {}, [&](const json::value& v) {
    const auto name = str(v.as_object(), "/name");
    return std::ranges::any_of(containers_, [&](const Container& c) { return c.init && c.spec.name == name; });
  });
  json::object record = {{"namespace", pod_.name.ns}, {"name", pod_.name.name},
                         {"uid", pod_.uid},           {"sandbox", sandbox_id_},
                         {"attached", attached_},     {"result", cni_result_},
                         {"ready", sandbox_ready_},   {"initialized", initialized_},
                         {"finished", finished_},     {"ips", ips},
                         {"startTime", start_time_},  {"containers", containers},
                         {"object", pod_.object}};
  if (network_) record["network"] = network_to_json(*network_);
  std::error_code ec;
  fs::create_directories(folder(), ec);
  if (const auto r = write_file(folder() + "/pod.json", json::serialize(record), 0600); !r)
    log::warn("pod's record not written", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
}

void PodWorker::load(const json::object& r) {
  sandbox_id_ = str(r, "/sandbox");
  attached_ = boolean(r, "/attached");
  cni_result_ = object(r, "/result");
  sandbox_ready_ = boolean(r, "/ready");
  initialized_ = boolean(r, "/initialized");
  finished_ = boolean(r, "/finished");
  if (!pod_.host_network) pod_ips_ = strings(r, "/ips");
  start_time_ = str(r, "/startTime", start_time_);
  if (find(r, "/network") != nullptr) network_ = network_from_json(object(r, "/network"));
  for (Container& c : containers_)
    for (const auto& v : list(r, "/containers")) {
      if (!v.is_object() || str(v.get_object(), "/name") != c.spec.name) continue;
      const auto& o = v.get_object();
      c.attempt = static_cast<int>(integer(o, "/nextAttempt"));
      c.over = boolean(o, "/over");
      c.launched = c.over;
      c.state.restarts = static_cast<int>(integer(o, "/restarts"));
      c.state.id = str(o, "/id");
      if (find(o, "/last") != nullptr) c.state.last = ended_from_json(object(o, "/last"));
      if (find(o, "/ended") != nullptr) {
        c.state.ended = ended_from_json(object(o, "/ended"));
        c.state.phase = ContainerState::Phase::ended;
      }
      if (boolean(o, "/running")) {
        c.run = run_from_json(o);
        c.state.phase = ContainerState::Phase::running;
        c.state.started_at = c.run->started_at;
        c.state.started = boolean(o, "/started");
        c.state.ready = boolean(o, "/ready");
        c.launched = true;
        scope_.spawn(c.spec.name, container_loop(c));
      }
    }
}

std::optional<Pod> pod_of_record(const json::object& record) {
  auto pod = parse_pod(object(record, "/object"));
  if (!pod) return std::nullopt;
  return std::move(*pod);
}

}  // namespace weft::lab
