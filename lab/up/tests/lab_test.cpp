// Labs on the real kernel. Needs root; every lab of this test has a name of its own and is taken down at the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "lab/sys/cgroup.h"
#include "lab/up/build.h"
#include "lab/up/exec.h"
#include "lab/up/network.h"

namespace weft::lab {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// What a lab could leave behind in the machine's own namespaces.
struct Machine {
  std::multiset<std::string> mounts;
  std::set<std::string> interfaces;

  static Machine now() {
    Machine m;
    std::ifstream in("/proc/self/mounts");
    for (std::string line; std::getline(in, line);) m.mounts.insert(line);
    for (const auto& entry : fs::directory_iterator("/sys/class/net")) m.interfaces.insert(entry.path().filename());
    return m;
  }
  bool operator==(const Machine&) const = default;
};

// Inodes of network namespaces that some process is in.
std::set<ino_t> namespaces_in_use() {
  std::set<ino_t> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/proc", ec)) {
    struct stat st{};
    if (::stat((entry.path() / "ns/net").c_str(), &st) == 0) out.insert(st.st_ino);
  }
  return out;
}

std::set<ino_t> namespaces_of(const LabRecord& r) {
  std::set<ino_t> out;
  for (const auto& [name, id] : r.holders) {
    struct stat st{};
    if (::stat(("/proc/" + std::to_string(id.pid) + "/ns/net").c_str(), &st) == 0) out.insert(st.st_ino);
  }
  return out;
}

// Where the sockets of a cgroup's processes end in this network namespace: "tcp 0100007F:1F90" as /proc/net writes it.
std::set<std::string> ends_of_sockets(const std::string& cgroup) {
  std::set<std::string> inodes, out;
  std::error_code ec;
  for (const int pid : cgroup_processes(cgroup))
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ec)) {
      const auto what = fs::read_symlink(entry.path(), ec).string();
      if (what.starts_with("socket:[")) inodes.insert(what.substr(8, what.size() - 9));
    }
  for (const char* protocol : {"tcp", "tcp6", "udp", "udp6", "raw", "raw6"}) {
    std::ifstream in(std::string("/proc/self/net/") + protocol);
    std::string line;
    std::getline(in, line);  // the heading
    while (std::getline(in, line)) {
      std::istringstream words(line);
      const std::vector<std::string> columns{std::istream_iterator<std::string>(words), {}};
      if (columns.size() > 9 && inodes.contains(columns[9])) out.insert(std::string(protocol) + " " + columns[1]);
    }
  }
  return out;
}

bool eventually(const std::function<bool()>& fact, std::chrono::seconds limit = 15s) {
  for (const auto until = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < until;) {
    if (fact()) return true;
    std::this_thread::sleep_for(50ms);
  }
  return fact();
}

class Lab : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const auto unit = ::testing::UnitTest::GetInstance()->current_test_info();
    name_ = "t" + std::to_string(::getpid()) + "-" + std::to_string(std::hash<std::string>{}(unit->name()) % 1000);
    options_.name = name_;
    options_.bin = WEFT_BIN_DIR;
    options_.network_only = true;
    topology_ = fs::temp_directory_path() / (name_ + ".yaml");
  }
  void TearDown() override {
    if (::geteuid() != 0) return;
    for (const auto& n : {name_, name_ + "-b"}) (void)down(n, [](const std::string&) {});
    std::error_code ec;
    fs::remove(topology_, ec);
  }

  void use(const std::string& yaml) {
    ASSERT_TRUE(write_file(topology_, yaml));
    options_.file = topology_;
  }
  Result<LabRecord> build() {
    return up(options_, [](const std::string&) {});
  }
  bool nothing_left(const std::string& name) {
    const auto paths = lab_paths(name);
    return paths && !fs::exists(paths->run) && !fs::exists(paths->cgroup) && cgroup_processes(paths->cgroup).empty();
  }
  int run(const LabRecord& r, const std::string& where, const std::string& script) {
    const auto place = find_place(r, where, "default", "");
    EXPECT_TRUE(place) << (place ? "" : place.error().message);
    if (!place) return -1;
    const auto code = run_in(*place, {"sh", "-c", script + " >/dev/null 2>&1"});
    EXPECT_TRUE(code) << (code ? "" : code.error().message);
    return code.value_or(-1);
  }
  bool reaches(const LabRecord& r, const std::string& from, const std::string& address) {
    return run(r, from, "ping -c1 -W1 " + address) == 0;
  }

  std::string name_;
  UpOptions options_;
  std::string topology_;
};

TEST_F(Lab, nodes_reach_each_other_across_routers_in_both_families) {
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  for (const char* to : {"172.18.2.13", "fd00:18:2::13", "172.18.9.10", "fd00:18:9::10", "172.18.1.2"})
    EXPECT_TRUE(eventually([&] { return reaches(*r, "cluster1/node1", to); })) << to;
  EXPECT_TRUE(eventually([&] { return reaches(*r, "client", "fd00:18:1::12"); }));
}

TEST_F(Lab, nothing_of_it_shows_on_the_machine_and_nothing_stays) {
  const Machine before = Machine::now();
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(Machine::now().mounts, before.mounts);
  EXPECT_EQ(Machine::now().interfaces, before.interfaces);
  const auto namespaces = namespaces_of(*r);
  EXPECT_EQ(namespaces.size(), make_plan(r->topology).sandboxes.size());
  // Also with mounts and processes that a user left in a node.
  EXPECT_EQ(
      run(*r, "cluster1/node1", "mkdir -p /mnt/x && mount -t tmpfs x /mnt/x && ip netns add left && (sleep 1000 &)"),
      0);
  const auto gone = down(name_, [](const std::string&) {});
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_TRUE(*gone);
  EXPECT_TRUE(nothing_left(name_));
  EXPECT_EQ(Machine::now(), before);
  EXPECT_TRUE(eventually([&] {
    const auto used = namespaces_in_use();
    return std::ranges::none_of(namespaces, [&](ino_t n) { return used.contains(n); });
  }));
}

TEST_F(Lab, a_loopback_port_a_cluster_is_all_that_the_machines_network_has_of_it) {
  use("clusters: [{name: one, nodes: 1}, {name: two, nodes: 1}]\n");
  options_.network_only = false;
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  std::set<std::string> wanted;
  for (const auto& [cluster, port] : r->api_ports) {
    char end[32];
    std::snprintf(end, sizeof end, "tcp %08X:%04X", htonl(INADDR_LOOPBACK), port);
    wanted.insert(end);
  }
  EXPECT_EQ(wanted.size(), 2u);
  EXPECT_EQ(ends_of_sockets(r->paths.cgroup), wanted);
}

TEST_F(Lab, down_cleans_up_after_an_up_that_was_killed_at_any_step) {
  for (int step = 1; step <= 4; ++step) {
    const Machine before = Machine::now();
    const pid_t pid = ::fork();
    if (pid == 0) {
      int line = 0;
      UpOptions o = options_;
      o.network_only = step < 3;  // after the fourth, etcd and everything else runs
      (void)up(o, [&](const std::string&) {
        if (++line == step) ::kill(::getpid(), SIGKILL);
      });
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "step " << step;
    EXPECT_FALSE(nothing_left(name_)) << "step " << step;
    EXPECT_FALSE(build()) << "a lab half built is in the way, and says so";
    ASSERT_TRUE(down(name_, [](const std::string&) {})) << "step " << step;
    EXPECT_TRUE(nothing_left(name_)) << "step " << step;
    EXPECT_EQ(Machine::now(), before) << "step " << step;
  }
}

TEST_F(Lab, two_labs_run_side_by_side_and_end_apart) {
  use("clusters: [{name: one, nodes: 1}]\n");
  const auto a = build();
  ASSERT_TRUE(a) << a.error().message;
  options_.name = name_ + "-b";
  const auto b = build();
  ASSERT_TRUE(b) << b.error().message;
  EXPECT_EQ(run(*a, "one/node1", "touch /root/mark && ip addr add 192.0.2.1/32 dev lo"), 0);
  EXPECT_EQ(run(*b, "one/node1", "test ! -e /root/mark && ! ip addr | grep -q 192.0.2.1"), 0);
  ASSERT_TRUE(down(name_ + "-b", [](const std::string&) {}));
  EXPECT_TRUE(reaches(*a, "one/node1", "172.18.1.11"));
  EXPECT_TRUE(load_record(name_));
}

TEST_F(Lab, a_name_that_is_taken_is_refused_and_disturbs_nothing) {
  use("clusters: [{name: one, nodes: 1}]\n");
  const auto a = build();
  ASSERT_TRUE(a) << a.error().message;
  const auto again = build();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::exists);
  EXPECT_EQ(run(*a, "one/node1", "true"), 0);
}

TEST_F(Lab, a_cut_link_separates_the_clusters_but_not_the_client_and_heals) {
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  ASSERT_TRUE(eventually(
      [&] { return reaches(*r, "cluster1/node1", "172.18.2.11") && reaches(*r, "cluster1/node1", "fd00:18:2::11"); }));
  const auto ends = link_ends(r->topology, "cluster1", "cluster2");
  ASSERT_TRUE(ends);
  const Plan plan = make_plan(r->topology);
  for (const auto& [router, interface] :
       {std::pair{ends->router_a, ends->interface_a}, {ends->router_b, ends->interface_b}})
    ASSERT_TRUE(ip_batch(r->holders.at(router), "link set " + interface + " down\n"));
  EXPECT_FALSE(reaches(*r, "cluster1/node1", "172.18.2.11"));
  EXPECT_FALSE(reaches(*r, "cluster1/node1", "fd00:18:2::11"));
  EXPECT_TRUE(reaches(*r, "client", "172.18.2.11"));
  for (const auto& [router, interface] :
       {std::pair{ends->router_a, ends->interface_a}, {ends->router_b, ends->interface_b}})
    ASSERT_TRUE(ip_batch(r->holders.at(router), "link set " + interface + " up\n"));
  for (const auto& router : {ends->router_a, ends->router_b})
    ASSERT_TRUE(ip_batch(r->holders.at(router), addressing(*plan.sandbox(router))));
  EXPECT_TRUE(eventually(
      [&] { return reaches(*r, "cluster1/node1", "172.18.2.11") && reaches(*r, "cluster1/node1", "fd00:18:2::11"); }));
}

TEST_F(Lab, a_node_has_its_own_cgroup_root_bpffs_and_writable_folders) {
  use("clusters: [{name: one, nodes: 2}]\n");
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(run(*r, "one/node1", "test \"$(cat /proc/self/cgroup | grep ^0::)\" = 0::/exec"), 0);
  EXPECT_EQ(run(*r, "one/node1", "grep -q '^cgroup2 /sys/fs/cgroup cgroup2' /proc/mounts && mkdir /sys/fs/cgroup/mine"),
            0);
  EXPECT_EQ(
      run(*r, "one/node1", "mkdir /sys/fs/bpf/mine && touch /etc/cni/net.d/a /opt/cni/bin/b /var/lib/cilium/c /run/d"),
      0);
  EXPECT_EQ(run(*r, "one/node2",
                "test ! -e /sys/fs/cgroup/mine -a ! -e /sys/fs/bpf/mine -a ! -e /etc/cni/net.d/a -a ! -e /run/d"),
            0);
  EXPECT_EQ(run(*r, "one/node2", "test $(hostname) = one-node2 && getent hosts one-node1"), 0);
  EXPECT_FALSE(fs::exists("/var/lib/cilium/c"));
}

TEST_F(Lab, exit_codes_pass_through_and_strangers_are_named) {
  use("clusters: [{name: one, nodes: 1}]\n");
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(run(*r, "one/node1", "exit 42"), 42);
  EXPECT_EQ(run(*r, "one/router", "kill -9 $$"), 137);
  const auto nobody = find_place(*r, "two/node1", "default", "");
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().message, ::testing::HasSubstr("one-node1"));
  EXPECT_FALSE(find_place(*r, "one/no-such-pod", "default", ""));
}

TEST_F(Lab, bgp_brings_pods_of_one_cluster_to_the_other_and_nothing_else_does) {
  options_.file = WEFT_SOURCE_DIR "/lab/topologies/bgp.yaml";
  const auto r = build();
  ASSERT_TRUE(r) << r.error().message;
  const auto shows = [&](const char* router, const std::string& command, const std::string& what) {
    return eventually([&] { return run(*r, router, "vtysh -c '" + command + "' | grep -q '" + what + "'") == 0; }, 60s);
  };
  EXPECT_TRUE(shows("tor1", "show bgp neighbors 172.18.0.2", "BGP state = Established"));
  EXPECT_TRUE(shows("tor2", "show bgp neighbors 172.18.0.6", "BGP state = Established"));
  ASSERT_EQ(run(*r, "cluster2/node1", "ip addr add 10.2.0.1/32 dev lo"), 0);
  EXPECT_FALSE(reaches(*r, "cluster1/node1", "10.2.0.1"));
  // Any BGP speaker on the nodes will do.
  const auto speak = [](const std::string& pods, const std::string& asn, const std::vector<std::string>& routers) {
    std::string conf = "protocol device {} protocol static { ipv4; route " + pods + " unreachable; } ";
    for (const auto& router : routers)
      conf += "protocol bgp { local as " + asn + "; neighbor " + router +
              " external; connect delay time 1; connect retry time 1; ipv4 { import none; export all; }; } ";
    return "mkdir -p /run/bird && echo \"" + conf + "\" > /etc/bird.conf && bird -c /etc/bird.conf";
  };
  ASSERT_EQ(run(*r, "cluster2/node1", speak("10.2.0.0/24", "65011", {"172.18.2.1"})), 0);
  for (const char* node : {"cluster1/node1", "cluster1/node2"})
    ASSERT_EQ(run(*r, node, speak("10.99.0.0/24", "65010", {"10.0.0.1", "10.0.0.2"})), 0);
  EXPECT_TRUE(shows("tor2", "show ip route 10.2.0.0/24", "172.18.0.6"));
  // Two nodes, two ways.
  EXPECT_TRUE(eventually(
      [&] { return run(*r, "tor1", "test $(ip route show 10.99.0.0/24 | grep -c nexthop) = 2") == 0; }, 60s));
  EXPECT_TRUE(shows("cluster2-router", "show ip bgp", "10.99.0.0/24"));
  EXPECT_TRUE(eventually([&] { return reaches(*r, "cluster1/node1", "10.2.0.1"); }, 60s));
  ASSERT_TRUE(down(name_, [](const std::string&) {}));
  EXPECT_TRUE(nothing_left(name_));
}

}  // namespace
}  // namespace weft::lab
