#include "bench/bgp/subject.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "bench/bgp/control.h"
#include "bench/bgp/inject.h"
#include "bench/bgp/routes.h"

namespace weft::bgpbench {
namespace {

using namespace std::chrono_literals;
using interop::Host;

// `network` statements: they need neither zebra nor a route in the kernel. Attributes come from ten route maps.
class Frr final : public Subject {
 public:
  using Subject::Subject;

  void prepare() override {
    std::ofstream out(file());
    for (unsigned k = 0; k < kSets; ++k)
      out << fmt::format("route-map SET{} permit 10\n set community {} {}\nexit\n", k, community_text(k, 0),
                         community_text(k, 1));
    out << "route-map NONE deny 10\nexit\n";
    out << fmt::format(
        "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp network import-check\n"
        " no bgp default ipv4-unicast\n bgp graceful-restart-disable\n neighbor all peer-group\n"
        " neighbor all remote-as {}\n neighbor all timers connect 1\n",
        kSenderAsn, options_.address, kReceiverAsn);
    for (const auto& p : options_.peers) out << fmt::format(" neighbor {} peer-group all\n", p);
    out << " address-family ipv4 unicast\n";
    for (std::uint32_t n = 0; n < options_.originate; ++n)
      out << fmt::format("  network {} route-map SET{}\n", route(n), n % kSets);
    out << "  neighbor all activate\n exit-address-family\nexit\n";
  }

  void start() override {
    host_.must({"touch", "/etc/frr/vtysh.conf"});
    run({"/usr/lib/frr/bgpd", "-Z", "-f", file(), "--log", "stdout", "-A", "127.0.0.1"});
  }

  // A policy on the way out withdraws everything at once; taking back the statements would be a million commands.
  void withdraw_all() override {
    host_.must({"vtysh", "-c", "configure terminal", "-c", fmt::format("router bgp {}", kSenderAsn), "-c",
                "address-family ipv4 unicast", "-c", "neighbor all route-map NONE out"},
               600s);
  }

  std::uint64_t received() override {
    return number_after(ask_frr(control_, "show bgp ipv4 unicast summary json"), "\"pfxRcd\":", 0);
  }

 private:
  std::string file() const { return host_.dir() + "/subject.conf"; }
  Control control_ = frr_control(host_);
};

// Ten static protocols, one an attribute set: their import filter sets it once, and all routes share it.
class Bird final : public Subject {
 public:
  using Subject::Subject;

  void prepare() override {
    std::ofstream out(file());
    out << fmt::format("log stderr all;\nrouter id {};\nprotocol device {{ }}\n", options_.address);
    for (unsigned k = 0; options_.originate > 0 && k < kSets; ++k) {
      out << fmt::format(
          "protocol static set{} {{ ipv4 {{ import filter {{ bgp_community.add(({},{})); bgp_community.add(({},{})); "
          "accept; }}; }};\n",
          k, 65000, k, 65001, k);
      for (std::uint32_t n = k; n < options_.originate; n += kSets) out << "route " << route(n) << " blackhole;\n";
      out << "}\n";
    }
    out << fmt::format(
        "template bgp peer {{ local {} as {}; connect delay time 1; connect retry time 1; error wait time 1,2; "
        "graceful restart off; ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }}; }}\n",
        options_.address, kSenderAsn);
    for (std::size_t i = 0; i < options_.peers.size(); ++i)
      out << fmt::format("protocol bgp p{} from peer {{ neighbor {} as {}; }}\n", i, options_.peers[i], kReceiverAsn);
  }

  void start() override { run({"bird", "-f", "-c", file(), "-s", "/run/bird/bird.ctl"}); }
  void withdraw_all() override { control_.ask("disable \"set*\"\n"); }
  std::uint64_t received() override { return number_after(control_.ask("show protocols all p0\n"), "Routes:", 0); }

 private:
  std::string file() const { return host_.dir() + "/subject.conf"; }
  Control control_ = bird_control(host_);
};

// Over gRPC before any neighbour is there: with one, each route would be sent by itself as it comes, which costs the
// daemon more.
class GoBgp final : public Subject {
 public:
  using Subject::Subject;

  void prepare() override {
    std::ofstream(host_.dir() + "/subject.conf")
        << fmt::format("[global.config]\n  as = {}\n  router-id = \"{}\"\n", kSenderAsn, options_.address)
        << (options_.originate == 0 ? neighbors() : "");
  }

  void start() override {
    run({"gobgpd", "-f", host_.dir() + "/subject.conf", "--api-hosts", "unix://" + socket(), "--log-level", "error",
         "--log-plain", "--pprof-disable"});
    interop::wait_until(
        30s, "gobgpd answers", [&] { return !running() || host_.run(gobgp({"global"})).ok(); }, [&] { return log(); });
    if (options_.originate == 0) return;
    inject(socket(), options_.originate, options_.address);
    for (const auto& p : options_.peers) host_.must(gobgp({"neighbor", "add", p, "as", std::to_string(kReceiverAsn)}));
  }

  // Deleting "all" costs as much, and a policy with a soft reset withdraws nothing (3.10).
  void withdraw_all() override { inject(socket(), options_.originate, options_.address, true); }

  std::uint64_t received() override {
    // The list of all: with an address the command also asks what is advertised to it, which the daemon works out from
    // its whole table.
    const std::string said = host_.run(gobgp({"neighbor", "-j"})).out;
    const auto from = said.find("\"neighbor_address\":\"" + options_.peers.front() + "\"");
    if (from == std::string::npos) return 0;
    // Messages are counted first and called the same: routes are behind the families.
    const auto at = said.find("\"afi_safis\"", from);
    return at == std::string::npos ? 0 : number_after(said.substr(at), "\"received\":", 0);
  }
  // Even so an answer walks all that the peer sent: asked again at once, that is most of what the daemon does.
  std::chrono::milliseconds between_questions() const override { return 1s; }

 private:
  std::string socket() const { return host_.dir() + "/gobgp.sock"; }
  interop::Argv gobgp(const interop::Argv& command) const {
    interop::Argv argv = {"gobgp", "--target", "unix://" + socket()};
    argv.insert(argv.end(), command.begin(), command.end());
    return argv;
  }

  std::string neighbors() const {
    std::string out;
    for (const auto& p : options_.peers)
      out += fmt::format(
          "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"{}\"\n    peer-as = {}\n"
          "  [neighbors.timers.config]\n    connect-retry = 1\n",
          p, kReceiverAsn);
    return out;
  }
};

class Weft final : public Subject {
 public:
  using Subject::Subject;

  void prepare() override {
    std::ofstream(host_.dir() + "/subject.json") << config(options_.originate);
    std::ofstream list(list_file());
    for (std::uint32_t n = 0; n < options_.originate; ++n) list << route(n) << "\n";
  }

  void start() override {
    const char* given = std::getenv("WEFT_BGP_SPEAKER");
    std::error_code ec;
    const auto beside = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / "bgp-speaker";
    const std::string program = given != nullptr ? given : beside.string();
    if (!std::filesystem::exists(program))
      throw std::runtime_error(program +
                               ": is not there; build the target bgp-speaker, or name --speakers without weft");
    run({program, "--config", host_.dir() + "/subject.json", "--control", socket()});
  }

  void withdraw_all() override { control_.ask("{\"command\":\"apply\",\"config\":" + config(0) + "}\n"); }
  std::uint64_t received() override {
    return number_after(control_.ask("{\"command\":\"peers\"}\n"), "\"received\":", 0);
  }

 private:
  std::string socket() const { return host_.dir() + "/subject.sock"; }
  std::string list_file() const { return host_.dir() + "/routes.txt"; }

  std::string config(std::uint32_t routes) const {
    std::string peers;
    for (std::size_t i = 0; i < options_.peers.size(); ++i)
      peers += fmt::format(
          "{}{{\"name\":\"p{}\",\"address\":\"{}\",\"remote_asn\":{},\"connect_retry\":1,\"families\":[\"ipv4\"],"
          "\"routes\":\"all\"}}",
          i == 0 ? "" : ",", i, options_.peers[i], kReceiverAsn);
    const std::string set =
        routes == 0 ? "[]" : fmt::format("{{\"file\":{{\"path\":\"{}\",\"attribute_sets\":{}}}}}", list_file(), kSets);
    return fmt::format(
        "{{\"instances\":[{{\"name\":\"main\",\"local_asn\":{},\"router_id\":\"{}\",\"listen_port\":179,\"peers\":[{}]}"
        "}],"
        "\"route_sets\":{{\"all\":{}}}}}",
        kSenderAsn, options_.address, peers, set);
  }

  Control control_ = weft_control(host_, host_.dir() + "/subject.sock");
};

}  // namespace

std::unique_ptr<Subject> make_subject(Kind kind, Host& host, SubjectOptions options) {
  switch (kind) {
    case Kind::frr: return std::make_unique<Frr>(host, std::move(options));
    case Kind::bird: return std::make_unique<Bird>(host, std::move(options));
    case Kind::gobgp: return std::make_unique<GoBgp>(host, std::move(options));
    case Kind::weft: return std::make_unique<Weft>(host, std::move(options));
    default: throw std::runtime_error("not a subject of this benchmark");
  }
}

struct FrrReceiver::Parts {
  interop::Daemon daemon;
  Control control;
};

FrrReceiver::FrrReceiver(Host& host, const std::string& address, const std::string& peer)
    : parts_(new Parts{{}, frr_control(host)}) {
  host.write(
      "receiver.conf",
      fmt::format("route-map NOTHING deny 10\nexit\n"
                  "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n"
                  " bgp graceful-restart-disable\n neighbor {} remote-as {}\n neighbor {} timers connect 1\n"
                  " address-family ipv4 unicast\n  neighbor {} activate\n  neighbor {} route-map NOTHING out\n"
                  " exit-address-family\nexit\n",
                  kReceiverAsn, address, peer, kSenderAsn, peer, peer, peer));
  host.must({"touch", "/etc/frr/vtysh.conf"});
  parts_->daemon.start(
      host, {"/usr/lib/frr/bgpd", "-Z", "-f", host.dir() + "/receiver.conf", "--log", "stdout", "-A", "127.0.0.1"},
      host.dir() + "/receiver.log");
  interop::wait_until(
      30s, "the receiving bgpd answers", [&] { return !ask_frr(parts_->control, "show bgp summary json").empty(); },
      [&] { return interop::slurp(host.dir() + "/receiver.log"); });
}

FrrReceiver::~FrrReceiver() = default;

std::uint64_t FrrReceiver::received() {
  return number_after(ask_frr(parts_->control, "show bgp ipv4 unicast summary json"), "\"pfxRcd\":", 0);
}

}  // namespace weft::bgpbench
