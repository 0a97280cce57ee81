// What a container's past means for its future, and what a pod's containers mean for its status. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lab/node/pod.h"

namespace weft::lab {

/// Counts a probe's answers into a verdict (kubelet's prober: thresholds on runs of equal answers).
class ProbeTracker {
 public:
  ProbeTracker(unsigned success_threshold, unsigned failure_threshold, bool initial)
      : success_(success_threshold), failure_(failure_threshold), verdict_(initial) {}
  /// The verdict after this answer; `decided` says that a threshold was reached with it.
  bool record(bool ok);
  bool verdict() const { return verdict_; }
  bool decided() const { return decided_; }

 private:
  unsigned success_, failure_;
  unsigned run_ = 0;
  bool last_ = false;
  bool verdict_;
  bool decided_ = false;
};

/// Delay before a restart: none for the first, then 1 s, 2 s … 60 s; ten minutes of running forgive.
class RestartDelay {
 public:
  std::chrono::milliseconds next(std::chrono::milliseconds ran);
  int count() const { return count_; }

 private:
  int count_ = 0;
};

/// Whether a container that ended with `code` is started again.
bool restarts(RestartPolicy policy, bool init, bool sidecar, int code);

struct Ended {
  int code = 0;
  int signal = 0;
  std::string reason;  // Completed, Error, ContainerCannotRun
  std::string message;
  std::string started_at, finished_at;
  bool operator==(const Ended&) const = default;
};

/// A container as its status shows it.
struct ContainerState {
  enum class Phase { waiting, running, ended } phase = Phase::waiting;
  std::string reason = "ContainerCreating";  // while waiting
  std::string message;
  std::string started_at;  // while running
  Ended ended;
  std::optional<Ended> last;  // the run before this one
  int restarts = 0;
  bool started = false;  // startup probe passed
  bool ready = false;
  std::string id;
};

struct PodView {
  const Pod* pod = nullptr;
  std::vector<std::pair<const ContainerSpec*, const ContainerState*>> init, containers;
  bool sandbox = false;      // network is there
  bool initialized = false;  // every init container is through
  std::vector<std::string> pod_ips, host_ips;
  std::string start_time;     // RFC 3339
  std::string failed_reason;  // the pod failed as a whole (e.g. evicted); empty normally
  std::string failed_message;
};

/// status of the API object. Conditions that others own (PodScheduled …) are kept from the pod's object, and a
/// condition keeps its lastTransitionTime while its status does not change.
json::object pod_status(const PodView& view, Wall::time_point now);

/// Pending, Running, Succeeded or Failed.
std::string pod_phase(const PodView& view);

}  // namespace weft::lab
