// iptables-legacy keeps its tables in the kernel's older filter, which answers getsockopt() with the table as one
// block: entries one behind the other, each with its matches and its target (linux/netfilter_ipv4/ip_tables.h).
#include <netinet/in.h>
#include <sys/socket.h>

// After <netinet/in.h>, whose address types they share.
#include <linux/netfilter.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/file.h"
#include "netlink/linux_kernel.h"

namespace weft::netlink {

namespace {

struct Dialect {
  const char* family;
  const char* names;  // the tables in use, one a line
  int domain, level, get_info, get_entries;
};
constexpr Dialect kIp{
    "ip", "/proc/thread-self/net/ip_tables_names", AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES};
constexpr Dialect kIp6{
    "ip6", "/proc/thread-self/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES};

// What of an entry is there, or nothing when it would reach beyond the block.
template <class T>
const T* at(std::string_view block, std::size_t offset) {
  return offset + sizeof(T) <= block.size() ? reinterpret_cast<const T*>(block.data() + offset) : nullptr;
}

const ipt_ip& conditions(const ipt_entry& e) { return e.ip; }
const ip6t_ip6& conditions(const ip6t_entry& e) { return e.ipv6; }

// Reads the entry at `offset` into a rule; says whether it drops whatever comes.
template <class Entry>
bool read_entry(std::string_view block, std::size_t offset, const Entry& entry, FilterRule& rule) {
  bool asks = false;
  const std::size_t end = offset + entry.target_offset;
  for (std::size_t m = offset + sizeof(Entry); m < end;) {
    const auto* match = at<xt_entry_match>(block, m);
    if (match == nullptr || match->u.match_size == 0) return false;
    if (std::strcmp(match->u.user.name, "comment") != 0) {
      asks = true;
    } else if (const auto* info = at<xt_comment_info>(block, m + sizeof(xt_entry_match))) {
      rule.comment.assign(info->comment, strnlen(info->comment, sizeof info->comment));
    }
    m += match->u.match_size;
  }
  const auto* target = at<xt_entry_target>(block, end);
  if (target == nullptr) return false;
  const std::string_view name(target->u.user.name, strnlen(target->u.user.name, sizeof target->u.user.name));
  bool refuses = name == "REJECT";
  if (name == XT_STANDARD_TARGET)
    if (const auto* standard = at<xt_standard_target>(block, end)) refuses = standard->verdict == -NF_DROP - 1;
  const std::remove_cvref_t<decltype(conditions(entry))> none{};
  return refuses && !asks && std::memcmp(&conditions(entry), &none, sizeof none) == 0;
}

template <class Entry, class GetEntries>
Result<std::optional<ForwardChain>> read_table(const Dialect& d) {
  // Only what is there: asking for a table makes the kernel create it.
  const auto names = read_file(d.names);
  if (!names || ("\n" + *names).find("\nfilter\n") == std::string::npos) return std::optional<ForwardChain>();
  const std::string what = std::string("reading the legacy table ") + d.family + " filter";
  const Fd fd(::socket(d.domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd) return fail(errno_error(what, errno));
  ipt_getinfo info{};  // ip6t_getinfo is the same
  std::strcpy(info.name, "filter");
  socklen_t size = sizeof info;
  if (::getsockopt(fd.get(), d.level, d.get_info, &info, &size) != 0) return fail(errno_error(what, errno));
  std::vector<std::uint64_t> room((sizeof(GetEntries) + info.size + 7) / 8);
  auto* get = reinterpret_cast<GetEntries*>(room.data());
  std::strcpy(get->name, "filter");
  get->size = info.size;
  size = static_cast<socklen_t>(sizeof(GetEntries) + info.size);
  if (::getsockopt(fd.get(), d.level, d.get_entries, get, &size) != 0) return fail(errno_error(what, errno));

  const std::string_view block(reinterpret_cast<const char*>(get->entrytable), info.size);
  ForwardChain chain{.legacy = true, .family = d.family, .table = "filter", .name = "FORWARD", .rules = {}};
  // The last entry of a built-in chain is its policy.
  for (std::size_t offset = info.hook_entry[NF_INET_FORWARD]; offset <= info.underflow[NF_INET_FORWARD];) {
    const auto* entry = at<Entry>(block, offset);
    if (entry == nullptr || entry->next_offset == 0) return fail(Errc::internal, what + ": it makes no sense");
    FilterRule rule;
    chain.drops = read_entry(block, offset, *entry, rule) || chain.drops;
    if (offset != info.underflow[NF_INET_FORWARD]) chain.rules.push_back(std::move(rule));
    offset += entry->next_offset;
  }
  return std::optional(std::move(chain));
}

}  // namespace

Result<std::vector<ForwardChain>> legacy_forward_chains() {
  std::vector<ForwardChain> out;
  auto v4 = read_table<ipt_entry, ipt_get_entries>(kIp);
  auto v6 = read_table<ip6t_entry, ip6t_get_entries>(kIp6);
  for (auto* r : {&v4, &v6}) {
    if (!*r) return fail(std::move(*r).error());
    if (**r) out.push_back(std::move(***r));
  }
  return out;
}

}  // namespace weft::netlink
