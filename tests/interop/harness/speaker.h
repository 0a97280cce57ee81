// One face for every BGP speaker: what it is told (SpeakerSpec), what it says (PeerView, RouteView) and what can be
// done to it. Each implementation turns the specification into its daemon's configuration, and its daemon's answers
// into the common values; the quirks that this takes are written down in ../README.md.
#pragma once

#include <boost/json/value.hpp>

#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "tests/interop/harness/host.h"

namespace weft::interop {

enum class Kind { frr, bird, gobgp, openbgpd, exabgp, weft };
std::string_view to_string(Kind);
inline constexpr Kind kForeign[] = {Kind::frr, Kind::bird, Kind::gobgp, Kind::openbgpd, Kind::exabgp};

struct BfdSpec {
  unsigned interval_ms = 100;  // both directions
  unsigned multiplier = 3;
  bool check_control_plane_failure = false;  // FRR's name for honouring the peer's C bit
};

struct PeerSpec {
  std::string name = "peer";
  std::string address;    // the peer's, or
  std::string interface;  // the one whose other end is the peer (unnumbered)
  std::uint32_t asn = 0;  // the peer's
  std::string asn_text;   // "external" or "internal" instead of a number, where the speaker offers it
  std::string local_address;
  std::string local_address_v6;  // next hop of IPv6 routes on a session over IPv4, for speakers that must be told
  std::vector<Family> families = {Family::v4, Family::v6};
  std::string password;
  unsigned hold_time = 9, keepalive = 3;  // seconds
  bool passive = false;
  unsigned multihop = 0;  // the TTL; 0: the default of the kind of session
  bool ttl_security = false;
  std::optional<unsigned> graceful_restart;  // restart time in seconds; absent: not offered
  std::optional<BfdSpec> bfd;
  bool extended_next_hop = false;
  bool two_byte_asn = false;  // as speakers before RFC 6793 (ExaBGP)
};

/// A route to originate. Communities are texts: "65000:1", "1:2:3" (large), "rt:65000:1" (extended).
struct RouteSpec {
  std::string prefix;
  std::string next_hop;                // empty: the speaker's own address
  std::vector<std::uint32_t> as_path;  // behind the speaker's own number
  std::string origin = "igp";
  std::optional<std::uint32_t> med, local_pref;
  std::vector<std::string> communities, large_communities, ext_communities;
};

struct SpeakerSpec {
  std::uint32_t asn = 0;
  std::string router_id;
  std::vector<PeerSpec> peers;
  std::vector<RouteSpec> routes;
  std::string extra;  // appended to the daemon's own configuration
};

/// A session as the speaker shows it.
struct PeerView {
  std::string state =
      "idle";  // RFC 4271's, lower case, without spaces: idle connect active opensent openconfirm established
  unsigned received = 0;                     // prefixes, both families
  std::string reason;                        // why it was last down, in the speaker's words
  std::uint64_t updates_in = 0;              // UPDATEs, or routes in them, as the speaker counts; GoBGP's stays 0
  std::uint64_t updates_out = 0, flaps = 0;  // of FRR and ours
  std::string raw;                           // the whole answer
  bool established() const { return state == "established"; }
};

/// A route that a peer sent, as the speaker shows it.
struct RouteView {
  std::string prefix;
  std::vector<std::string> next_hops;
  std::vector<std::uint32_t> as_path;
  std::string origin;  // igp egp incomplete
  std::optional<std::uint32_t> med, local_pref;
  std::vector<std::string> communities, large_communities, ext_communities;  // as in RouteSpec
  bool stale = false;                                                        // kept for a peer that restarts
  std::string to_string() const;
};
using Routes = std::map<std::string, RouteView>;  // by prefix

class Speaker {
 public:
  Speaker(Host& host, SpeakerSpec spec) : host_(host), spec_(std::move(spec)) {}
  virtual ~Speaker() = default;
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;

  Host& host() const { return host_; }
  const SpeakerSpec& spec() const { return spec_; }
  virtual Kind kind() const = 0;
  std::string name() const { return std::string(to_string(kind())) + " on " + host_.name(); }

  /// Returns when the daemon takes commands. `restarting`: as after a crash under graceful restart.
  virtual void start(bool restarting = false) = 0;
  /// Ends it as an operator would.
  virtual void stop() { daemon_.stop(SIGTERM); }
  virtual void kill() { daemon_.stop(SIGKILL); }
  /// Stops all of it where it stands, and lets it go on: silence, with connections that stay open.
  void pause() { ::kill(-daemon_.pid(), SIGSTOP); }
  void resume() { ::kill(-daemon_.pid(), SIGCONT); }
  virtual PeerView peer(const std::string& name = "peer") = 0;
  /// What its peers sent, chosen or not.
  virtual Routes routes() = 0;
  /// Adds or replaces a route of its own.
  virtual void announce(const RouteSpec& route) = 0;
  virtual void withdraw(const std::string& prefix) = 0;
  /// Asks the peer to send everything again. GoBGP does not: it looks again at what it has.
  virtual void refresh(const std::string& peer) = 0;
  /// Takes the session down with a message for the peer (RFC 9003).
  virtual void shut(const std::string& peer, const std::string& message) = 0;
  /// Ends BFD's process in good order, and starts it again; the speaker runs on.
  virtual void stop_bfd();
  virtual void start_bfd();
  /// Takes BFD from a peer, and leaves its session as it is.
  virtual void without_bfd(const std::string& peer);
  /// A line in the daemon's own words, for what only one of them can do (ExaBGP).
  virtual void tell(const std::string& line);
  virtual std::string log() const { return slurp(log_path()); }

  Daemon& daemon() { return daemon_; }
  std::string log_path() const { return host_.dir() + "/" + std::string(to_string(kind())) + ".log"; }

 protected:
  const PeerSpec& peer_spec(const std::string& name) const;
  Host& host_;
  SpeakerSpec spec_;
  Daemon daemon_;
};

/// Not started yet.
std::unique_ptr<Speaker> make_speaker(Kind kind, Host& host, SpeakerSpec spec);

// What the implementations share.
std::string lower(std::string text);
std::vector<std::string> words(std::string_view text, std::string_view separators = " \t\n");
/// Parses; throws with the text when it is not JSON.
boost::json::value parse_json(const std::string& text, const std::string& what);
/// The member at a path of keys, or null.
const boost::json::value* at(const boost::json::value& v, std::initializer_list<std::string_view> path);
std::string text_at(const boost::json::value& v, std::initializer_list<std::string_view> path);
std::int64_t number_at(const boost::json::value& v, std::initializer_list<std::string_view> path,
                       std::int64_t otherwise = 0);
/// "65001 65005 {1 2}" → the numbers.
std::vector<std::uint32_t> as_numbers(const std::string& text);
bool is_v6(const std::string& address_or_prefix);

}  // namespace weft::interop
