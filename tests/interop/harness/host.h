// Hosts of a sandbox: a network namespace and a view of the file system in which each router's own folders
// (/run/frr, /etc/frr, /run/bird, /run/openbgpd) are empty, so that any number of routers run side by side with the
// paths they were built with. Errors are std::runtime_error with what was said: a test fails with it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/net.h"
#include "tests/e2e/harness/process.h"

namespace weft::interop {

using e2e::Argv;
using e2e::Env;
using e2e::Output;

class Daemon;

class Host {
 public:
  explicit Host(std::string name);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  const std::string& name() const { return name_; }
  /// Whose namespaces these are.
  pid_t holder() const { return holder_; }
  /// Scratch folder, the same path inside and outside; world readable, for daemons that drop root.
  const std::string& dir() const { return dir_; }
  /// A path as this host sees it, reachable from outside.
  std::string inside(const std::string& path) const { return "/proc/" + std::to_string(holder_) + "/root" + path; }

  Argv command(const Argv& argv) const;  // the command line that runs `argv` in here
  Output run(const Argv& argv, std::chrono::seconds limit = std::chrono::seconds(30)) const;
  /// Standard output; throws unless the command ended with 0.
  std::string must(const Argv& argv, std::chrono::seconds limit = std::chrono::seconds(30)) const;
  void ip(const std::string& arguments) const;  // split at blanks
  void sysctl(const std::string& name, const std::string& value) const;
  void write(const std::string& file, const std::string& content) const;  // in dir()
  /// Runs `fn` on a thread inside the network namespace: sockets made there stay usable here.
  void in_network(const std::function<void()>& fn) const;
  /// With $WEFT_INTEROP_CAPTURE=DIR: writes what BGP, BFD and router discovery send over `interface` to a file of its
  /// own in DIR, until the host goes. Otherwise does nothing.
  void capture(const std::string& interface);

 private:
  std::string name_, dir_;
  pid_t holder_ = -1;
  std::vector<std::unique_ptr<Daemon>> captures_;
};

/// One end of a wire.
struct Port {
  Host& host;
  std::string interface;
  std::vector<std::string> addresses;  // "10.0.0.1/24", "fd00::1/64"
};
/// A veth pair, both ends up, with link-local addresses at once (no duplicate address detection). Captured at a's end.
void wire(const Port& a, const Port& b);
/// From now on nothing arrives at this end, as when the other one died behind a switch: both keep the carrier, whose
/// loss alone would end the sessions of a router (FRR's fast-external-failover).
void cut(const Port& a);

/// A daemon in a host: its output goes to a file, its process group dies with the object.
class Daemon {
 public:
  Daemon() = default;
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  /// Output is added to `log`. Throws when the program cannot be run.
  void start(const Host& host, const Argv& argv, const std::string& log, const Env& env = {});
  bool running();
  pid_t pid() const { return pid_; }
  /// `signal`, then waits for the end; SIGKILL after `limit`. The exit code, 128 + signal when killed.
  int stop(int signal, std::chrono::seconds limit = std::chrono::seconds(20));
  int exit_code() const { return code_; }

 private:
  pid_t pid_ = -1;
  int code_ = -1;
};

/// CPU seconds (user and system) used until now by a process, and the most memory it ever held resident, in KiB.
struct Usage {
  double cpu_seconds = 0;
  std::uint64_t peak_kib = 0;
};
Usage usage(pid_t pid);

/// The whole file; empty when it is not there.
std::string slurp(const std::string& path);

/// Looks again and again until `fact` holds or throws, with `what` and what `seen` says, after `limit`.
void wait_until(std::chrono::milliseconds limit, const std::string& what, const std::function<bool()>& fact,
                const std::function<std::string()>& seen = {});

}  // namespace weft::interop
