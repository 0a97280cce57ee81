// Asking daemons over their control sockets, without a process a question: what is looked at twenty times a second
// should cost nobody anything.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "tests/interop/harness/host.h"

namespace weft::bgpbench {

/// A Unix socket of a daemon in a host, connected on first use and again after an error.
class Control {
 public:
  /// `path` as the host sees it. `complete` says whether an answer has been read to its end.
  Control(const interop::Host& host, std::string path, std::function<bool(const std::string&)> complete)
      : path_(host.inside(path)), complete_(std::move(complete)) {}
  /// Sends and reads one answer; empty when nobody answers.
  std::string ask(const std::string& request);

 private:
  std::string path_;
  std::function<bool(const std::string&)> complete_;
  Fd fd_;
};

/// FRR's vty socket: the answer without the end mark.
std::string ask_frr(Control& control, const std::string& command);
Control frr_control(const interop::Host& host);
Control bird_control(const interop::Host& host);
Control weft_control(const interop::Host& host, const std::string& path);

/// The number that follows `label` the first time; `otherwise` when it is not there.
std::uint64_t number_after(const std::string& text, const std::string& label, std::uint64_t otherwise);

}  // namespace weft::bgpbench
