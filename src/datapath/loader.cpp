#include "datapath/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <filesystem>

#include "base/fd.h"
#include "base/log.h"
#include "bpf/sock_lb.skel.h"
#include "datapath/attach.h"
#include "datapath/maglev.h"
#include "datapath/map_info.h"

namespace weft {

namespace {

struct Hook {
  const char* program;
  const char* pin;
};
// Answers first: when the set of maps changes, whoever is translated by the new one is also translated back by it.
constexpr Hook hooks[] = {
    {"weft_recvmsg4", "recvmsg4"},     {"weft_recvmsg6", "recvmsg6"}, {"weft_getpeer4", "getpeername4"},
    {"weft_getpeer6", "getpeername6"}, {"weft_sendmsg4", "sendmsg4"}, {"weft_sendmsg6", "sendmsg6"},
    {"weft_connect4", "connect4"},     {"weft_connect6", "connect6"},
};

// libbpf's complaints, kept for the error message. Of a verifier log only the end tells something.
thread_local std::string complaints;
int collect(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  va_list again;
  va_copy(again, args);
  const int length = vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length <= 0) return 0;
  std::string line(static_cast<std::size_t>(length) + 1, '\0');
  vsnprintf(line.data(), line.size(), format, args);
  line.pop_back();
  constexpr std::size_t keep = 1200;
  if (line.size() > keep) line = "[…] " + line.substr(line.size() - keep);
  complaints += line;
  return 0;
}

struct PrintGuard {
  libbpf_print_fn_t before = libbpf_set_print(collect);
  PrintGuard() { complaints.clear(); }
  ~PrintGuard() { libbpf_set_print(before); }
};

Result<> make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error("making " + path, errno));
  return {};
}

Result<> check_sizes(const LbSizes& s) {
  const auto bad = [](const char* setting, std::uint32_t value, const char* mend) {
    return fail(Errc::invalid, fmt::format("{}: {} is not possible; {}", setting, value, mend));
  };
  constexpr std::uint32_t limit = 1u << 28;
  if (s.frontends < 1 || s.frontends > limit) return bad("bpf-lb-service-map-max", s.frontends, "use 1 to 268435456");
  if (s.backends < 1 || s.backends > limit) return bad("bpf-lb-backend-map-max", s.backends, "use 1 to 268435456");
  if (s.slots < 1 || s.slots > limit) return bad("bpf-lb-slot-map-max", s.slots, "use 1 to 268435456");
  if (s.members < 1 || s.members > limit) return bad("bpf-lb-member-map-max", s.members, "use 1 to 268435456");
  if (s.sticky < 1 || s.sticky > limit) return bad("bpf-lb-affinity-map-max", s.sticky, "use 1 to 268435456");
  if (s.connected < 1 || s.connected > limit) return bad("bpf-lb-connected-map-max", s.connected, "use 1 to 268435456");
  if (s.reverse < 1 || s.reverse > limit) return bad("bpf-lb-rev-nat-map-max", s.reverse, "use 1 to 268435456");
  if (!is_prime(s.maglev_table))
    return bad("bpf-lb-maglev-table-size", s.maglev_table, "use a prime, for example 16381");
  return {};
}

// 0 where the kernel does not tell (before 5.14).
std::uint64_t own_netns_cookie() {
  constexpr int so_netns_cookie = 71;  // <asm-generic/socket.h> of newer headers
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!fd || getsockopt(fd.get(), SOL_SOCKET, so_netns_cookie, &cookie, &size) != 0) return 0;
  return cookie;
}

}  // namespace

struct SockLb::Impl {
  Options options;
  std::string root;  // <bpffs>/weft/lb
  sock_lb* skeleton = nullptr;
  std::unique_ptr<BpfLbMaps> maps;
  bool adopted = false;
  bool active = false;

  ~Impl() {
    maps.reset();
    if (skeleton) sock_lb__destroy(skeleton);
  }

  std::array<bpf_map*, lb_map_count> bpf_maps() const {
    auto& m = skeleton->maps;
    return {m.lb_frontends, m.lb_services,  m.lb_slots,   m.lb_backends, m.lb_members,
            m.lb_sticky,    m.lb_connected, m.lb_reverse, m.lb_metrics};
  }
  std::string map_pin(std::size_t i) const { return root + "/maps/" + name_of(static_cast<LbMap>(i)); }
  std::string config_pin() const { return root + "/maps/lb_config"; }
  std::string link_pin(const Hook& h) const { return root + "/links/" + h.pin; }
  bool links_exist() const {
    return std::ranges::any_of(hooks, [&](const Hook& h) { return access(link_pin(h).c_str(), F_OK) == 0; });
  }

  Result<> open(const KernelFeatures& features);
  Result<> find_pinned();
  std::string differs(int fd, const bpf_map* wanted) const;
  Result<> attach();
  Result<> pin();
};

Result<> SockLb::Impl::open(const KernelFeatures& features) {
  skeleton = sock_lb__open();
  if (!skeleton) return fail(errno_error("opening the sock_lb object", errno));
  skeleton->rodata->have_set_retval = features.set_retval;
  skeleton->rodata->have_netns_cookie = features.netns_cookie;
  skeleton->rodata->node_netns = own_netns_cookie();
  skeleton->rodata->maglev_salt = options.maglev_salt;
  const LbSizes& s = options.sizes;
  skeleton->rodata->connected_mask = s.connected_sets() - 1;
  // Id 0 means nothing, hence one element more.
  const std::pair<LbMap, std::uint32_t> sizes[] = {
      {LbMap::frontends, s.frontends},        {LbMap::services, s.frontends + 1}, {LbMap::slots, s.slots},
      {LbMap::backends, s.backends + 1},      {LbMap::members, s.members},        {LbMap::sticky, s.sticky},
      {LbMap::connected, s.connected_sets()}, {LbMap::reverse, s.reverse}};
  for (const auto& [m, size] : sizes)
    if (const int r = bpf_map__set_max_entries(bpf_maps()[static_cast<std::size_t>(m)], size); r != 0)
      return fail(errno_error(std::string("sizing map ") + name_of(m), -r));
  return {};
}

// Why the pinned map cannot serve as `wanted`; empty if it can.
std::string SockLb::Impl::differs(int fd, const bpf_map* wanted) const {
  const auto info = map_info(fd);
  if (!info) return info.error().message;
  if (info->type != bpf_map__type(wanted))
    return fmt::format("type {} instead of {}", info->type, static_cast<int>(bpf_map__type(wanted)));
  if (info->key_size != bpf_map__key_size(wanted))
    return fmt::format("keys of {} bytes instead of {}", info->key_size, bpf_map__key_size(wanted));
  if (info->value_size != bpf_map__value_size(wanted))
    return fmt::format("values of {} bytes instead of {}", info->value_size, bpf_map__value_size(wanted));
  if (info->max_entries != bpf_map__max_entries(wanted))
    return fmt::format("{} entries instead of {}", info->max_entries, bpf_map__max_entries(wanted));
  if (info->map_flags != bpf_map__map_flags(wanted))
    return fmt::format("flags {:#x} instead of {:#x}", info->map_flags, bpf_map__map_flags(wanted));
  return {};
}

// Takes over the pinned maps if they are one whole set that fits. Of a set that does not fit, what UDP
// sockets asked for is taken alone when it can be: it names no ids, and an answer from a backend's address would be
// dropped by a resolver that asked the service.
Result<> SockLb::Impl::find_pinned() {
  const auto wanted = bpf_maps();
  std::array<Fd, lb_map_count> found;
  std::size_t present = 0;
  std::string why;
  abi::lb_config config{};
  for (std::size_t i = 0; i < lb_map_count; ++i) {
    found[i] = Fd(bpf_obj_get(map_pin(i).c_str()));
    if (found[i]) ++present;
  }
  const Fd config_fd(bpf_obj_get(config_pin().c_str()));
  if (present == 0 && !config_fd) return {};

  const std::uint32_t zero = 0;
  if (!config_fd || bpf_map_lookup_elem(config_fd.get(), &zero, &config) != 0) why = "lb_config cannot be read";
  if (why.empty() && config.abi_version != LB_ABI_VERSION)
    why = fmt::format("layout version {} instead of {}", config.abi_version, LB_ABI_VERSION);
  const bool same_layout = why.empty();
  for (std::size_t i = 0; i < lb_map_count && why.empty(); ++i) {
    const char* name = name_of(static_cast<LbMap>(i));
    if (!found[i]) {
      why = std::string(name) + " is missing";
    } else if (const auto info = map_info(found[i].get()); !info || info->id != config.map_ids[i]) {
      why = std::string(name) + " belongs to another set";
    } else if (const auto d = differs(found[i].get(), wanted[i]); !d.empty()) {
      why = fmt::format("{} has {}", name, d);
    }
  }
  const auto reuse = [&](std::size_t i) -> Result<> {
    if (const int r = bpf_map__reuse_fd(wanted[i], found[i].get()); r != 0)
      return fail(errno_error(std::string("reusing map ") + name_of(static_cast<LbMap>(i)), -r));
    return {};
  };
  if (why.empty()) {
    for (std::size_t i = 0; i < lb_map_count; ++i) WEFT_TRY(reuse(i));
    if (const int r = bpf_map__reuse_fd(skeleton->maps.lb_config, config_fd.get()); r != 0)
      return fail(errno_error("reusing map lb_config", -r));
    adopted = true;
    return {};
  }
  log::warn(
      "pinned LB maps are not compatible; a fresh set is filled and then takes over",
      {{"pins", root + "/maps"}, {"because", why}, {"serving", links_exist() ? "old set until then" : "nothing"}});
  constexpr auto r = static_cast<std::size_t>(LbMap::reverse);
  if (same_layout && found[r] && differs(found[r].get(), wanted[r]).empty()) WEFT_TRY(reuse(r));
  return {};
}

Result<> SockLb::Impl::pin() {
  const auto all = bpf_maps();
  for (std::size_t i = 0; i < lb_map_count; ++i) WEFT_TRY(pin_object(bpf_map__fd(all[i]), map_pin(i)));
  return pin_object(bpf_map__fd(skeleton->maps.lb_config), config_pin());
}

Result<> SockLb::Impl::attach() {
  for (const Hook& h : hooks) {
    const bpf_program* program = bpf_object__find_program_by_name(skeleton->obj, h.program);
    WEFT_CHECK(program != nullptr);
    WEFT_TRY(attach_to_cgroup(bpf_program__fd(program), bpf_program__expected_attach_type(program), options.cgroup,
                              link_pin(h)));
  }
  return {};
}

Result<std::unique_ptr<SockLb>> SockLb::load(Options options, const KernelFeatures& features) {
  WEFT_TRY(features.require());
  WEFT_TRY(check_sizes(options.sizes));
  WEFT_TRY(check_bpffs(options.bpffs));
  if (options.cgroup.empty()) {
    auto found = find_cgroup2();
    if (!found) return fail(found.error());
    options.cgroup = *found;
  }
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->root = impl->options.bpffs + "/weft/lb";
  for (const std::string& d : {impl->options.bpffs + "/weft", impl->root, impl->root + "/maps", impl->root + "/links"})
    WEFT_TRY(make_directory(d));

  const PrintGuard guard;
  WEFT_TRY(impl->open(features));
  WEFT_TRY(impl->find_pinned());
  if (const int r = sock_lb__load(impl->skeleton); r != 0)
    return fail(Errc::internal, errno_error("loading the sock_lb programs", -r).message + ": " + complaints);

  BpfLbMaps::Fds fds;
  abi::lb_config config{
      .abi_version = LB_ABI_VERSION, .maglev_table_size = impl->options.sizes.maglev_table, .map_ids = {}};
  for (std::size_t i = 0; i < lb_map_count; ++i) {
    const int fd = bpf_map__fd(impl->bpf_maps()[i]);
    const auto info = map_info(fd);
    if (!info) return fail(info.error());
    config.map_ids[i] = info->id;
    fds[i] = Fd(dup(fd));
    if (!fds[i]) return fail(errno_error("dup", errno));
  }
  const std::uint32_t zero = 0;
  if (bpf_map_update_elem(bpf_map__fd(impl->skeleton->maps.lb_config), &zero, &config, BPF_ANY) != 0)
    return fail(errno_error("writing map lb_config", errno));

  std::unique_ptr<SockLb> lb(new SockLb(std::move(impl)));
  auto maps = BpfLbMaps::open(std::move(fds), lb->impl_->options.sizes,
                              {.activate = [self = lb.get()] { return self->activate(); },
                               .active = [self = lb.get()] { return self->active(); }});
  if (!maps) return fail(maps.error());
  lb->impl_->maps = std::move(*maps);
  if (lb->impl_->adopted || !lb->impl_->links_exist()) WEFT_TRY(lb->activate());
  return lb;
}

Result<> SockLb::activate() {
  if (impl_->active) return {};
  // Links before pins: a crash in between leaves an old set that is whole, and the next start serves from it.
  WEFT_TRY(impl_->attach());
  if (!impl_->adopted) WEFT_TRY(impl_->pin());
  impl_->active = true;
  log::info("socket load balancing is attached",
            {{"cgroup", impl_->options.cgroup}, {"maps", impl_->adopted ? "adopted" : "fresh"}});
  return {};
}

Result<> SockLb::unload(const std::string& bpffs) {
  // Removing the last pin of a link detaches it some time later; until then its programs would still translate.
  for (const Hook& h : hooks)
    if (const Fd link(bpf_obj_get((bpffs + "/weft/lb/links/" + h.pin).c_str())); link) bpf_link_detach(link.get());
  std::error_code error;
  std::filesystem::remove_all(bpffs + "/weft/lb", error);
  if (error) return fail(Errc::internal, "removing " + bpffs + "/weft/lb: " + error.message());
  rmdir((bpffs + "/weft").c_str());  // stays while another part of the datapath has pins there
  return {};
}

SockLb::SockLb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SockLb::~SockLb() = default;
BpfLbMaps& SockLb::maps() { return *impl_->maps; }
bool SockLb::adopted() const { return impl_->adopted; }
bool SockLb::active() const { return impl_->active; }

}  // namespace weft
