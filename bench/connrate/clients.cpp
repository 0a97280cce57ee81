#include "bench/connrate/clients.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/clock.h"

namespace weft::connrate {

namespace {

[[noreturn]] void die(const std::string& what) {
  fprintf(stderr, "bench_connrate: %s: %s\n", what.c_str(), strerror(errno));
  _exit(2);
}

void must(const std::string& command) {
  if (system(command.c_str()) != 0) die(command);
}

// Client and server each have a CPU of their own where there are two: the scheduler's moods are not our subject.
void pin_to(int cpu) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
}

struct Order {
  Targets targets;
  int milliseconds;
};

double cpu_time() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

Outcome storm(const Order& order) {
  Outcome out;
  std::uint32_t random = 0x9e3779b9u ^ static_cast<std::uint32_t>(getpid());
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(order.targets.port);
  // Closed by a reset: no TIME_WAIT, so that ports never run out.
  const linger hard{.l_onoff = 1, .l_linger = 0};
  const double cpu = cpu_time();
  const auto start = Steady::now();
  const auto end = start + std::chrono::milliseconds(order.milliseconds);
  auto now = start;
  do {
    for (int i = 0; i < 16; ++i) {
      random = random * 1664525u + 1013904223u;
      const auto n = static_cast<std::uint32_t>((std::uint64_t{random} * order.targets.count) >> 32);
      to.sin_addr.s_addr = htonl(order.targets.first + n * order.targets.step);
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
        ++out.connections;
      } else {
        ++out.failures;
        out.last_error = errno;
      }
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      close(fd);
    }
    now = Steady::now();
  } while (now < end);
  out.cpu_seconds = cpu_time() - cpu;
  out.seconds = std::chrono::duration<double>(now - start).count();
  return out;
}

}  // namespace

Client::Client(int index, const std::string& cgroup) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Fd channel(pair[1]);
    close(pair[0]);
    if (!cgroup.empty()) {
      std::ofstream procs(cgroup + "/cgroup.procs");
      if (!(procs << getpid() << std::endl)) die("joining " + cgroup);
    }
    if (unshare(CLONE_NEWNET) != 0) die("unshare");
    pin_to(0);
    char ready = 1;
    if (write(channel.get(), &ready, 1) != 1) _exit(2);
    for (Order order; read(channel.get(), &order, sizeof order) == sizeof order;) {
      const Outcome out = storm(order);
      if (write(channel.get(), &out, sizeof out) != sizeof out) break;
    }
    _exit(0);
  }
  close(pair[1]);
  channel_ = Fd(pair[0]);
  char ready;
  if (read(pair[0], &ready, 1) != 1) die("starting a client");
  const std::string name = fmt::format("client{}", index);
  const std::string net = fmt::format("192.168.{}", index);
  must(fmt::format(
      "ip link add {0} type veth peer name eth0 netns {1} && ip addr add {2}.1/24 dev {0} && ip link set {0} up", name,
      pid_, net));
  if (!run(fmt::format("ip link set lo up && ip addr add {0}.2/24 dev eth0 && ip link set eth0 up && "
                       "ip route add default via {0}.1",
                       net)))
    die("configuring a client");
}

Client::~Client() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);  // closing the channel is not enough: clients forked later hold it too
  waitpid(pid_, nullptr, 0);
}

bool Client::run(const std::string& command) const {
  return system(fmt::format("nsenter -n -t {} sh -c '{}'", pid_, command).c_str()) == 0;
}

Outcome Client::connect_for(const Targets& targets, int milliseconds) {
  const Order order{targets, milliseconds};
  Outcome out;
  if (write(channel_.get(), &order, sizeof order) != sizeof order ||
      read(channel_.get(), &out, sizeof out) != sizeof out)
    die("talking to a client");
  return out;
}

int start_servers() {
  must("ip link set lo up && ip addr add 10.1.0.1/32 dev lo && ip addr add 10.1.0.2/32 dev lo");
  std::vector<int> listeners;
  for (const char* address : {"10.1.0.1", "10.1.0.2"}) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(8080);
    inet_pton(AF_INET, address, &at.sin_addr);
    if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || listen(fd, 65'535) != 0) die("listening");
    listeners.push_back(fd);
  }
  const int pid = fork();
  if (pid != 0) {
    for (const int fd : listeners) close(fd);
    return pid;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin_to(1);
  const int epoll = epoll_create1(0);
  for (const int fd : listeners) {
    epoll_event e{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
  }
  for (epoll_event events[2];;) {
    const int n = epoll_wait(epoll, events, 2, -1);
    for (int i = 0; i < n; ++i)
      for (int fd; (fd = accept4(events[i].data.fd, nullptr, nullptr, 0)) >= 0;) close(fd);
  }
}

}  // namespace weft::connrate
