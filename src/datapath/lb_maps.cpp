#include "datapath/lb_maps.h"

#include <arpa/inet.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "datapath/id_allocator.h"

namespace weft {

LbSizes LbSizes::for_capacity(std::uint32_t services, std::uint32_t backends, std::uint32_t maglev_services) {
  LbSizes s;
  s.frontends = services;
  s.backends = backends;
  // A range is at most twice what its service needs, and moving one needs the old and the new at once.
  s.slots = std::max(s.slots, 2 * services + 4 * backends) + (maglev_services << order_for(s.maglev_table));
  s.members = std::max(s.members, backends);
  return s;
}

std::uint32_t LbSizes::connected_sets() const {
  return std::bit_ceil((connected + LB_CONNECTED_WAYS - 1) / LB_CONNECTED_WAYS);
}

abi::lb_endpoint to_abi(const LbEndpoint& e) {
  abi::lb_endpoint out{};
  const auto bytes = e.address.address.bytes();
  std::memcpy(out.address, bytes.data(), bytes.size());
  out.port = htons(e.address.port);
  out.protocol = static_cast<std::uint8_t>(e.protocol);
  out.family = static_cast<std::uint8_t>(e.address.address.family());
  return out;
}

LbEndpoint from_abi(const abi::lb_endpoint& e) {
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), e.address, 16);
  const Address a = e.family == 6 ? Address::v6(bytes) : Address::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  return {{a, ntohs(e.port)}, static_cast<Protocol>(e.protocol)};
}

std::uint64_t LbChoice::word() const {
  return std::uint64_t{first} | (std::uint64_t{count} << 32) | (maglev ? LB_CHOICE_MAGLEV : 0);
}

LbChoice LbChoice::from_word(std::uint64_t w) {
  return {static_cast<std::uint32_t>(w), static_cast<std::uint32_t>((w & ~LB_CHOICE_MAGLEV) >> 32),
          (w & LB_CHOICE_MAGLEV) != 0};
}

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::string text(const LbChoice& c) {
  return fmt::format("slots {}+{}{}", c.first, c.count, c.maglev ? " maglev" : "");
}

}  // namespace

std::string to_string(const LbWrite& write) {
  return std::visit(
      Overloaded{
          [](const SetBackend& w) {
            return fmt::format("backend {} = {}{}", w.id, w.endpoint.to_string(),
                               w.cluster == 0 ? "" : " of another cluster");
          },
          [](const ClearBackend& w) { return fmt::format("backend {} cleared", w.id); },
          [](const SetSlot& w) { return fmt::format("slot {} = backend {}", w.slot, w.backend); },
          [](const SetService& w) {
            return fmt::format("service {} = {} {} affinity {}s", w.id, w.frontend.to_string(), text(w.choice),
                               w.affinity_seconds);
          },
          [](const ClearService& w) { return fmt::format("service {} cleared", w.id); },
          [](const SetChoice& w) { return fmt::format("service {} -> {}", w.id, text(w.choice)); },
          [](const SetAffinity& w) { return fmt::format("service {} affinity {}s", w.id, w.seconds); },
          [](const Bind& w) { return fmt::format("{} -> service {}", w.frontend.to_string(), w.service); },
          [](const Unbind& w) { return fmt::format("{} unbound", w.frontend.to_string()); },
          [](const SetMember& w) {
            const char* state = w.state == abi::LB_MEMBER_ACTIVE  ? "active"
                                : w.state == abi::LB_MEMBER_KEEPS ? "keeps"
                                                                  : "reserve";
            return fmt::format("member {}/{} {}", w.service, w.backend, state);
          },
          [](const DropMember& w) { return fmt::format("member {}/{} dropped", w.service, w.backend); },
      },
      write);
}

Result<> LbMaps::apply(std::span<const LbWrite> writes) {
  // Words that programs read while we write: stored whole, and with release order, so that whoever sees a word also
  // sees what it leads to.
  const auto store = [](auto& word, auto value) { std::atomic_ref(word).store(value, std::memory_order_release); };
  for (const LbWrite& write : writes) {
    WEFT_TRY(std::visit(
        Overloaded{
            [&](const SetBackend& w) -> Result<> {
              backend_array_[w.id] = {.endpoint = to_abi(w.endpoint), .cluster = w.cluster};
              return {};
            },
            [&](const ClearBackend& w) -> Result<> {
              backend_array_[w.id] = {};
              return {};
            },
            [&](const SetSlot& w) -> Result<> {
              store(slot_array_[w.slot].backend, w.backend);
              return {};
            },
            [&](const SetService& w) -> Result<> {
              service_array_[w.id] = {
                  .choice = w.choice.word(), .frontend = to_abi(w.frontend), .affinity_seconds = w.affinity_seconds};
              return {};
            },
            [&](const ClearService& w) -> Result<> {
              service_array_[w.id] = {};
              return {};
            },
            [&](const SetChoice& w) -> Result<> {
              store(service_array_[w.id].choice, static_cast<decltype(abi::lb_service::choice)>(w.choice.word()));
              return {};
            },
            [&](const SetAffinity& w) -> Result<> {
              store(service_array_[w.id].affinity_seconds, w.seconds);
              return {};
            },
            [&](const Bind& w) { return bind(w.frontend, w.service); },
            [&](const Unbind& w) { return unbind(w.frontend); },
            [&](const SetMember& w) { return set_member(w.service, w.backend, w.state); },
            [&](const DropMember& w) { return drop_member(w.service, w.backend); },
        },
        write));
  }
  return {};
}

Result<std::vector<LbRow>> LbMaps::dump() const {
  const auto bound = bindings();
  if (!bound) return fail(bound.error());
  const auto kept = members();
  if (!kept) return fail(kept.error());
  std::vector<LbRow> rows;
  for (const auto& [frontend, id] : *bound) {
    if (id >= service_array_.size()) continue;
    const abi::lb_service& s = service_array_[id];
    const LbChoice choice = LbChoice::from_word(s.choice);
    LbRow row{.frontend = frontend,
              .service = id,
              .algorithm = choice.maglev ? LbAlgorithm::maglev : LbAlgorithm::random,
              .affinity_seconds = s.affinity_seconds,
              .backends = {}};
    std::map<std::uint32_t, std::uint32_t> counts;
    if (std::uint64_t{choice.first} + choice.count <= slot_array_.size())
      for (std::uint32_t i = 0; i < choice.count; ++i) ++counts[slot_array_[choice.first + i].backend];
    for (auto it = kept->lower_bound({id, 0}); it != kept->end() && it->first.first == id; ++it)
      if (it->second != abi::LB_MEMBER_RESERVE) counts.try_emplace(it->first.second, 0);
    for (const auto& [backend, slots] : counts) {
      if (backend >= backend_array_.size()) continue;
      row.backends.push_back({backend, from_abi(backend_array_[backend].endpoint).address, slots});
    }
    std::ranges::sort(row.backends, {}, &LbRow::Member::address);
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<LbUsage> LbMaps::usage() const {
  const auto rows = dump();
  if (!rows) return fail(rows.error());
  const auto kept = members();
  if (!kept) return fail(kept.error());
  std::set<std::uint32_t> backends;
  std::uint32_t slots = 0;
  for (const LbRow& row : *rows) {
    const auto count = LbChoice::from_word(service_array_[row.service].choice).count;
    if (count > 0) slots += 1u << order_for(count);
    for (const auto& b : row.backends) backends.insert(b.id);
  }
  return LbUsage{{{"frontends", static_cast<std::uint32_t>(rows->size()), sizes().frontends},
                  {"backends", static_cast<std::uint32_t>(backends.size()), sizes().backends},
                  {"slots", slots, sizes().slots},
                  {"members", static_cast<std::uint32_t>(kept->size()), sizes().members}}};
}

std::string LbRow::to_string() const {
  std::string out = frontend.to_string() + (algorithm == LbAlgorithm::maglev ? " maglev" : " random");
  if (affinity_seconds > 0) out += fmt::format(" affinity {}s", affinity_seconds);
  out += " ->";
  if (backends.empty()) out += " none";
  for (const Member& m : backends)
    out += m.slots > 0 ? " " + m.address.to_string() : " (" + m.address.to_string() + ")";
  return out;
}

// ---- FakeLbMaps

FakeLbMaps::FakeLbMaps(LbSizes sizes) : sizes_(sizes) {
  services_.resize(sizes.frontends + 1);
  slots_.resize(sizes.slots);
  backends_.resize(sizes.backends + 1);
  service_array_ = services_;
  slot_array_ = slots_;
  backend_array_ = backends_;
}

Result<> FakeLbMaps::bind(const LbEndpoint& frontend, std::uint32_t service) {
  if (bindings_.size() >= sizes_.frontends && !bindings_.contains(frontend))
    return fail(Errc::exhausted, "lb_frontends is full");
  bindings_[frontend] = service;
  return {};
}

Result<> FakeLbMaps::unbind(const LbEndpoint& frontend) {
  bindings_.erase(frontend);
  return {};
}

Result<> FakeLbMaps::set_member(std::uint32_t service, std::uint32_t backend, abi::lb_member_state state) {
  if (members_.size() >= sizes_.members && !members_.contains({service, backend}))
    return fail(Errc::exhausted, "lb_members is full");
  members_[{service, backend}] = state;
  return {};
}

Result<> FakeLbMaps::drop_member(std::uint32_t service, std::uint32_t backend) {
  members_.erase({service, backend});
  return {};
}

FakeLbMaps::Lookup FakeLbMaps::lookup(const LbEndpoint& frontend, std::uint32_t pick) const {
  const auto it = bindings_.find(frontend);
  if (it == bindings_.end()) return {};
  const abi::lb_service& s = services_.at(it->second);
  if (from_abi(s.frontend) != frontend) return {};
  const LbChoice choice = LbChoice::from_word(s.choice);
  if (choice.count == 0) return {Answer::no_backend, {}};
  const std::uint32_t backend = slots_.at(choice.first + pick % choice.count).backend;
  const abi::lb_endpoint& e = backends_.at(backend).endpoint;
  if (e.protocol == 0) return {Answer::no_backend, {}};
  return {Answer::backend, from_abi(e)};
}

std::vector<SocketAddress> FakeLbMaps::choices(const LbEndpoint& frontend) const {
  std::set<SocketAddress> out;
  const auto it = bindings_.find(frontend);
  if (it == bindings_.end()) return {};
  const auto count = LbChoice::from_word(services_.at(it->second).choice).count;
  for (std::uint32_t i = 0; i < count; ++i)
    if (const auto r = lookup(frontend, i); r.answer == Answer::backend) out.insert(r.backend.address);
  return {out.begin(), out.end()};
}

}  // namespace weft
