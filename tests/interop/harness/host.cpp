#include "tests/interop/harness/host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/fd.h"
#include "base/file.h"
#include "lab/sys/process.h"
#include "tests/interop/harness/sandbox.h"

namespace weft::interop {
namespace {

using Clock = std::chrono::steady_clock;

// Folders that every router has for itself.
constexpr const char* kOwnFolders[] = {"/run/frr", "/run/bird", "/run/openbgpd", "/run/exabgp", "/etc/frr"};

[[noreturn]] void hold(int ready, const std::string& host_name) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto die = [&](const std::string& what) {
    const std::string text = what + ": " + std::strerror(errno);
    [[maybe_unused]] const auto n = ::write(ready, text.data(), text.size());
    ::_exit(1);
  };
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) != 0) die("unshare");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) die("making mounts private");
  ::umount2("/sys", MNT_DETACH);
  if (::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) die("/sys");
  ::sethostname(host_name.data(), host_name.size());
  for (const char* folder : kOwnFolders) {
    if (::access(folder, F_OK) != 0) continue;  // that router is not installed
    if (::mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=777") != 0) die(folder);
  }
  if (::write(ready, "ok", 2) != 2) ::_exit(1);
  ::close(ready);
  for (;;) ::pause();
}

}  // namespace

Host::Host(std::string name) : name_(std::move(name)) {
  // Hosts of two worlds of one program may have the same name.
  static int count = 0;
  dir_ = fmt::format("{}/{}-{}", kScratch, name_, ++count);
  if (::mkdir(dir_.c_str(), 0777) != 0 || ::chmod(dir_.c_str(), 0777) != 0)
    throw std::runtime_error("host " + name_ + ": " + dir_ + ": " + std::strerror(errno) + "; is this in a sandbox?");
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  const Fd reader(fds[0]);
  holder_ = ::fork();
  if (holder_ == 0) hold(fds[1], name_);
  ::close(fds[1]);
  char said[256];
  const auto n = ::read(reader.get(), said, sizeof said);
  const std::string text(said, n > 0 ? static_cast<std::size_t>(n) : 0);
  if (text != "ok") throw std::runtime_error("host " + name_ + ": " + text);
  // The default first: interfaces that come later inherit it.
  for (const char* which : {"default", "all"}) {
    sysctl(fmt::format("net.ipv6.conf.{}.disable_ipv6", which), "0");
    sysctl(fmt::format("net.ipv6.conf.{}.accept_dad", which), "0");
    sysctl(fmt::format("net.ipv6.conf.{}.addr_gen_mode", which), "0");
    sysctl(fmt::format("net.ipv6.conf.{}.forwarding", which), "1");
    sysctl(fmt::format("net.ipv4.conf.{}.rp_filter", which), "0");
  }
  sysctl("net.ipv4.ip_forward", "1");
  ip("link set lo up");
}

Host::~Host() {
  for (const auto& capture : captures_) capture->stop(SIGINT);  // it writes what it still holds
  ::kill(holder_, SIGKILL);
  ::waitpid(holder_, nullptr, 0);
}

Argv Host::command(const Argv& argv) const {
  Argv out = {"nsenter", "-t", std::to_string(holder_), "-n", "-m", "-u", "--"};
  out.insert(out.end(), argv.begin(), argv.end());
  return out;
}

Output Host::run(const Argv& argv, std::chrono::seconds limit) const {
  return e2e::run(command(argv), {.limit = limit, .input = {}, .env = {}});
}

std::string Host::must(const Argv& argv, std::chrono::seconds limit) const {
  Output output = run(argv, limit);
  if (!output.ok()) throw std::runtime_error(name_ + ": " + output.describe());
  return std::move(output.out);
}

void Host::ip(const std::string& arguments) const {
  std::istringstream in(arguments);
  Argv argv = {"ip"};
  argv.insert(argv.end(), std::istream_iterator<std::string>(in), {});
  must(argv);
}

void Host::sysctl(const std::string& name, const std::string& value) const {
  std::string path = "/proc/sys/" + name;
  for (auto& c : path)
    if (c == '.') c = '/';
  std::string why;
  in_network([&] {
    std::ofstream out(path);
    if (!(out << value << std::flush)) why = std::strerror(errno);
  });
  if (!why.empty()) throw std::runtime_error(name_ + ": sysctl " + name + "=" + value + ": " + why);
}

void Host::write(const std::string& file, const std::string& content) const {
  const std::string path = dir_ + "/" + file;
  std::ofstream out(path, std::ios::trunc);
  if (!(out << content << std::flush)) throw std::runtime_error(path + ": cannot be written");
  out.close();
  ::chmod(path.c_str(), 0644);
}

void Host::in_network(const std::function<void()>& fn) const {
  const Fd ns(::open(fmt::format("/proc/{}/ns/net", holder_).c_str(), O_RDONLY | O_CLOEXEC));
  std::string why;
  std::thread([&] {
    if (::setns(ns.get(), CLONE_NEWNET) != 0) {
      why = std::strerror(errno);
      return;
    }
    fn();
  }).join();
  if (!why.empty()) throw std::runtime_error(name_ + ": entering its network: " + why);
}

void Host::capture(const std::string& interface) {
  const char* folder = std::getenv("WEFT_INTEROP_CAPTURE");
  if (folder == nullptr) return;
  static int count = 0;
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = fmt::format("{}-{}-{}-{}-{}", test != nullptr ? test->test_suite_name() : "none",
                                 test != nullptr ? test->name() : "none", name_, interface, ++count);
  for (char& c : name)
    if (c == '/') c = '.';
  const std::string log = fmt::format("{}/capture-{}.log", dir_, interface);
  auto daemon = std::make_unique<Daemon>();
  daemon->start(
      *this,
      {"tcpdump", "-i", interface, "-s", "0", "-U", "-Z", "root", "-w", fmt::format("{}/{}.pcap", folder, name),
       "tcp port 179 or udp port 3784 or udp port 4784 or (icmp6 and (ip6[40] == 133 or ip6[40] == 134))"},
      log);
  wait_until(
      std::chrono::seconds(30), "tcpdump listens on " + interface,
      [&] { return !daemon->running() || slurp(log).find("listening on") != std::string::npos; },
      [&] { return slurp(log); });
  if (!daemon->running()) throw std::runtime_error("tcpdump ended at once:\n" + slurp(log));
  captures_.push_back(std::move(daemon));
}

void wire(const Port& a, const Port& b) {
  const auto holder = [](const Port& p) { return std::to_string(p.host.holder()); };
  a.host.must({"ip", "link", "add", a.interface, "type", "veth", "peer", "name", b.interface, "netns", holder(b)});
  for (const Port* p : {&a, &b}) {
    for (const auto& address : p->addresses)
      p->host.ip(fmt::format("address add {} dev {}{}", address, p->interface,
                             address.find(':') == std::string::npos ? "" : " nodad"));
    p->host.ip("link set " + p->interface + " up");
  }
  a.host.capture(a.interface);
}

void cut(const Port& a) {
  a.host.must({"nft", "add", "table", "netdev", "cut"});
  a.host.must({"nft", fmt::format("add chain netdev cut {0} {{ type filter hook ingress device \"{0}\" priority 0; "
                                  "policy drop; }}",
                                  a.interface)});
}

Daemon::~Daemon() {
  if (running()) stop(SIGKILL);
}

void Daemon::start(const Host& host, const Argv& argv, const std::string& log, const Env& env) {
  const auto holder = lab::identify(host.holder());
  if (!holder) throw std::runtime_error("host " + host.name() + ": its holder is gone");
  const auto pidfd = lab::open_process(*holder);
  if (!pidfd) throw std::runtime_error(pidfd.error().message);
  const Fd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!out) throw std::runtime_error(log + ": " + std::strerror(errno));
  lab::SpawnOptions o;
  o.argv = argv;
  for (char** e = environ; !env.empty() && *e != nullptr; ++e) o.env.emplace_back(*e);
  for (const auto& [k, v] : env) o.env.push_back(k + "=" + v);
  o.cwd = "/";
  o.namespaces_of = pidfd->get();
  o.namespace_flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS;
  o.out = o.err = out.get();
  o.new_session = true;
  const auto pid = lab::spawn(o);
  if (!pid) throw std::runtime_error(host.name() + ": " + pid.error().message);
  pid_ = *pid;
}

bool Daemon::running() {
  if (pid_ < 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    code_ = lab::exit_code(status);
    // What it had forked goes with it, as if the whole service had been killed.
    ::kill(-pid_, SIGKILL);
    pid_ = -1;
  }
  return pid_ >= 0;
}

int Daemon::stop(int signal, std::chrono::seconds limit) {
  if (!running()) return code_;
  // A crash takes the helpers of a daemon along; a request to end is for the daemon itself to pass on.
  ::kill(signal == SIGKILL ? -pid_ : pid_, signal);
  const auto deadline = Clock::now() + limit;
  while (running()) {
    if (Clock::now() > deadline) ::kill(-pid_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return code_;
}

Usage usage(pid_t pid) {
  Usage out;
  const std::string stat = slurp(fmt::format("/proc/{}/stat", pid));
  if (const auto close = stat.rfind(')'); close != std::string::npos) {
    std::istringstream fields(stat.substr(close + 2));
    std::vector<std::string> f{std::istream_iterator<std::string>(fields), {}};
    // Fields 14 and 15 of proc(5), counted from the state, which is field 3.
    if (f.size() > 12)
      out.cpu_seconds =
          static_cast<double>(std::stoull(f[11]) + std::stoull(f[12])) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  const std::string status = slurp(fmt::format("/proc/{}/status", pid));
  if (const auto at = status.find("VmHWM:"); at != std::string::npos) out.peak_kib = std::stoull(status.substr(at + 6));
  return out;
}

std::string slurp(const std::string& path) {
  // Not a stream: of a file in /proc whose process has gone, reading throws.
  return read_file(path).value_or("");
}

void wait_until(std::chrono::milliseconds limit, const std::string& what, const std::function<bool()>& fact,
                const std::function<std::string()>& seen) {
  const auto deadline = Clock::now() + limit;
  while (!fact()) {
    if (Clock::now() > deadline)
      throw std::runtime_error(
          fmt::format("waited {} ms for: {}{}", limit.count(), what, seen ? "\nseen: " + seen() : ""));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace weft::interop
