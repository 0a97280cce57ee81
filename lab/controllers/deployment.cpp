#include "lab/controllers/deployment.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include "lab/controllers/pods.h"
#include "lab/controllers/replicaset.h"

namespace weft::lab {
namespace {

constexpr std::string_view kHashLabel = "pod-template-hash";
constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
constexpr std::string_view kDesired = "deployment.kubernetes.io/desired-replicas";
constexpr std::string_view kMax = "deployment.kubernetes.io/max-replicas";

json::object without_hash(const json::object& tmpl) {
  json::object out = tmpl;
  auto* metadata = out.if_contains("metadata");
  auto* labels = metadata && metadata->is_object() ? metadata->get_object().if_contains("labels") : nullptr;
  if (labels && labels->is_object()) labels->get_object().erase(kHashLabel);
  if (metadata && metadata->is_object()) metadata->get_object().erase("creationTimestamp");
  return out;
}

std::int64_t spec_replicas(const json::object& o) { return number(o, "spec/replicas", 1); }

// What a ReplicaSet has of the pods it should have. Its status may be older than its spec.
std::int64_t available(const json::object& set) {
  return std::min(number(set, "status/availableReplicas"), spec_replicas(set));
}

struct Rollout {
  std::int64_t desired, surge, unavailable;
  bool recreate;
  std::int64_t max_total() const { return recreate ? desired : desired + surge; }
};

Rollout rollout_of(const json::object& d) {
  Rollout r{};
  r.desired = spec_replicas(d);
  r.recreate = text(d, "spec/strategy/type") == "Recreate";
  if (r.recreate) return r;
  r.surge = resolve_count(find(d, "spec/strategy/rollingUpdate/maxSurge"), r.desired, true, (r.desired + 3) / 4);
  r.unavailable = resolve_count(find(d, "spec/strategy/rollingUpdate/maxUnavailable"), r.desired, false, r.desired / 4);
  if (r.surge == 0 && r.unavailable == 0) r.unavailable = 1;
  r.unavailable = std::min(r.unavailable, r.desired);
  return r;
}

// Annotations that belong to the Deployment alone.
bool travels(std::string_view annotation) {
  return annotation != "kubectl.kubernetes.io/last-applied-configuration" && annotation != kRevision &&
         annotation != kDesired && annotation != kMax && annotation != "deprecated.deployment.rollback.to";
}

class Planner {
 public:
  Planner(const json::object& d, const std::vector<ObjectPtr>& pods, Wall::time_point now)
      : d_(d), pods_(pods), now_(now), roll_(rollout_of(d)) {}

  DeploymentPlan run(const std::vector<ObjectPtr>& sets) {
    const std::string uid = uid_of(d_);
    const json::object wanted = without_hash(sub(d_, "spec/template"));
    for (const auto& s : sets) {
      if (!controlled_by(**s, uid) || deleting(**s)) continue;
      // The oldest set with this template is the one; two can only come from a race.
      const bool same = without_hash(sub(**s, "spec/template")) == wanted;
      if (same && (!new_ || created(**s) < created(**new_))) {
        if (new_) old_.push_back(new_);
        new_ = s;
      } else {
        old_.push_back(s);
      }
    }
    std::sort(old_.begin(), old_.end(), [](const ObjectPtr& a, const ObjectPtr& b) {
      return std::pair(created(**a), a->name) < std::pair(created(**b), b->name);
    });
    for (const auto& s : old_) replicas_[s->name] = spec_replicas(**s);
    if (new_) replicas_[new_->name] = spec_replicas(**new_);

    if (deleting(d_)) {
      status();
      return std::move(plan_);
    }
    if (flag(d_, "spec/paused")) {
      scale_while_paused();
    } else {
      revise(wanted);
      if (roll_.recreate) {
        recreate();
      } else {
        roll();
      }
      forget_history();
    }
    emit();
    status();
    return std::move(plan_);
  }

 private:
  // The set of the current template exists and carries the highest revision.
  void revise(const json::object& wanted) {
    std::int64_t revision = 0;
    for (const auto& s : old_)
      revision = std::max<std::int64_t>(revision, std::atoll(annotation(**s, kRevision).c_str()));
    ++revision;
    json::object carried;
    for (const auto& [k, v] : string_map(d_, "metadata/annotations"))
      if (travels(k)) carried[k] = v;
    if (new_) {
      revision = std::max<std::int64_t>(revision, std::atoll(annotation(**new_, kRevision).c_str()));
      carried[kRevision] = std::to_string(revision);
      for (const auto& [k, v] : carried)
        if (annotation(**new_, std::string_view(k)) != v.get_string()) new_annotations_[k] = v;
    } else {
      const std::string hash = short_hash(wanted, number(d_, "status/collisionCount"));
      json::object tmpl = wanted;
      json::object& template_metadata =
          tmpl["metadata"].is_object() ? tmpl["metadata"].get_object() : tmpl["metadata"].emplace_object();
      json::object labels = sub(template_metadata, "labels");
      labels[kHashLabel] = hash;
      template_metadata["labels"] = labels;
      json::object selector = sub(d_, "spec/selector");
      json::object match = sub(selector, "matchLabels");
      match[kHashLabel] = hash;
      selector["matchLabels"] = std::move(match);
      carried[kRevision] = std::to_string(revision);
      carried[kDesired] = std::to_string(roll_.desired);
      carried[kMax] = std::to_string(roll_.max_total());
      const std::int64_t start = roll_.recreate && old_pods_left() ? 0 : room_for_new(0);
      created_replicas_ = start;
      plan_.create =
          json::object{{"apiVersion", "apps/v1"},
                       {"kind", "ReplicaSet"},
                       {"metadata",
                        {{"namespace", text(d_, "metadata/namespace")},
                         {"name", text(d_, "metadata/name") + "-" + hash},
                         {"labels", labels},
                         {"annotations", std::move(carried)},
                         {"ownerReferences", json::array{controller_reference("apps/v1", "Deployment", d_)}}}},
                       {"spec",
                        {{"replicas", start},
                         {"minReadySeconds", number(d_, "spec/minReadySeconds")},
                         {"selector", std::move(selector)},
                         {"template", std::move(tmpl)}}}};
    }
    if (annotation(d_, kRevision) != std::to_string(revision)) plan_.annotations[kRevision] = std::to_string(revision);
  }

  std::int64_t total() const {
    std::int64_t sum = created_replicas_;
    for (const auto& [name, n] : replicas_) sum += n;
    return sum;
  }

  // How many pods the new set, having `have`, may grow to.
  std::int64_t room_for_new(std::int64_t have) const {
    if (have >= roll_.desired) return roll_.desired;
    const std::int64_t others = total() - have;
    return std::clamp(roll_.max_total() - others, have, roll_.desired);
  }

  bool old_pods_left() const {
    for (const auto& s : old_) {
      if (replicas_.at(s->name) > 0 || number(**s, "status/replicas") > 0) return true;
      for (const auto& p : pods_)
        if (controlled_by(**p, uid_of(**s)) && !pod_finished(**p)) return true;
    }
    return false;
  }

  void recreate() {
    for (const auto& s : old_) replicas_[s->name] = 0;
    if (new_ && !old_pods_left()) replicas_[new_->name] = roll_.desired;
  }

  void roll() {
    if (!new_) return;  // the next look follows its creation
    auto& mine = replicas_[new_->name];
    mine = room_for_new(mine);
    if (mine != spec_replicas(**new_)) return;

    const std::int64_t least = roll_.desired - roll_.unavailable;
    std::int64_t budget = total() - least - (mine - available(**new_));
    if (budget <= 0) return;
    // First those that serve nobody, which costs no availability; then healthy ones down to the least allowed.
    for (const auto& s : old_) {
      auto& n = replicas_[s->name];
      const std::int64_t broken = std::min(budget, n - std::min(n, available(**s)));
      n -= broken;
      budget -= broken;
    }
    std::int64_t serving = available(**new_);
    for (const auto& s : old_) serving += std::min(replicas_[s->name], available(**s));
    for (const auto& s : old_) {
      auto& n = replicas_[s->name];
      const std::int64_t step = std::clamp<std::int64_t>(serving - least, 0, n);
      n -= step;
      serving -= step;
    }
  }

  void scale_while_paused() {
    std::vector<ObjectName> active;
    for (const auto& [name, n] : replicas_)
      if (n > 0) active.push_back(name);
    if (active.size() == 1) replicas_[active[0]] = roll_.desired;
    if (active.empty() && new_) replicas_[new_->name] = roll_.desired;
  }

  void forget_history() {
    const std::int64_t keep = number(d_, "spec/revisionHistoryLimit", 10);
    std::vector<ObjectPtr> empty;
    for (const auto& s : old_)
      if (spec_replicas(**s) == 0 && replicas_.at(s->name) == 0 && number(**s, "status/replicas") == 0 &&
          number(**s, "status/observedGeneration") >= number(**s, "metadata/generation"))
        empty.push_back(s);
    std::sort(empty.begin(), empty.end(), [](const ObjectPtr& a, const ObjectPtr& b) {
      return std::atoll(annotation(**a, kRevision).c_str()) < std::atoll(annotation(**b, kRevision).c_str());
    });
    while (static_cast<std::int64_t>(empty.size()) > keep && !empty.empty()) {
      plan_.remove.push_back(empty.front());
      replicas_.erase(empty.front()->name);
      empty.erase(empty.begin());
    }
  }

  void emit() {
    std::vector<ObjectPtr> all = old_;
    if (new_) all.push_back(new_);
    for (const auto& s : all) {
      const auto n = replicas_.find(s->name);
      if (n == replicas_.end()) continue;
      DeploymentPlan::Change c{s->name, {}, {}};
      json::object annotations = s == new_ ? new_annotations_ : json::object{};
      if (n->second > 0) {
        if (annotation(**s, kDesired) != std::to_string(roll_.desired))
          annotations[kDesired] = std::to_string(roll_.desired);
        if (annotation(**s, kMax) != std::to_string(roll_.max_total()))
          annotations[kMax] = std::to_string(roll_.max_total());
      }
      if (!annotations.empty()) c.patch["metadata"] = json::object{{"annotations", std::move(annotations)}};
      const std::int64_t was = spec_replicas(**s);
      json::object spec;
      if (n->second != was) {
        spec["replicas"] = n->second;
        c.message = fmt::format("Scaled {} replica set {} from {} to {}", n->second > was ? "up" : "down", s->name.name,
                                was, n->second);
      }
      if (s == new_ && number(**s, "spec/minReadySeconds") != number(d_, "spec/minReadySeconds"))
        spec["minReadySeconds"] = number(d_, "spec/minReadySeconds");
      if (!spec.empty()) c.patch["spec"] = std::move(spec);
      if (!c.patch.empty()) plan_.changes.push_back(std::move(c));
    }
  }

  void status() {
    std::vector<ObjectPtr> all = old_;
    if (new_) all.push_back(new_);
    std::int64_t replicas = 0, ready = 0, avail = 0, wanted = 0;
    for (const auto& s : all) {
      replicas += number(**s, "status/replicas");
      ready += number(**s, "status/readyReplicas");
      avail += number(**s, "status/availableReplicas");
      wanted += spec_replicas(**s);
    }
    const std::int64_t updated = new_ ? number(**new_, "status/replicas") : 0;
    const json::object& before = sub(d_, "status");
    json::object s{{"observedGeneration", number(d_, "metadata/generation")},
                   {"replicas", replicas},
                   {"updatedReplicas", updated},
                   {"readyReplicas", ready},
                   {"availableReplicas", avail},
                   {"unavailableReplicas", std::max<std::int64_t>(0, wanted - avail)}};
    json::array conditions = list(d_, "status/conditions");
    const bool enough = avail >= roll_.desired - roll_.unavailable;
    set_condition(conditions, "Available", enough ? "True" : "False",
                  enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                  enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
                  false);

    const bool complete = new_ && updated == roll_.desired && replicas == roll_.desired && avail == roll_.desired;
    const bool moved = updated > number(before, "updatedReplicas") || ready > number(before, "readyReplicas") ||
                       avail > number(before, "availableReplicas") ||
                       replicas - updated < number(before, "replicas") - number(before, "updatedReplicas");
    const auto* progressing = condition(d_, "Progressing");
    const std::string reason = progressing ? text(*progressing, "reason") : std::string();
    const std::string subject = new_ ? fmt::format("ReplicaSet \"{}\"", new_->name.name)
                                     : fmt::format("Deployment \"{}\"", text(d_, "metadata/name"));
    const std::int64_t deadline = number(d_, "spec/progressDeadlineSeconds", 600);
    // Once complete, pods that come and go are no new rollout.
    const bool settled = reason == "NewReplicaSetAvailable" && replicas == updated && new_ &&
                         text(*progressing, "message").find('"' + new_->name.name + '"') != std::string::npos;
    if (flag(d_, "spec/paused")) {
      if (reason != "DeploymentPaused")
        set_condition(conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", true);
    } else if (complete) {
      set_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable",
                    subject + " has successfully progressed.", false);
    } else if (!settled) {
      if (plan_.create) {
        set_condition(conditions, "Progressing", "True", "NewReplicaSetCreated",
                      fmt::format("Created new replica set \"{}\"", text(*plan_.create, "metadata/name")), true);
      } else if (moved || !progressing || reason == "NewReplicaSetAvailable" || reason == "DeploymentPaused") {
        set_condition(conditions, "Progressing", "True", "ReplicaSetUpdated", subject + " is progressing.", true);
      } else if (reason != "ProgressDeadlineExceeded") {
        const auto until = time_at(*progressing, "lastUpdateTime") + std::chrono::seconds(deadline);
        if (now_ >= until) {
          set_condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded",
                        subject + " has timed out progressing.", true);
        } else {
          plan_.recheck = std::chrono::ceil<std::chrono::seconds>(until - now_) + std::chrono::seconds(1);
        }
      }
      if (!plan_.recheck && reason != "ProgressDeadlineExceeded") plan_.recheck = std::chrono::seconds(deadline + 1);
    }
    s["conditions"] = std::move(conditions);
    if (!status_has(before, s)) plan_.status = std::move(s);
  }

  // `touch`: progress was made, so lastUpdateTime moves even when nothing else does.
  void set_condition(json::array& all, std::string_view type, std::string_view status, std::string_view reason,
                     std::string_view message, bool touch) {
    const std::string now = rfc3339(now_);
    json::object fresh{{"type", type},       {"status", status},      {"reason", reason},
                       {"message", message}, {"lastUpdateTime", now}, {"lastTransitionTime", now}};
    for (auto& v : all) {
      if (!v.is_object() || text(v.get_object(), "type") != type) continue;
      json::object& old = v.get_object();
      if (text(old, "status") == status) {
        fresh["lastTransitionTime"] = text(old, "lastTransitionTime", now);
        if (!touch && text(old, "reason") == reason && text(old, "message") == message) return;
      }
      old = std::move(fresh);
      return;
    }
    all.push_back(std::move(fresh));
  }

  const json::object& d_;
  const std::vector<ObjectPtr>& pods_;
  const Wall::time_point now_;
  const Rollout roll_;
  DeploymentPlan plan_;
  ObjectPtr new_;
  std::vector<ObjectPtr> old_;                   // oldest first
  std::map<ObjectName, std::int64_t> replicas_;  // as they shall be
  std::int64_t created_replicas_ = 0;
  json::object new_annotations_;
};

}  // namespace

std::int64_t resolve_count(const json::value* v, std::int64_t total, bool round_up, std::int64_t fallback) {
  if (!v) return fallback;
  if (v->is_int64()) return v->get_int64();
  if (v->is_uint64()) return static_cast<std::int64_t>(v->get_uint64());
  const auto* s = v->if_string();
  if (!s || s->empty() || s->back() != '%') return fallback;
  char* end = nullptr;
  const long percent = std::strtol(s->c_str(), &end, 10);
  if (end == s->c_str() || *end != '%') return fallback;
  return round_up ? (total * percent + 99) / 100 : total * percent / 100;
}

DeploymentPlan plan_deployment(const json::object& deployment, const std::vector<ObjectPtr>& sets,
                               const std::vector<ObjectPtr>& pods, Wall::time_point now) {
  return Planner(deployment, pods, now).run(sets);
}

}  // namespace weft::lab
