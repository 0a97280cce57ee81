#include "datapath/lb_maps_bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/log.h"
#include "datapath/map_info.h"

namespace weft {

const char* name_of(LbMap m) {
  switch (m) {
    case LbMap::frontends: return "lb_frontends";
    case LbMap::services: return "lb_services";
    case LbMap::slots: return "lb_slots";
    case LbMap::backends: return "lb_backends";
    case LbMap::members: return "lb_members";
    case LbMap::sticky: return "lb_sticky";
    case LbMap::connected: return "lb_connected";
    case LbMap::reverse: return "lb_reverse";
    case LbMap::metrics: return "lb_metrics";
  }
  return "?";
}

namespace {

std::unexpected<Error> refused(LbMap m, std::uint32_t size, std::string_view setting, int error) {
  if (error == E2BIG || error == ENOMEM)
    return fail(Errc::exhausted,
                fmt::format("map {} is full at {} entries; raise {} and restart the agent", name_of(m), size, setting));
  return fail(errno_error(std::string("writing map ") + name_of(m), error));
}

}  // namespace

BpfLbMaps::BpfLbMaps(Fds fds, LbSizes sizes, Programs programs)
    : fds_(std::move(fds)), sizes_(sizes), programs_(std::move(programs)) {}

Result<std::unique_ptr<BpfLbMaps>> BpfLbMaps::open(Fds fds, LbSizes sizes) {
  return open(std::move(fds), sizes, Programs{});
}

Result<std::unique_ptr<BpfLbMaps>> BpfLbMaps::open(Fds fds, LbSizes sizes, Programs programs) {
  std::unique_ptr<BpfLbMaps> maps(new BpfLbMaps(std::move(fds), sizes, std::move(programs)));
  WEFT_TRY(maps->map_array(LbMap::services, maps->service_array_));
  WEFT_TRY(maps->map_array(LbMap::slots, maps->slot_array_));
  WEFT_TRY(maps->map_array(LbMap::backends, maps->backend_array_));
  return maps;
}

Result<std::unique_ptr<BpfLbMaps>> BpfLbMaps::open_pinned(const std::string& bpffs) {
  Fds fds;
  LbSizes sizes;
  for (std::size_t i = 0; i < lb_map_count; ++i) {
    const std::string path = bpffs + "/weft/lb/maps/" + name_of(static_cast<LbMap>(i));
    fds[i] = Fd(bpf_obj_get(path.c_str()));
    if (!fds[i]) return fail(errno_error("opening " + path, errno));
    const auto info = map_info(fds[i].get());
    if (!info) return fail(info.error());
    switch (static_cast<LbMap>(i)) {
      case LbMap::frontends: sizes.frontends = info->max_entries; break;
      case LbMap::slots: sizes.slots = info->max_entries; break;
      case LbMap::backends: sizes.backends = info->max_entries - 1; break;
      case LbMap::members: sizes.members = info->max_entries; break;
      case LbMap::sticky: sizes.sticky = info->max_entries; break;
      case LbMap::connected: sizes.connected = info->max_entries * LB_CONNECTED_WAYS; break;
      case LbMap::reverse: sizes.reverse = info->max_entries; break;
      default: break;
    }
  }
  return open(std::move(fds), sizes);
}

BpfLbMaps::~BpfLbMaps() {
  for (const auto& [address, size] : mappings_) munmap(address, size);
}

template <class T>
Result<> BpfLbMaps::map_array(LbMap m, std::span<T>& array) {
  const auto info = map_info(fd(m));
  if (!info) return fail(info.error());
  if (info->value_size != sizeof(T))
    return fail(Errc::invalid,
                fmt::format("map {}: values of {} bytes, expected {}", name_of(m), info->value_size, sizeof(T)));
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t size = (sizeof(T) * info->max_entries + page - 1) / page * page;
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd(m), 0);
  if (p == MAP_FAILED) return fail(errno_error(std::string("mapping ") + name_of(m), errno));
  mappings_.emplace_back(p, size);
  array = {static_cast<T*>(p), info->max_entries};
  return {};
}

// Every entry of a hash: in batches, or one by one on a kernel without them.
template <class Key, class Value, class Fn>
Result<> BpfLbMaps::each(LbMap m, Fn&& fn) const {
  LIBBPF_OPTS(bpf_map_batch_opts, opts);
  std::vector<Key> keys(1024);
  std::vector<Value> values(1024);
  std::uint32_t in = 0, out = 0;  // the kernel's bucket number
  bool first = true;
  for (;;) {
    auto count = static_cast<std::uint32_t>(keys.size());
    const int r = bpf_map_lookup_batch(fd(m), first ? nullptr : &in, &out, keys.data(), values.data(), &count, &opts);
    const int error = r == 0 ? 0 : errno;
    if (error == ENOSPC) {  // one bucket holds more
      keys.resize(keys.size() * 2);
      values.resize(values.size() * 2);
      continue;
    }
    if (error != 0 && error != ENOENT) {
      if (!first) return fail(errno_error(std::string("reading map ") + name_of(m), error));
      break;
    }
    for (std::uint32_t i = 0; i < count; ++i) fn(keys[i], values[i]);
    if (error == ENOENT) return {};
    in = out;
    first = false;
  }
  Key key;
  for (int r = bpf_map_get_next_key(fd(m), nullptr, &key); r == 0;) {
    Value value;
    if (bpf_map_lookup_elem(fd(m), &key, &value) == 0) fn(key, value);
    r = bpf_map_get_next_key(fd(m), &key, &key);
  }
  return {};
}

Result<std::map<LbEndpoint, std::uint32_t>> BpfLbMaps::bindings() const {
  std::map<LbEndpoint, std::uint32_t> out;
  WEFT_TRY((each<abi::lb_endpoint, std::uint32_t>(
      LbMap::frontends, [&](const abi::lb_endpoint& k, std::uint32_t v) { out[from_abi(k)] = v; })));
  return out;
}

Result<std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state>> BpfLbMaps::members() const {
  std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state> out;
  WEFT_TRY((each<abi::lb_member_key, std::uint32_t>(LbMap::members, [&](const abi::lb_member_key& k, std::uint32_t v) {
    out[{k.service, k.backend}] = static_cast<abi::lb_member_state>(v);
  })));
  return out;
}

std::optional<LbEndpoint> BpfLbMaps::reverse(std::uint64_t socket_cookie, const LbEndpoint& backend) const {
  const abi::lb_reverse_key key{.socket = socket_cookie, .backend = to_abi(backend), .reserved = 0};
  abi::lb_reverse value;
  if (bpf_map_lookup_elem(fd(LbMap::reverse), &key, &value) != 0) return std::nullopt;
  return from_abi(value.frontend);
}

void BpfLbMaps::wait_readers() const {
  // Programs run inside an RCU read section, and this command waits for all of those. It does nothing on a single
  // CPU and is refused with nohz_full; there, no program that runs when the sleep starts is still at it afterwards.
  const long r = syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
  if (r != 0 || sysconf(_SC_NPROCESSORS_ONLN) == 1) std::this_thread::sleep_for(std::chrono::milliseconds(500));
}

Result<> BpfLbMaps::activate() { return programs_.activate ? programs_.activate() : Result<>{}; }
bool BpfLbMaps::serving() const { return !programs_.active || programs_.active(); }

Result<LbMetrics> BpfLbMaps::metrics() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return fail(Errc::internal, "cannot count the CPUs");
  std::array<std::uint64_t, abi::LB_METRIC_COUNT> sums{};
  std::vector<std::uint64_t> values(static_cast<std::size_t>(cpus));
  for (std::uint32_t i = 0; i < sums.size(); ++i) {
    if (bpf_map_lookup_elem(fd(LbMap::metrics), &i, values.data()) != 0)
      return fail(errno_error("reading map lb_metrics", errno));
    for (const auto v : values) sums[i] += v;
  }
  return LbMetrics{sums[abi::LB_METRIC_TRANSLATED], sums[abi::LB_METRIC_STICKY], sums[abi::LB_METRIC_NO_BACKEND],
                   sums[abi::LB_METRIC_STALE]};
}

Result<> BpfLbMaps::bind(const LbEndpoint& frontend, std::uint32_t service) {
  const auto key = to_abi(frontend);
  if (bpf_map_update_elem(fd(LbMap::frontends), &key, &service, BPF_ANY) == 0) return {};
  return refused(LbMap::frontends, sizes_.frontends, "bpf-lb-service-map-max", errno);
}

Result<> BpfLbMaps::unbind(const LbEndpoint& frontend) {
  const auto key = to_abi(frontend);
  if (bpf_map_delete_elem(fd(LbMap::frontends), &key) == 0 || errno == ENOENT) return {};
  return fail(errno_error("deleting from map lb_frontends", errno));
}

Result<> BpfLbMaps::set_member(std::uint32_t service, std::uint32_t backend, abi::lb_member_state state) {
  const abi::lb_member_key key{service, backend};
  const std::uint32_t value = state;
  if (bpf_map_update_elem(fd(LbMap::members), &key, &value, BPF_ANY) == 0) return {};
  return refused(LbMap::members, sizes_.members, "bpf-lb-member-map-max", errno);
}

Result<> BpfLbMaps::drop_member(std::uint32_t service, std::uint32_t backend) {
  const abi::lb_member_key key{service, backend};
  if (bpf_map_delete_elem(fd(LbMap::members), &key) == 0 || errno == ENOENT) return {};
  return fail(errno_error("deleting from map lb_members", errno));
}

}  // namespace weft
