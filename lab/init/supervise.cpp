#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>

#include <csignal>
#include <list>

#include "async/backoff.h"
#include "async/scope.h"
#include "async/signal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "lab/init/forward.h"
#include "lab/init/init.h"
#include "lab/init/json.h"
#include "lab/sys/process.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

struct Program {
  std::string name;
  std::string cgroup;
  int holder = 0;
  std::vector<std::string> argv, env;
  std::string log;

  ProcessId running;  // pid 0: not running
  int restarts = -1;
  std::string last_end;
};

class Supervisor {
 public:
  Supervisor(asio::io_context& io, const boost::json::object& config)
      : io_(io), scope_(io, "supervisor"), ended_(io), status_(text(config, "status")) {
    for (const auto& item : config.at("processes").as_array()) {
      const auto& o = item.as_object();
      programs_.push_back({text(o, "name"),
                           text(o, "cgroup"),
                           static_cast<int>(number(o, "holder")),
                           texts(o, "argv"),
                           texts(o, "env"),
                           text(o, "log"),
                           {},
                           -1,
                           ""});
    }
    for (const auto& item : config.at("forwards").as_array()) {
      const auto& o = item.as_object();
      forwards_.push_back(
          {static_cast<int>(number(o, "fd")), static_cast<int>(number(o, "holder")), text(o, "target")});
    }
  }

  Task<int> run() {
    scope_.spawn("reaper", reap());
    for (const Forward& f : forwards_) scope_.spawn("forward " + f.target, serve_forward(scope_, f));
    for (Program& p : programs_) scope_.spawn(p.name, keep(p));
    co_await wait_for_termination();
    for (Program& p : programs_)
      if (alive(p.running)) ::kill(p.running.pid, SIGTERM);
    co_await scope_.stop();
    co_return 0;
  }

 private:
  // Our children, and orphans of the lab: the supervisor is their subreaper.
  Task<> reap() {
    asio::signal_set child(io_, SIGCHLD);
    for (;;) {
      int status = 0;
      for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        for (Program& p : programs_)
          if (p.running.pid == pid) {
            p.running = {};
            p.last_end = "exit code " + std::to_string(exit_code(status));
            ended_.notify();
          }
      }
      co_await child.async_wait(asio::use_awaitable);
    }
  }

  Result<> start(Program& p) {
    const Fd log(::open(p.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!log) return fail(errno_error("log " + p.log, errno));
    const auto holder = identify(p.holder);
    if (!holder) return fail(Errc::not_found, "its sandbox has ended");
    const auto pidfd = open_process(*holder);
    if (!pidfd) return fail(pidfd.error());
    SpawnOptions o;
    o.argv = p.argv;
    o.env = p.env;
    o.cwd = "/";
    o.cgroup = p.cgroup;
    o.namespaces_of = pidfd->get();
    o.namespace_flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    o.out = o.err = log.get();
    o.new_session = true;
    const auto pid = spawn(o);
    if (!pid) return fail(pid.error());
    p.running = identify(*pid).value_or(ProcessId{*pid, 0});
    ++p.restarts;
    return {};
  }

  Task<> keep(Program& p) {
    Backoff backoff(200ms, 5s);
    for (;;) {
      const auto begun = Steady::now();
      if (const auto r = start(p); !r) p.last_end = r.error().message;
      write_status();
      while (p.running.pid != 0) co_await ended_.changed_since(ended_.version());
      write_status();
      log::warn("process ended", {{"process", p.name}, {"how", p.last_end}});
      if (Steady::now() - begun > 10s) backoff.reset();
      co_await sleep_for(backoff.next());
    }
  }

  void write_status() {
    boost::json::array list;
    for (const Program& p : programs_)
      list.push_back(boost::json::object{{"name", p.name},
                                         {"pid", p.running.pid},
                                         {"start", p.running.start},
                                         {"restarts", std::max(p.restarts, 0)},
                                         {"lastEnd", p.last_end},
                                         {"log", p.log}});
    if (const auto r = write_file(status_, boost::json::serialize(list)); !r)
      log::warn("status not written", {{"error", r.error().message}});
  }

  asio::io_context& io_;
  Scope scope_;
  Notifier ended_;
  std::string status_;
  std::list<Program> programs_;
  std::vector<Forward> forwards_;
};

}  // namespace

int supervise(const boost::json::object& config) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  asio::io_context io(1);
  Supervisor supervisor(io, config);
  return run_to_completion(io, supervisor.run());
}

}  // namespace weft::lab
