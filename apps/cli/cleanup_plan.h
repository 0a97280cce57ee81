// How `weft uninstall` leaves nodes clean: the pods of the agents' DaemonSet are replaced, where they are, by ones that
// clean their node up (weft-agent --cleanup-and-wait) and become ready when that is done. The DaemonSet stays the
// release's own: an uninstall that was interrupted goes on when repeated, weft upgrade brings the agents back. Pure.
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::cli {

namespace json = boost::json;

inline constexpr const char* kCleanupFlag = "--cleanup-and-wait";
/// The chart's annotation of a DaemonSet whose agents know the flag; others would end at once, on every node.
inline constexpr const char* kCleanupAnnotation = "weft.io/cleanup";

/// What to merge (RFC 7386) into the DaemonSet weft-agent, given as it is. Errc::invalid when it has no container
/// weft-agent, or one that cannot clean up.
Result<json::object> cleanup_patch(const json::object& daemon_set);

struct CleanupProgress {
  bool begun = false;                          // the DaemonSet's controller has seen the patch
  std::size_t wanted = 0;                      // nodes that shall have a pod
  std::vector<std::string> clean;              // nodes
  std::map<std::string, std::string> waiting;  // node → for what
  std::vector<std::string> lost;               // nodes that do not answer; nobody waits for those
  std::vector<std::string> gone;               // not clean and no Node any more: not among those wanted either
  bool done() const { return begun && waiting.empty() && clean.size() + lost.size() >= wanted; }
  std::string missing() const;  // one line; empty when done
};

/// `daemon_set` as it is now, `pods` those of its selector, `nodes` all.
CleanupProgress cleanup_progress(const json::object& daemon_set, const std::vector<json::object>& pods,
                                 const std::vector<json::object>& nodes);

}  // namespace weft::cli
