// bench_bgp: how long, with how much CPU and memory, our speaker, GoBGP, BIRD and FRR send many routes from a cold
// start, withdraw them, send them to fifty peers, and receive them. Ratios of ours beside each other's, in one table.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "bench/bgp/scenario.h"
#include "tests/interop/harness/sandbox.h"

namespace weft::bgpbench {
namespace {

struct Options {
  std::vector<std::uint32_t> sizes;
  std::vector<std::string> speakers{"weft", "bird", "frr", "gobgp"};
  std::vector<std::string> only{"send", "fanout", "receive"};
  std::uint32_t fanout = 0;
  unsigned peers = 50;
  bool full = false;
  bool json = false;
};

constexpr const char* kTasks[] = {"send", "withdraw", "send to all", "withdraw from all", "receive"};

std::string count(std::uint32_t n) {
  return n % 1'000'000 == 0 ? fmt::format("{} M", n / 1'000'000)
         : n % 1000 == 0    ? fmt::format("{} k", n / 1000)
                            : fmt::format("{}", n);
}

struct Row {
  int task;
  std::uint32_t routes;
  std::string speaker;
  Figure figure;
};

class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void add(int task, std::uint32_t routes, const std::string& speaker, const Figure& f) {
    rows_.push_back({task, routes, speaker, f});
    if (json_) {
      fmt::print(
          "{{\"task\":\"{}\",\"routes\":{},\"speaker\":\"{}\",\"seconds\":{:.3f},\"cpu_seconds\":{:.2f},\"peak_mib\":{:"
          ".1f}}}\n",
          kTasks[task], routes, speaker, f.seconds, f.cpu_seconds, static_cast<double>(f.peak_kib) / 1024);
    } else {
      fmt::print("{:<18} {:>6}  {:<6} {:>9.2f} s {:>9.2f} s CPU {:>9.1f} MiB\n", kTasks[task], count(routes), speaker,
                 f.seconds, f.cpu_seconds, static_cast<double>(f.peak_kib) / 1024);
    }
    std::fflush(stdout);
  }

  void failed(const char* what, std::uint32_t routes, const std::string& speaker, const std::string& why) {
    fmt::print(stderr, "{} {} {}: {}\n", what, count(routes), speaker, why);
    ++failures_;
  }

  // Ours divided by theirs, and whether the bounds hold: those of the largest size that was sent, since a process has
  // a size of its own before its first route.
  int verdict() const {
    bool bad = failures_ > 0;
    std::uint32_t largest = 0;
    for (const auto& r : rows_)
      if (r.task == 0) largest = std::max(largest, r.routes);
    if (!json_ && find(0, largest, "weft") != nullptr)
      fmt::print("\nours divided by theirs                  seconds      CPU     peak\n");
    for (const auto& r : rows_) {
      const Row* ours = find(r.task, r.routes, "weft");
      if (r.speaker == "weft" || ours == nullptr) continue;
      const double seconds = ours->figure.seconds / r.figure.seconds;
      // A tick of the kernel's clock, 10 ms, is the least that can be told.
      const double cpu = (ours->figure.cpu_seconds + 0.005) / (r.figure.cpu_seconds + 0.005);
      const double memory = static_cast<double>(ours->figure.peak_kib) / static_cast<double>(r.figure.peak_kib);
      std::string missed;
      if (r.task == 0 && r.routes == largest) {
        if (r.speaker == "gobgp" && cpu > 0.2) missed += "  CPU above 0.2";
        if (r.speaker == "gobgp" && memory > 0.1) missed += "  memory above 0.1";
        if (r.speaker == "bird" && cpu > 1.0) missed += "  CPU above 1.0";
        if (r.speaker == "bird" && memory > 1.2) missed += "  memory above 1.2";
        bad = bad || !missed.empty();
      }
      if (!json_)
        fmt::print("{:<18} {:>6}  {:<8} {:>10.2f} {:>8.2f} {:>8.2f}{}\n", kTasks[r.task], count(r.routes), r.speaker,
                   seconds, cpu, memory, missed);
    }
    return bad ? 1 : 0;
  }

 private:
  const Row* find(int task, std::uint32_t routes, const std::string& speaker) const {
    for (const auto& r : rows_)
      if (r.task == task && r.routes == routes && r.speaker == speaker) return &r;
    return nullptr;
  }

  bool json_;
  int failures_ = 0;
  std::vector<Row> rows_;
};

Kind kind_of(const std::string& name) {
  for (const Kind k : {Kind::weft, Kind::frr, Kind::bird, Kind::gobgp})
    if (interop::to_string(k) == name) return k;
  throw std::runtime_error(name + ": not a speaker of this benchmark; weft, bird, frr, gobgp are");
}

int run(const Options& o) {
  Report report(o.json);
  const auto wanted = [&](const char* task) { return std::ranges::find(o.only, task) != o.only.end(); };
  // Speakers take turns within a task, so that what is compared ran within the same minute.
  const auto each = [&](const char* what, std::uint32_t routes, const std::function<void(const std::string&)>& fn) {
    for (const auto& name : o.speakers) try {
        fn(name);
      } catch (const std::exception& e) {
        report.failed(what, routes, name, e.what());
      }
  };
  for (const auto n : o.sizes) {
    if (wanted("send"))
      each("send", n, [&](const std::string& name) {
        const Sent s = send_to_frr(kind_of(name), n);
        report.add(0, n, name, s.sent);
        report.add(1, n, name, s.withdrawn);
      });
    if (wanted("receive"))
      each("receive", n, [&](const std::string& name) { report.add(4, n, name, receive(kind_of(name), n)); });
  }
  if (wanted("fanout"))
    each("send to all", o.fanout, [&](const std::string& name) {
      const Sent s = send_to_crowd(kind_of(name), o.fanout, o.peers);
      report.add(2, o.fanout, name, s.sent);
      report.add(3, o.fanout, name, s.withdrawn);
    });
  return report.verdict();
}

}  // namespace
}  // namespace weft::bgpbench

int main(int argc, char** argv) {
  weft::bgpbench::Options o;
  CLI::App app("Many BGP routes: our speaker beside BIRD, FRR and GoBGP. Needs root.");
  app.add_option("--sizes", o.sizes, "numbers of routes (1000,100000; with --full 1000000 too)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--speakers", o.speakers, "of weft, bird, frr, gobgp")->delimiter(',');
  app.add_option("--only", o.only, "of send, fanout, receive")->delimiter(',');
  app.add_option("--fanout", o.fanout, "routes to each of the peers with equal output (1000; with --full 100000)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--peers", o.peers, "peers with equal output")->check(CLI::Range(1, 250));
  app.add_flag("--full", o.full, "a million routes too");
  app.add_flag("--json", o.json, "one JSON object a line");
  CLI11_PARSE(app, argc, argv);
  if (o.sizes.empty()) o.sizes = {1000, 100'000};
  if (o.full && std::ranges::find(o.sizes, 1'000'000u) == o.sizes.end()) o.sizes.push_back(1'000'000);
  if (o.fanout == 0) o.fanout = o.full ? 100'000 : 1000;
  return weft::interop::run_in_sandbox([&] { return weft::bgpbench::run(o); }, std::chrono::hours(2));
}
