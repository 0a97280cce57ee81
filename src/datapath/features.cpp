#include "datapath/features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "datapath/socket_diag.h"

namespace weft {

namespace {

// The smallest program there is: return 1. Loading it for an attach type tells whether the type exists.
bool attach_type_known(bpf_attach_type type) {
  const bpf_insn insns[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
  return static_cast<bool>(Fd(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "weft_probe", "GPL", insns, 2, &opts)));
}

bool sock_addr_hooks() {
  for (const auto type :
       {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP4_SENDMSG, BPF_CGROUP_UDP6_SENDMSG,
        BPF_CGROUP_UDP4_RECVMSG, BPF_CGROUP_UDP6_RECVMSG, BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME})
    if (!attach_type_known(type)) return false;
  return true;
}

bool helper(bpf_func_id id) { return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, id, nullptr) == 1; }

// A command that exists refuses a bad file descriptor with EBADF; one that does not, with EINVAL.
bool cgroup_links() {
  errno = 0;
  LIBBPF_OPTS(bpf_link_create_opts, opts);
  const int r = bpf_link_create(-1, -1, BPF_CGROUP_INET4_CONNECT, &opts);
  return r >= 0 || errno == EBADF;
}

bool mappable_arrays() {
  LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
  const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "weft_probe", 4, 8, 1, &opts));
  if (!map) return false;
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
  if (p == MAP_FAILED) return false;
  munmap(p, size);
  return true;
}

bool batch_operations() {
  LIBBPF_OPTS(bpf_map_create_opts, create);
  const Fd map(bpf_map_create(BPF_MAP_TYPE_HASH, "weft_probe", 4, 4, 2, &create));
  if (!map) return false;
  LIBBPF_OPTS(bpf_map_batch_opts, opts);
  std::uint32_t keys[2] = {1, 2};
  std::uint32_t values[2] = {1, 2};
  std::uint32_t count = 2;
  return bpf_map_update_batch(map.get(), keys, values, &count, &opts) == 0;
}

}  // namespace

Result<> KernelFeatures::require() const {
  const auto missing = [](const char* what, const char* since) {
    return fail(Errc::unsupported, std::string("kernel: ") + what + " is missing or not permitted; Weft needs Linux " +
                                       since + " or later with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF, and root");
  };
  if (!sock_addr) return missing("BPF at connect, sendmsg, recvmsg and getpeername of a cgroup", "5.8");
  if (!cgroup_link) return missing("bpf_link on a cgroup", "5.7");
  if (!mmap_array) return missing("mapping of BPF arrays", "5.5");
  return {};
}

std::vector<std::string> KernelFeatures::degraded() const {
  std::vector<std::string> out;
  if (!set_retval)
    out.emplace_back("bpf_set_retval (Linux 5.18): a service without backends gives EPERM, not ECONNREFUSED");
  if (!netns_cookie)
    out.emplace_back("bpf_get_netns_cookie (Linux 5.7): session affinity holds for the node, not a pod");
  if (!batch) out.emplace_back("BPF batch operations (Linux 5.6): reading back large maps takes longer at start");
  if (!diag_destroy)
    out.emplace_back("CONFIG_INET_DIAG_DESTROY: connected UDP sockets of deleted backends wait until they time out");
  return out;
}

KernelFeatures probe_kernel() {
  const auto quiet = libbpf_set_print(nullptr);  // probing fails on purpose
  KernelFeatures f;
  f.sock_addr = sock_addr_hooks();
  f.cgroup_link = cgroup_links();
  f.mmap_array = mappable_arrays();
  f.set_retval = helper(BPF_FUNC_set_retval);
  f.netns_cookie = helper(BPF_FUNC_get_netns_cookie);
  f.batch = batch_operations();
  f.diag_destroy = probe_diag_destroy();
  libbpf_set_print(quiet);
  return f;
}

}  // namespace weft
