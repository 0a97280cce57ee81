// Namespaces, links, daemons and FRR for the BFD tests, all inside the test's own mount and network namespaces.
#pragma once

#include <sys/types.h>

#include <boost/json.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "async/scope.h"
#include "bfd/client.h"
#include "tests/netns/namespaces.h"

namespace weft::bfdtest {

using namespace std::chrono_literals;

using testing_netns::shell;

/// Enters fresh mount and network namespaces with FRR's folders in them, once per process. False without root.
bool enter_sandbox();

/// A process of ours in a namespace; killed with the object. What it writes is in log().
class Process {
 public:
  Process(std::vector<std::string> command, const std::string& netns, std::string log);
  ~Process() { kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  pid_t pid() const { return pid_; }
  bool alive();
  /// SIGTERM, and waits.
  void stop();
  /// SIGKILL, and waits.
  void kill();
  std::string log() const;

 private:
  pid_t pid_ = -1;
  std::string log_;
};

/// Nodes that a switch joins: every node has the link "eth0" with 10.0.0.N/24 and fd00::N/64, by its place in the list.
/// A cut takes the switch's end down, so that no node loses its carrier: silence is all there is.
class World : public testing_netns::Namespaces {
 public:
  explicit World(std::vector<std::string> nodes);

  void cut(const std::string& node) const { set_port(node, false); }
  void mend(const std::string& node) const { set_port(node, true); }
  /// The link-local address of a node's eth0.
  Address link_local(const std::string& node) const;

 private:
  void set_port(const std::string& node, bool up) const;
};

/// weft-bfd on a node.
class Daemon {
 public:
  Daemon(const World& world, std::string node, std::vector<std::string> arguments = {});
  void start();
  void stop() { process_->stop(); }
  void kill() { process_->kill(); }
  std::string socket() const { return socket_; }
  std::string log() const { return process_ ? process_->log() : "not started"; }
  bfd::Overview overview() const;

 private:
  const World& world_;
  std::string node_, socket_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Process> process_;
};

/// All users of a test live on one loop, so that waiting for any fact lets every one of them work.
asio::io_context& shared_io();

/// A process that uses BFD: a bfd::Client and everything it was told.
class User {
 public:
  User(const Daemon& daemon, std::string name, std::chrono::milliseconds linger = 0ms);
  ~User();

  bfd::Client& client() { return *client_; }
  void want(std::vector<bfd::SessionConfig> sessions) { client_->set_sessions(std::move(sessions)); }
  bool until_state(const bfd::SessionKey& key, bfd::State state, std::chrono::milliseconds limit = 30s);
  bfd::SessionStatus status(const bfd::SessionKey& key);
  /// A clean end.
  void bye();
  /// A crash: the connection is just gone.
  void vanish();
  /// What the sessions of this user went through: "Down Init Up", oldest first.
  std::string path() const;
  std::string describe(const bfd::SessionKey& key);
  const std::vector<std::pair<Steady::time_point, bfd::SessionStatus>>& told() const { return told_; }

 private:
  std::unique_ptr<bfd::Client> client_;
  std::unique_ptr<Scope> scope_;
  std::vector<std::pair<Steady::time_point, bfd::SessionStatus>> told_;
};

/// FRR's zebra and bfdd on a node.
class Frr {
 public:
  /// `config` is bfdd's.
  Frr(const World& world, std::string node, const std::string& config);
  /// Commands after "configure terminal".
  void configure(const std::vector<std::string>& commands) const;
  /// "show bfd peers json", the entry of this peer; null when there is none.
  boost::json::value peer(const std::string& address) const;
  std::string text(const std::string& address, const char* field) const;
  std::int64_t number(const std::string& address, const char* field) const;
  bool until_status(const std::string& address, const std::string& status, std::chrono::milliseconds limit = 30s) const;

 private:
  std::string vtysh(const std::vector<std::string>& commands) const;
  const World& world_;
  std::string node_;
  std::unique_ptr<Process> zebra_, bfdd_;
};

/// Lets the users work until the fact holds, for `limit` at most.
bool until(const std::function<bool()>& fact, std::chrono::milliseconds limit = 30s);
/// Lets the users work for a while: where a test is about nothing happening.
void work_for(std::chrono::milliseconds time);

bfd::SessionConfig session(const std::string& peer, std::chrono::milliseconds interval = 50ms);

}  // namespace weft::bfdtest
