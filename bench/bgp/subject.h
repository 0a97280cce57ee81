// What is measured: a speaker that originates the benchmark's routes in the way that costs it least, sends them to
// its peers, withdraws them all, or receives them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/interop/harness/speaker.h"

namespace weft::bgpbench {

using interop::Kind;

struct SubjectOptions {
  std::string address;             // its own
  std::vector<std::string> peers;  // of AS kReceiverAsn; they connect, it does too
  std::uint32_t originate = 0;     // routes
};

class Subject {
 public:
  Subject(interop::Host& host, SubjectOptions options) : host_(host), options_(std::move(options)) {}
  virtual ~Subject() = default;
  /// Files that hold the routes: made before the clock runs.
  virtual void prepare() = 0;
  /// Starts the daemon and does all that it takes for the routes to go out. May return before they have.
  virtual void start() = 0;
  virtual void withdraw_all() = 0;
  /// Routes that it has from its first peer.
  virtual std::uint64_t received() = 0;
  /// How long to wait between two calls of received(), which may cost the daemon something.
  virtual std::chrono::milliseconds between_questions() const { return std::chrono::milliseconds(20); }

  interop::Usage usage() const { return interop::usage(daemon_.pid()); }
  bool running() { return daemon_.running(); }
  std::string log() const { return interop::slurp(host_.dir() + "/subject.log"); }

 protected:
  void run(const interop::Argv& argv) { daemon_.start(host_, argv, host_.dir() + "/subject.log"); }
  interop::Host& host_;
  SubjectOptions options_;
  interop::Daemon daemon_;
};

std::unique_ptr<Subject> make_subject(Kind kind, interop::Host& host, SubjectOptions options);

/// The benchmark's receiver: bgpd without zebra, which takes routes of one peer and installs none in the kernel.
class FrrReceiver {
 public:
  FrrReceiver(interop::Host& host, const std::string& address, const std::string& peer);
  ~FrrReceiver();
  std::uint64_t received();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weft::bgpbench
