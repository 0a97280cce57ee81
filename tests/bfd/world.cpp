#include "bfd/world.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "apps/bfd/show.h"
#include "base/file.h"
#include "netlink/netns.h"

namespace weft::bfdtest {

namespace fs = std::filesystem;

bool enter_sandbox() {
  static const bool inside = [] {
    // FRR's folders are ours alone.
    return testing_netns::enter_sandbox() &&
           shell("for d in /etc/frr /var/run/frr; do mkdir -p $d && mount -t tmpfs tmpfs $d && chmod 755 $d; done")
                   .code == 0;
  }();
  return inside;
}

bool until(const std::function<bool()>& fact, std::chrono::milliseconds limit) {
  const auto end = Steady::now() + limit;
  while (!fact()) {
    if (Steady::now() > end) return false;
    work_for(10ms);
  }
  return true;
}

asio::io_context& shared_io() {
  static asio::io_context io;
  return io;
}

void work_for(std::chrono::milliseconds time) {
  static const auto keep = asio::make_work_guard(shared_io());
  shared_io().restart();
  shared_io().run_for(time);
}

bfd::SessionConfig session(const std::string& peer, std::chrono::milliseconds interval) {
  bfd::SessionConfig c;
  c.key.peer = *Address::parse(peer);
  c.min_tx = c.min_rx = interval;
  return c;
}

// ---- Process

Process::Process(std::vector<std::string> command, const std::string& netns, std::string log) : log_(std::move(log)) {
  std::vector<char*> argv;
  for (auto& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int ns = ::open(netns.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (::setns(ns, CLONE_NEWNET) != 0) ::_exit(126);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(ns);
  ::close(out);
}

bool Process::alive() {
  if (pid_ < 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) != pid_) return true;
  pid_ = -1;
  return false;
}

void Process::stop() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  if (!until([&] { return !alive(); }, 20s)) kill();
}

void Process::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string Process::log() const { return read_file(log_).value_or("(no log)"); }

// ---- World

World::World(std::vector<std::string> nodes) : Namespaces("bfd") {
  add_netns("switch");
  run("switch", "ip link add br0 type bridge stp_state 0 && ip link set br0 up");
  int n = 0;
  for (const auto& node : nodes) {
    const std::string number = std::to_string(++n);
    add_netns(node);
    run("switch", "ip link add p-" + node + " type veth peer name eth0 netns " + netns(node) + " && ip link set p-" +
                      node + " master br0 && ip link set p-" + node + " up");
    run(node, "ip addr add 10.0.0." + number + "/24 dev eth0 && ip addr add fd00::" + number +
                  "/64 dev eth0 nodad && sysctl -qw net.ipv6.conf.eth0.accept_dad=0 && ip link set eth0 up");
  }
  for (const auto& node : nodes)
    if (!until([&] { return !link_local(node).is_unspecified(); }))
      throw std::runtime_error(node + " has no link-local");
}

// Without starting a program, so that a test knows when it happened.
void World::set_port(const std::string& node, bool up) const {
  auto ns = netlink::open_netns(netns("switch"));
  if (!ns) throw std::runtime_error(ns.error().message);
  const auto r = netlink::run_in_netns(ns->get(), [&]() -> Result<> {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::snprintf(request.ifr_name, sizeof request.ifr_name, "p-%s", node.c_str());
    if (::ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return fail(errno_error("flags of " + node, errno));
    request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) return fail(errno_error("flags of " + node, errno));
    return {};
  });
  if (!r) throw std::runtime_error(r.error().message);
}

Address World::link_local(const std::string& node) const {
  const auto out = run(node, "ip -o -6 addr show dev eth0 scope link -tentative");
  const auto at = out.find("fe80::");
  if (at == std::string::npos) return {};
  const auto a = Address::parse(std::string_view(out).substr(at, out.find('/', at) - at));
  return a ? *a : Address{};
}

// ---- Daemon and its users

Daemon::Daemon(const World& world, std::string node, std::vector<std::string> arguments)
    : world_(world),
      node_(std::move(node)),
      socket_(world.dir() + "/" + node_ + ".sock"),
      arguments_(std::move(arguments)) {
  start();
}

void Daemon::start() {
  std::vector<std::string> command{WEFT_BFD, "--socket", socket_};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  process_ = std::make_unique<Process>(command, world_.netns(node_), world_.dir() + "/" + node_ + "-bfd.log");
  const bool answers =
      until([&] { return !process_->alive() || bfd::ask_overview(socket_).has_value(); }) && process_->alive();
  if (!answers) throw std::runtime_error("weft-bfd on " + node_ + " did not start: " + log());
}

bfd::Overview Daemon::overview() const {
  auto o = bfd::ask_overview(socket_);
  if (!o) throw std::runtime_error(o.error().message);
  return std::move(*o);
}

User::User(const Daemon& daemon, std::string name, std::chrono::milliseconds linger)
    : client_(std::make_unique<bfd::Client>(
          shared_io(),
          bfd::ClientOptions{.socket = daemon.socket(), .name = std::move(name), .linger = linger, .refresh = 200ms})),
      scope_(std::make_unique<Scope>(shared_io(), "user")) {
  client_->on_change([this](const bfd::SessionStatus& s, const bfd::SessionStatus& before) {
    if (s.state != before.state || s.known != before.known) told_.emplace_back(Steady::now(), s);
  });
  scope_->spawn("bfd", client_->run());
  until([&] { return client_->presence().connected; });
}

User::~User() { vanish(); }

void User::vanish() {
  if (!client_) return;
  scope_->cancel();
  client_.reset();
  work_for(20ms);
  scope_.reset();
}

bool User::until_state(const bfd::SessionKey& key, bfd::State state, std::chrono::milliseconds limit) {
  return bfdtest::until(
      [&] {
        const auto* s = client_->find(key);
        return s != nullptr && s->known && s->state == state;
      },
      limit);
}

bfd::SessionStatus User::status(const bfd::SessionKey& key) {
  const auto* s = client_->find(key);
  return s == nullptr ? bfd::SessionStatus{} : *s;
}

void User::bye() {
  bool done = false;
  const auto leave = [](bfd::Client& c, bool& flag) -> Task<> {
    co_await c.bye();
    flag = true;
  };
  scope_->spawn("bye", leave(*client_, done));
  until([&] { return done; });
}

std::string User::path() const {
  std::string out, last;
  for (const auto& [when, s] : told_) {
    const std::string state(to_string(s.state));
    if (state == last) continue;
    out += (out.empty() ? "" : " ") + state;
    last = state;
  }
  return out;
}

std::string User::describe(const bfd::SessionKey& key) {
  const auto* s = client_->find(key);
  return (s == nullptr ? "no row" : boost::json::serialize(bfd::to_json(*s))) + "; went through " + path();
}

// ---- FRR

Frr::Frr(const World& world, std::string node, const std::string& config) : world_(world), node_(std::move(node)) {
  const std::string etc = "/etc/frr/" + node_, state = "/var/run/frr/" + node_;
  for (const auto& folder : {etc, state}) {
    fs::remove_all(folder);  // sockets of an FRR before this one would look like readiness
    fs::create_directories(folder);
  }
  std::ofstream(etc + "/zebra.conf") << "hostname " << node_ << "\n";
  std::ofstream(etc + "/vtysh.conf") << "\n";
  std::ofstream(etc + "/bfdd.conf") << config;
  if (const auto o = shell("chown -R frr:frr " + etc + " " + state); o.code != 0)
    throw std::runtime_error("FRR is needed (./dev setup): " + o.out);
  const auto start = [&](const std::string& program) {
    const std::string log = world_.dir() + "/" + node_ + "-" + program + ".log";
    const std::vector<std::string> command{
        "/usr/lib/frr/" + program, "-N", node_, "--log", "stdout", "-A", "127.0.0.1", "-P", "0"};
    auto p = std::make_unique<Process>(command, world_.netns(node_), log);
    const std::string vty = state + "/" + program + ".vty";
    if (!until([&] { return fs::exists(vty) || !p->alive(); }) || !p->alive())
      throw std::runtime_error(program + " did not start: " + p->log());
    return p;
  };
  zebra_ = start("zebra");
  bfdd_ = start("bfdd");
}

std::string Frr::vtysh(const std::vector<std::string>& commands) const {
  std::string line = "nsenter --net=" + world_.netns(node_) + " vtysh -N " + node_;
  for (const auto& c : commands) line += " -c '" + c + "'";
  return shell(line).out;
}

void Frr::configure(const std::vector<std::string>& commands) const {
  std::vector<std::string> all{"configure terminal"};
  all.insert(all.end(), commands.begin(), commands.end());
  const auto out = vtysh(all);
  if (out.find('%') != std::string::npos) throw std::runtime_error("vtysh: " + out);
}

boost::json::value Frr::peer(const std::string& address) const {
  const auto out = vtysh({"show bfd peers json"});
  boost::json::error_code ec;
  const auto peers = boost::json::parse(out, ec);
  if (ec || !peers.is_array()) return nullptr;
  for (const auto& p : peers.get_array())
    if (p.as_object().contains("peer") && p.at("peer").as_string() == address) return p;
  return nullptr;
}

std::string Frr::text(const std::string& address, const char* field) const {
  const auto p = peer(address);
  const auto* v = p.is_object() ? p.get_object().if_contains(field) : nullptr;
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : "(none)";
}

std::int64_t Frr::number(const std::string& address, const char* field) const {
  const auto p = peer(address);
  const auto* v = p.is_object() ? p.get_object().if_contains(field) : nullptr;
  return v != nullptr && v->is_int64() ? v->get_int64() : -1;
}

bool Frr::until_status(const std::string& address, const std::string& status, std::chrono::milliseconds limit) const {
  return until([&] { return text(address, "status") == status; }, limit);
}

}  // namespace weft::bfdtest
