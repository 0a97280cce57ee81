// LbMaps: the maps of service load balancing (bpf/abi/lb.h) as the agent writes and reads them.
//
// Two implementations: BpfLbMaps (loader.h) over the kernel's maps, FakeLbMaps over plain memory, for tests that
// run the agent in-process. Both hold the same structs; what is written is a list of LbWrite in an order that keeps
// every prefix of it servable (lb_plan.h), so a reader in the kernel never finds half of an update.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "bpf/abi/lb.h"
#include "model/frontend.h"

namespace weft {

/// Sizes of the maps, fixed at load. Memory: about 100 bytes a frontend, 24 a backend, 8 a slot, 80 a member, 100 a
/// remembered client or socket.
struct LbSizes {
  std::uint32_t frontends = 65'536;
  std::uint32_t backends = 65'536;      // distinct address:port/protocol over all services
  std::uint32_t slots = 1'048'576;      // every service owns a power of two of them; Maglev: its table size, rounded up
  std::uint32_t members = 131'072;      // backends of UDP services and of services with session affinity
  std::uint32_t sticky = 131'072;       // clients remembered for session affinity; unconnected UDP sockets
  std::uint32_t connected = 262'144;    // TCP sockets whose peer is shown as the service's address; a power of two
  std::uint32_t reverse = 262'144;      // the same for UDP sockets
  std::uint32_t maglev_table = 16'381;  // prime; entries of one Maglev table

  /// Elements of lb_connected: a power of two.
  std::uint32_t connected_sets() const;

  /// Sizes that hold this many services and backends, with room for slots to be moved.
  static LbSizes for_capacity(std::uint32_t services, std::uint32_t backends, std::uint32_t maglev_services = 16);
  bool operator==(const LbSizes&) const = default;
};

using LbEndpoint = FrontendKey;  // address, port and protocol: of a frontend or of a backend

abi::lb_endpoint to_abi(const LbEndpoint& e);
LbEndpoint from_abi(const abi::lb_endpoint& e);

/// The word that a service's clients follow: which slots, and how to pick one.
struct LbChoice {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  bool maglev = false;
  std::uint64_t word() const;
  static LbChoice from_word(std::uint64_t w);
  bool operator==(const LbChoice&) const = default;
};

// ---- writes
struct SetBackend {
  std::uint32_t id;
  LbEndpoint endpoint;
  ClusterTag cluster = 0;
};
struct ClearBackend {
  std::uint32_t id;
};
struct SetSlot {
  std::uint32_t slot;
  std::uint32_t backend;
};
/// A whole service; only while no frontend leads to it.
struct SetService {
  std::uint32_t id;
  LbEndpoint frontend;
  LbChoice choice;
  std::uint32_t affinity_seconds;
};
struct ClearService {
  std::uint32_t id;
};
struct SetChoice {
  std::uint32_t id;
  LbChoice choice;
};
struct SetAffinity {
  std::uint32_t id;
  std::uint32_t seconds;
};
struct Bind {
  LbEndpoint frontend;
  std::uint32_t service;
};
struct Unbind {
  LbEndpoint frontend;
};
struct SetMember {
  std::uint32_t service;
  std::uint32_t backend;
  abi::lb_member_state state;
};
struct DropMember {
  std::uint32_t service;
  std::uint32_t backend;
};
using LbWrite = std::variant<SetBackend, ClearBackend, SetSlot, SetService, ClearService, SetChoice, SetAffinity, Bind,
                             Unbind, SetMember, DropMember>;
std::string to_string(const LbWrite&);

/// How full the maps are. Members and frontends are what the agent wrote; LRU maps evict by themselves.
struct LbUsage {
  struct Map {
    std::string name;
    std::uint32_t used = 0;
    std::uint32_t size = 0;
  };
  std::vector<Map> maps;
};

/// What sock_lb counted since the maps were created, over all CPUs. `sticky` is part of `translated`.
struct LbMetrics {
  std::uint64_t translated = 0;
  std::uint64_t sticky = 0;
  std::uint64_t no_backend = 0;
  std::uint64_t stale = 0;
};

/// One frontend as it stands in the maps.
struct LbRow {
  struct Member {
    std::uint32_t id = 0;
    SocketAddress address;
    std::uint32_t slots = 0;  // how many of the service's slots lead here; 0: only keeps what it has
    bool operator==(const Member&) const = default;
  };
  LbEndpoint frontend;
  std::uint32_t service = 0;
  LbAlgorithm algorithm = LbAlgorithm::random;
  std::uint32_t affinity_seconds = 0;
  std::vector<Member> backends;  // by address
  bool operator==(const LbRow&) const = default;
  /// "10.96.0.5:80/TCP random -> 10.1.0.7:8080 10.1.1.9:8080"; "-> none" without a backend; a backend that only
  /// keeps what it has is shown in parentheses.
  std::string to_string() const;
};

class LbMaps {
 public:
  virtual ~LbMaps() = default;
  virtual const LbSizes& sizes() const = 0;

  /// Applies in order; stops at the first that fails. Only Bind and SetMember can fail (map full, kernel refusal).
  Result<> apply(std::span<const LbWrite> writes);

  // ---- reading back
  virtual Result<std::map<LbEndpoint, std::uint32_t>> bindings() const = 0;
  virtual Result<std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state>> members() const = 0;
  std::span<const abi::lb_service> services() const { return service_array_; }
  std::span<const abi::lb_slot> slots() const { return slot_array_; }
  std::span<const abi::lb_backend> backends() const { return backend_array_; }
  /// In frontend order.
  Result<std::vector<LbRow>> dump() const;
  /// Reads every map: not for a scrape.
  Result<LbUsage> usage() const;
  /// Nothing where no program runs.
  virtual Result<LbMetrics> metrics() const { return LbMetrics{}; }
  /// Which frontend a UDP socket of this cookie asked for when it was sent to `backend`.
  virtual std::optional<LbEndpoint> reverse(std::uint64_t socket_cookie, const LbEndpoint& backend) const = 0;

  /// Returns when every program run that could have read something before this call has ended. Blocks for some
  /// milliseconds: not for the thread of the io_context.
  virtual void wait_readers() const = 0;
  /// Called once every row known at start is in the maps. A set of maps that replaces an incompatible one starts to
  /// serve only now; idempotent.
  virtual Result<> activate() { return {}; }
  /// Whether clients are led by these maps, and not by such an older set until activate().
  virtual bool serving() const { return true; }

 protected:
  virtual Result<> bind(const LbEndpoint& frontend, std::uint32_t service) = 0;
  virtual Result<> unbind(const LbEndpoint& frontend) = 0;
  virtual Result<> set_member(std::uint32_t service, std::uint32_t backend, abi::lb_member_state state) = 0;
  virtual Result<> drop_member(std::uint32_t service, std::uint32_t backend) = 0;

  std::span<abi::lb_service> service_array_;
  std::span<abi::lb_slot> slot_array_;
  std::span<abi::lb_backend> backend_array_;
};

/// The maps in memory, with a lookup that does what the BPF program does.
class FakeLbMaps final : public LbMaps {
 public:
  explicit FakeLbMaps(LbSizes sizes = {.frontends = 1024, .backends = 4096, .slots = 131'072, .members = 4096});
  FakeLbMaps(const FakeLbMaps&) = delete;
  FakeLbMaps& operator=(const FakeLbMaps&) = delete;

  const LbSizes& sizes() const override { return sizes_; }
  Result<std::map<LbEndpoint, std::uint32_t>> bindings() const override { return bindings_; }
  Result<std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state>> members() const override {
    return members_;
  }
  std::optional<LbEndpoint> reverse(std::uint64_t, const LbEndpoint&) const override { return std::nullopt; }
  void wait_readers() const override {}

  enum class Answer { not_a_service, no_backend, backend };
  struct Lookup {
    Answer answer = Answer::not_a_service;
    LbEndpoint backend;
  };
  /// What a connect() to `frontend` would do, `pick` standing in for the random number or the Maglev hash.
  Lookup lookup(const LbEndpoint& frontend, std::uint32_t pick) const;
  /// The addresses a new connection may reach, sorted, each once.
  std::vector<SocketAddress> choices(const LbEndpoint& frontend) const;

 protected:
  Result<> bind(const LbEndpoint& frontend, std::uint32_t service) override;
  Result<> unbind(const LbEndpoint& frontend) override;
  Result<> set_member(std::uint32_t service, std::uint32_t backend, abi::lb_member_state state) override;
  Result<> drop_member(std::uint32_t service, std::uint32_t backend) override;

 private:
  LbSizes sizes_;
  std::vector<abi::lb_service> services_;
  std::vector<abi::lb_slot> slots_;
  std::vector<abi::lb_backend> backends_;
  std::map<LbEndpoint, std::uint32_t> bindings_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state> members_;
};

}  // namespace weft
