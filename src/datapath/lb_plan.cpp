#include "datapath/lb_plan.h"

#include <algorithm>
#include <set>

#include "datapath/maglev.h"

namespace weft {

namespace {

template <class T>
void append(std::vector<T>& to, std::vector<T>&& from) {
  to.insert(to.end(), from.begin(), from.end());
  from.clear();
}

void sort_unique(std::vector<SocketAddress>& v) {
  if (!std::ranges::is_sorted(v)) std::ranges::sort(v);
  v.erase(std::unique(v.begin(), v.end()), v.end());
}

// Calls both(old, now) for every id of the two sorted lists; the one that lacks it is null.
template <class Fn>
void merge(const std::vector<LbHeld>& old, const std::vector<LbHeld>& now, Fn&& both) {
  auto a = old.begin(), b = now.begin();
  while (a != old.end() || b != now.end()) {
    if (b == now.end() || (a != old.end() && a->id < b->id)) {
      both(&*a++, static_cast<const LbHeld*>(nullptr));
    } else if (a == old.end() || b->id < a->id) {
      both(static_cast<const LbHeld*>(nullptr), &*b++);
    } else {
      both(&*a++, &*b++);
    }
  }
}

std::unexpected<Error> full(std::string_view map, std::uint32_t size, std::string_view setting, const LbEndpoint& f) {
  return fail(Errc::exhausted, fmt::format("frontend {}: map {} is full at {} entries; raise {} and restart the agent",
                                           f.to_string(), map, size, setting));
}

}  // namespace

void LbGarbage::add(LbGarbage&& more) {
  append(backends, std::move(more.backends));
  append(services, std::move(more.services));
  append(ranges, std::move(more.ranges));
}

std::size_t LbState::Hash::operator()(const LbEndpoint& e) const noexcept {
  return std::hash<Address>{}(e.address.address) * 1'000'003 + e.address.port * 31u + static_cast<unsigned>(e.protocol);
}

LbState::LbState(const LbSizes& sizes)
    : sizes_(sizes), service_ids_(sizes.frontends), backend_ids_(sizes.backends), ranges_(sizes.slots) {}

// The id of an endpoint: the one it has, or a fresh one together with the write that fills it.
Result<std::uint32_t> LbState::backend_id(const LbEndpoint& e, const Clusters& clusters, LbPlan& plan) {
  if (const auto it = by_endpoint_.find(e); it != by_endpoint_.end()) return it->second;
  const auto id = backend_ids_.allocate();
  if (!id) return full("lb_backends", sizes_.backends, "bpf-lb-backend-map-max", plan.frontend);
  plan.fresh.backends.push_back(*id);
  const auto cluster = clusters.find(e.address);
  const HeldBackend fresh{e, cluster == clusters.end() ? 0 : cluster->second, 0};
  plan.writes.push_back(SetBackend{*id, e, fresh.cluster});
  if (*id >= backends_.size()) backends_.resize(*id + 1);
  backends_[*id] = fresh;
  return *id;
}

Result<SlotRange> LbState::new_range(std::uint32_t slots, LbPlan& plan) {
  const auto range = ranges_.allocate(order_for(slots));
  if (!range) return full("lb_slots", sizes_.slots, "bpf-lb-slot-map-max", plan.frontend);
  plan.fresh.ranges.push_back(*range);
  return *range;
}

Result<LbPlan> LbState::plan_update(const Frontend& row) {
  LbPlan plan;
  plan.frontend = row.address;
  if (auto r = fill(row, plan); !r) {
    abort(std::move(plan));
    return fail(std::move(r).error());
  }
  return plan;
}

Result<> LbState::fill(const Frontend& row, LbPlan& plan) {
  const LbEndpoint& frontend = row.address;
  if (frontend.protocol != Protocol::tcp && frontend.protocol != Protocol::udp)
    return fail(Errc::unsupported,
                fmt::format("frontend {} of service {}: protocol {} is not translated; use TCP or UDP",
                            frontend.to_string(), row.service.to_string(), to_string(frontend.protocol)));
  if (frontend.address.port == 0)
    return fail(Errc::invalid, fmt::format("frontend {} of service {}: port 0 cannot be served", frontend.to_string(),
                                           row.service.to_string()));
  const bool udp = frontend.protocol == Protocol::udp;
  const auto found = services_.find(frontend);
  const LbServiceState* old = found == services_.end() ? nullptr : &found->second;

  // Who takes new connections, and who only keeps what it has.
  std::vector<SocketAddress> active, terminating, all;
  Clusters clusters;
  for (const Backend& b : row.backends) {
    if (b.address.address.family() != frontend.address.address.family() || b.address.port == 0) continue;
    if (udp) all.push_back(b.address);
    if (!b.cluster.empty()) clusters.emplace(b.address, cluster_tag(b.cluster));
    if (b.preferred) (b.state == BackendState::active ? active : terminating).push_back(b.address);
  }
  sort_unique(active);
  sort_unique(terminating);
  std::erase_if(terminating, [&](const SocketAddress& a) { return std::ranges::binary_search(active, a); });
  if (active.empty()) active.swap(terminating);

  const bool members = udp || row.session_affinity_seconds > 0;
  LbServiceState& next = plan.next;
  next.affinity_seconds = row.session_affinity_seconds;
  std::vector<std::uint32_t> chosen;
  chosen.reserve(active.size());
  next.held.reserve(active.size() + (members ? terminating.size() : 0));
  for (const SocketAddress& a : active) {
    const auto id = backend_id({a, frontend.protocol}, clusters, plan);
    if (!id) return fail(id.error());
    chosen.push_back(*id);
    next.held.push_back({*id, static_cast<std::uint8_t>(members ? abi::LB_MEMBER_ACTIVE : 0)});
  }
  if (members) {
    for (const SocketAddress& a : terminating) {
      const auto id = backend_id({a, frontend.protocol}, clusters, plan);
      if (!id) return fail(id.error());
      next.held.push_back({*id, abi::LB_MEMBER_KEEPS});
    }
  }
  add_reserve(row, clusters, old, plan);
  // An address that is in the row twice counts for what it does.
  std::ranges::stable_sort(next.held, {}, &LbHeld::id);
  const auto twice = std::ranges::unique(next.held, {}, &LbHeld::id);
  next.held.erase(twice.begin(), twice.end());
  sort_unique(all);
  next.known = std::move(all);

  if (old) {
    next.id = old->id;
  } else {
    const auto id = service_ids_.allocate();
    if (!id) return full("lb_services", sizes_.frontends, "bpf-lb-service-map-max", frontend);
    plan.fresh.services.push_back(*id);
    next.id = *id;
  }

  // Members first: these writes may fail, and so far no client sees anything.
  static const std::vector<LbHeld> none;
  const std::vector<LbHeld>& before = old ? old->held : none;
  merge(before, next.held, [&](const LbHeld* was, const LbHeld* now) {
    if (!now || now->member == 0 || (was && was->member == now->member)) return;
    plan.writes.push_back(SetMember{next.id, now->id, static_cast<abi::lb_member_state>(now->member)});
    if (was && was->member != 0) {
      plan.undo.push_back(SetMember{next.id, now->id, static_cast<abi::lb_member_state>(was->member)});
    } else {
      plan.undo.push_back(DropMember{next.id, now->id});
    }
  });

  WEFT_TRY(row.algorithm == LbAlgorithm::maglev ? plan_maglev(plan, old, chosen) : plan_random(plan, old, chosen));

  if (!old) {
    plan.writes.push_back(SetService{next.id, frontend, next.choice, next.affinity_seconds});
    plan.writes.push_back(Bind{frontend, next.id});
    return {};
  }
  if (old->choice != next.choice) plan.writes.push_back(SetChoice{next.id, next.choice});
  if (old->affinity_seconds != next.affinity_seconds)
    plan.writes.push_back(SetAffinity{next.id, next.affinity_seconds});
  if (old->range.order >= 0 && old->range != next.range) plan.garbage.ranges.push_back(old->range);
  merge(before, next.held, [&](const LbHeld* was, const LbHeld* now) {
    if (was && was->member != 0 && (!now || now->member == 0)) plan.writes.push_back(DropMember{next.id, was->id});
  });
  for (const SocketAddress& a : old->known)
    if (!std::ranges::binary_search(next.known, a)) plan.gone_udp.push_back({a, frontend.protocol});
  return {};
}

// What affinity holds back of another cluster. It is a luxury: a sixteenth of the maps at most.
void LbState::add_reserve(const Frontend& row, const Clusters& clusters, const LbServiceState* old, LbPlan& plan) {
  std::vector<LbHeld>& held = plan.next.held;
  const auto in_reserve = [&](std::uint32_t id) {
    if (!old) return false;
    const auto it = std::ranges::lower_bound(old->held, id, {}, &LbHeld::id);
    return it != old->held.end() && it->id == id && it->member == abi::LB_MEMBER_RESERVE;
  };
  std::uint32_t room = std::min(sizes_.members, sizes_.backends) / 16;
  room -= std::min(room, reserved_);
  for (const Backend& b : row.backends) {
    if (b.preferred || b.state != BackendState::active || !clusters.contains(b.address)) continue;
    const LbEndpoint endpoint{b.address, row.address.protocol};
    const auto known = by_endpoint_.find(endpoint);
    const bool already = known != by_endpoint_.end() && in_reserve(known->second);
    if (!already && room == 0) continue;
    const auto id = backend_id(endpoint, clusters, plan);
    if (!id) return;
    held.push_back({*id, abi::LB_MEMBER_RESERVE});
    if (!already) --room;
  }
}

Result<> LbState::plan_random(LbPlan& plan, const LbServiceState* old, const std::vector<std::uint32_t>& chosen) {
  LbServiceState& next = plan.next;
  const auto count = static_cast<std::uint32_t>(chosen.size());
  if (count == 0) return {};
  const bool in_place = old && !old->choice.maglev && old->range.count() >= count &&
                        (old->range.order < 4 || count * 8 > old->range.count());
  if (!in_place) {
    const auto range = new_range(count, plan);
    if (!range) return fail(range.error());
    next.range = *range;
    next.choice = {range->first, count, false};
    next.slots = chosen;
    for (std::uint32_t i = 0; i < count; ++i) plan.writes.push_back(SetSlot{range->first + i, chosen[i]});
    return {};
  }

  // Keep what can stay where it is; a backend that left makes a hole for one that came.
  next.range = old->range;
  next.slots = old->slots;
  std::vector<std::uint32_t> wanted = chosen;
  std::ranges::sort(wanted);
  std::vector<bool> placed(wanted.size());
  std::vector<std::uint32_t> holes;
  for (std::uint32_t i = 0; i < next.slots.size(); ++i) {
    const auto it = std::ranges::lower_bound(wanted, next.slots[i]);
    const auto n = static_cast<std::size_t>(it - wanted.begin());
    if (it == wanted.end() || *it != next.slots[i] || placed[n]) {
      holes.push_back(i);
    } else {
      placed[n] = true;
    }
  }
  std::vector<std::uint32_t> missing;
  for (std::size_t n = 0; n < wanted.size(); ++n)
    if (!placed[n]) missing.push_back(wanted[n]);
  const auto put = [&](std::uint32_t i, std::uint32_t id) {
    plan.writes.push_back(SetSlot{next.range.first + i, id});
    next.slots[i] = id;
  };
  auto add = missing.begin();
  std::size_t filled = 0;
  for (; add != missing.end() && filled < holes.size(); ++add, ++filled) put(holes[filled], *add);
  for (; add != missing.end(); ++add) {
    next.slots.push_back(0);
    put(static_cast<std::uint32_t>(next.slots.size() - 1), *add);
  }
  // Holes that are left are closed from the end. The moved backend stands in both places until the count shrinks.
  std::vector<std::uint32_t> left(holes.begin() + static_cast<std::ptrdiff_t>(filled), holes.end());
  while (!left.empty()) {
    const auto last = static_cast<std::uint32_t>(next.slots.size() - 1);
    if (left.back() == last) {
      left.pop_back();
    } else {
      put(left.front(), next.slots[last]);
      left.erase(left.begin());
    }
    next.slots.pop_back();
  }
  next.choice = {next.range.first, count, false};
  return {};
}

Result<> LbState::plan_maglev(LbPlan& plan, const LbServiceState* old, const std::vector<std::uint32_t>& chosen) {
  LbServiceState& next = plan.next;
  if (chosen.empty()) return {};
  const std::uint32_t size = sizes_.maglev_table;
  if (!is_prime(size))
    return fail(Errc::invalid,
                fmt::format("bpf-lb-maglev-table-size {}: must be a prime number, for example 16381", size));

  std::vector<abi::lb_endpoint> raw;
  std::vector<std::string_view> names;
  raw.reserve(chosen.size());
  for (const std::uint32_t id : chosen) raw.push_back(to_abi(backends_[id].endpoint));
  for (const auto& r : raw) names.emplace_back(reinterpret_cast<const char*>(&r), sizeof r);
  std::vector<std::uint32_t> table = maglev_table(size, names);
  for (std::uint32_t& entry : table) entry = chosen[entry];

  // In place when there is a table: every entry is valid before and after its own write.
  const bool in_place = old && old->choice.maglev && old->choice.count == size;
  if (in_place) {
    next.range = old->range;
  } else {
    const auto range = new_range(size, plan);
    if (!range) return fail(range.error());
    next.range = *range;
  }
  for (std::uint32_t i = 0; i < size; ++i)
    if (!in_place || old->slots[i] != table[i]) plan.writes.push_back(SetSlot{next.range.first + i, table[i]});
  next.choice = {next.range.first, size, true};
  next.slots = std::move(table);
  return {};
}

LbPlan LbState::plan_remove(const LbEndpoint& frontend) {
  LbPlan plan;
  plan.frontend = frontend;
  plan.removes = true;
  const auto it = services_.find(frontend);
  if (it == services_.end()) return plan;
  const LbServiceState& old = it->second;
  plan.writes.push_back(Unbind{frontend});
  for (const LbHeld& h : old.held)
    if (h.member != 0) plan.writes.push_back(DropMember{old.id, h.id});
  if (old.range.order >= 0) plan.garbage.ranges.push_back(old.range);
  plan.garbage.services.push_back(old.id);
  for (const SocketAddress& a : old.known) plan.gone_udp.push_back({a, frontend.protocol});
  return plan;
}

void LbState::hold(std::uint32_t id, const HeldBackend* found) {
  if (id >= backends_.size()) backends_.resize(id + 1);
  if (found) {
    backends_[id].endpoint = found->endpoint;
    backends_[id].cluster = found->cluster;
  }
  if (backends_[id].refs++ == 0) by_endpoint_.try_emplace(backends_[id].endpoint, id);
}

bool LbState::drop(std::uint32_t id) {
  HeldBackend& b = backends_[id];
  if (--b.refs > 0) return false;
  if (const auto it = by_endpoint_.find(b.endpoint); it != by_endpoint_.end() && it->second == id)
    by_endpoint_.erase(it);
  return true;
}

void LbState::commit(LbPlan& plan) {
  const auto it = services_.find(plan.frontend);
  std::vector<LbHeld> before;
  if (it != services_.end()) before = std::move(it->second.held);
  // All that come before any that goes, so that a backend never touches zero on its way.
  merge(before, plan.next.held, [&](const LbHeld* was, const LbHeld* now) {
    if (!was) hold(now->id);
    if (was && was->member == abi::LB_MEMBER_RESERVE) --reserved_;
    if (now && now->member == abi::LB_MEMBER_RESERVE) ++reserved_;
  });
  merge(before, plan.next.held, [&](const LbHeld* was, const LbHeld* now) {
    if (!now && drop(was->id)) plan.garbage.backends.push_back(was->id);
  });
  if (!plan.removes) {
    services_[plan.frontend] = std::move(plan.next);
  } else if (it != services_.end()) {
    services_.erase(it);
  }
}

void LbState::abort(LbPlan&& plan) {
  // Nobody was led to these: the writes that clients see come last and did not happen.
  for (const std::uint32_t id : plan.fresh.backends) backend_ids_.free(id);
  for (const std::uint32_t id : plan.fresh.services) service_ids_.free(id);
  for (const SlotRange range : plan.fresh.ranges) ranges_.free(range);
}

std::vector<LbWrite> LbState::release(const LbGarbage& garbage) {
  std::vector<LbWrite> writes;
  for (const std::uint32_t id : garbage.backends) {
    backend_ids_.free(id);
    writes.push_back(ClearBackend{id});
  }
  for (const std::uint32_t id : garbage.services) {
    service_ids_.free(id);
    writes.push_back(ClearService{id});
  }
  for (const SlotRange range : garbage.ranges) ranges_.free(range);
  return writes;
}

InheritedBackends LbState::remote_backends() const {
  InheritedBackends out;
  for (const auto& [frontend, service] : services_)
    for (const LbHeld& h : service.held)
      if (const HeldBackend& b = backends_[h.id]; b.cluster != 0)
        out[frontend].push_back({b.endpoint.address,
                                 h.member == abi::LB_MEMBER_KEEPS ? BackendState::terminating : BackendState::active,
                                 b.cluster});
  return out;
}

Result<std::vector<LbWrite>> LbState::adopt(const LbMaps& maps) {
  const auto bindings = maps.bindings();
  if (!bindings) return fail(bindings.error());
  const auto members = maps.members();
  if (!members) return fail(members.error());
  const auto backends = maps.backends();
  const auto usable = [&](std::uint32_t id, const LbEndpoint& frontend) {
    if (id == 0 || id >= backends.size()) return false;
    const abi::lb_endpoint& e = backends[id].endpoint;
    return e.protocol == static_cast<std::uint8_t>(frontend.protocol) &&
           e.family == static_cast<std::uint8_t>(frontend.address.address.family());
  };

  std::vector<LbWrite> repairs;
  std::set<std::uint32_t> alive;
  for (const auto& [frontend, id] : *bindings) {
    const bool known = id != 0 && id < maps.services().size() && from_abi(maps.services()[id].frontend) == frontend;
    LbServiceState s;
    s.id = id;
    if (known) {
      s.choice = LbChoice::from_word(maps.services()[id].choice);
      s.affinity_seconds = maps.services()[id].affinity_seconds;
      if (s.choice.count > 0) s.range = {s.choice.first, order_for(s.choice.count)};
    }
    bool sane = known && std::uint64_t{s.choice.first} + s.choice.count <= maps.slots().size();
    for (std::uint32_t i = 0; sane && i < s.choice.count; ++i) {
      s.slots.push_back(maps.slots()[s.choice.first + i].backend);
      sane = usable(s.slots.back(), frontend);
    }
    if (sane && s.range.order >= 0) sane = ranges_.reserve(s.range);
    if (sane && !service_ids_.reserve(id)) {
      ranges_.free(s.range);
      sane = false;
    }
    if (!sane) {
      repairs.push_back(Unbind{frontend});
      continue;
    }
    alive.insert(id);
    std::map<std::uint32_t, std::uint8_t> held;
    for (const std::uint32_t b : s.slots) held.emplace(b, 0);
    for (auto it = members->lower_bound({id, 0}); it != members->end() && it->first.first == id; ++it) {
      const std::uint32_t b = it->first.second;
      if (usable(b, frontend)) {
        held[b] = static_cast<std::uint8_t>(it->second);
      } else {
        repairs.push_back(DropMember{id, b});
      }
    }
    for (const auto& [b, member] : held) {
      const HeldBackend found{from_abi(backends[b].endpoint), backends[b].cluster, 0};
      backend_ids_.reserve(b);  // taken already when another service holds it
      hold(b, &found);
      s.held.push_back({b, member});
      if (member == abi::LB_MEMBER_RESERVE) ++reserved_;
      if (frontend.protocol == Protocol::udp) s.known.push_back(found.endpoint.address);
    }
    std::ranges::sort(s.known);
    services_.emplace(frontend, std::move(s));
  }
  for (const auto& [key, state] : *members)
    if (!alive.contains(key.first)) repairs.push_back(DropMember{key.first, key.second});
  return repairs;
}

}  // namespace weft
