#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include <memory>

#include "netlink/linux_kernel.h"

namespace weft::netlink {

namespace {

Result<std::string> run_nft(const std::string& commands) {
  const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> ctx(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  if (!ctx) return fail(Errc::unavailable, "nftables: no context; is the kernel built with nf_tables?");
  nft_ctx_output_set_flags(ctx.get(), NFT_CTX_OUTPUT_TERSE);
  nft_ctx_buffer_output(ctx.get());
  nft_ctx_buffer_error(ctx.get());
  if (nft_run_cmd_from_buffer(ctx.get(), commands.c_str()) == 0) return nft_ctx_get_output_buffer(ctx.get());
  std::string why = nft_ctx_get_error_buffer(ctx.get());  // "Error: what", then the line with carets below it
  if (const auto end = why.find('\n'); end != std::string::npos) why.resize(end);
  return fail(Errc::internal, "nftables refused the rules: " + why);
}

std::uint16_t message(std::uint8_t type) { return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type); }

const char* family_name(unsigned family) {
  if (family == NFPROTO_IPV4) return "ip";
  if (family == NFPROTO_IPV6) return "ip6";
  return family == NFPROTO_INET ? "inet" : nullptr;
}

// nf_tables has its numbers in network order.
std::uint32_t number(const Attributes& a, std::uint16_t type, std::uint32_t otherwise) {
  return a.has(type) ? ntohl(a.u32(type)) : otherwise;
}

std::string_view bytes_of(const nlattr* a) {
  return {static_cast<const char*>(mnl_attr_get_payload(a)), mnl_attr_get_payload_len(a)};
}

// libnftnl's form of user data: type, length, value; a rule's type 0 is its comment.
std::string comment_in(std::string_view userdata) {
  while (userdata.size() >= 2) {
    const auto length = static_cast<std::uint8_t>(userdata[1]);
    if (userdata.size() < 2u + length) break;
    const auto value = userdata.substr(2, length);
    if (userdata[0] == 0) return std::string(value.substr(0, value.find('\0')));
    userdata.remove_prefix(2u + length);
  }
  return {};
}

struct RuleRead {
  FilterRule rule;
  bool drops_all = false;
};

RuleRead read_rule(const Attributes& a) {
  RuleRead out;
  if (const auto* handle = a.get(NFTA_RULE_HANDLE); handle != nullptr && mnl_attr_get_payload_len(handle) == 8)
    out.rule.handle = be64toh(mnl_attr_get_u64(handle));
  if (const auto* userdata = a.get(NFTA_RULE_USERDATA)) out.rule.comment = comment_in(bytes_of(userdata));
  const nlattr* expressions = a.get(NFTA_RULE_EXPRESSIONS);
  if (expressions == nullptr) return out;
  bool refuses = false, asks = false;
  const auto all = bytes_of(expressions);
  const auto* e = reinterpret_cast<const nlattr*>(all.data());
  for (; mnl_attr_ok(e, static_cast<int>(all.data() + all.size() - reinterpret_cast<const char*>(e)));
       e = mnl_attr_next(e)) {
    const Attributes expression(e);
    const auto name = expression.text(NFTA_EXPR_NAME);
    const Attributes data(expression.get(NFTA_EXPR_DATA));
    if (name == "counter" || name == "log") continue;
    if (name == "match" && data.text(NFTA_MATCH_NAME) == "comment") {
      // What iptables-restore makes of our comment: struct xt_comment_info, which is the text.
      if (out.rule.comment.empty()) out.rule.comment = data.text(NFTA_MATCH_INFO);
      continue;
    }
    const Attributes verdict(Attributes(data.get(NFTA_IMMEDIATE_DATA)).get(NFTA_DATA_VERDICT));
    const bool drop = name == "immediate" && number(verdict, NFTA_VERDICT_CODE, NF_ACCEPT) == NF_DROP;
    const bool reject = name == "reject" || (name == "target" && data.text(NFTA_TARGET_NAME) == "REJECT");
    (drop || reject ? refuses : asks) = true;
  }
  out.drops_all = refuses && !asks;
  return out;
}

Result<> read_rules(Socket& socket, std::uint8_t family, ForwardChain& chain) {
  const bool policy = chain.drops;
  Request q(message(NFT_MSG_GETRULE), 0);
  q.header<nfgenmsg>().nfgen_family = family;
  q.put(NFTA_RULE_TABLE, chain.table);
  q.put(NFTA_RULE_CHAIN, chain.name);
  return socket.dump(
      q, "listing the rules of chain " + chain.to_string(),
      [&](const nlmsghdr* m) {
        const Attributes a(m, sizeof(nfgenmsg));
        if (a.text(NFTA_RULE_TABLE) != chain.table || a.text(NFTA_RULE_CHAIN) != chain.name) return;
        auto read = read_rule(a);
        chain.drops = chain.drops || read.drops_all;
        chain.rules.push_back(std::move(read.rule));
      },
      [&] {
        chain.rules.clear();
        chain.drops = policy;
      });
}

}  // namespace

Result<> LinuxKernel::nft(const std::string& commands) {
  return run_in_netns(netns_.get(), [&]() -> Result<> {
    auto r = run_nft(commands);
    if (!r) return fail(std::move(r).error());
    return {};
  });
}

Result<std::string> LinuxKernel::nft_list(const std::string& command) {
  std::string printed;
  auto r = run_in_netns(netns_.get(), [&]() -> Result<> {
    auto text = run_nft(command);
    if (!text) return fail(std::move(text).error());
    printed = std::move(*text);
    return {};
  });
  if (!r) return fail(std::move(r).error());
  return printed;
}

Result<Socket*> LinuxKernel::netfilter() {
  if (!netfilter_) {
    auto r = run_in_netns(netns_.get(), [&]() -> Result<> {
      auto socket = Socket::open(NETLINK_NETFILTER);
      if (!socket) return fail(std::move(socket).error());
      netfilter_.emplace(std::move(*socket));
      return {};
    });
    if (!r) return fail(std::move(r).error());
  }
  return &*netfilter_;
}

Result<std::uint32_t> LinuxKernel::nft_generation() {
  auto socket = netfilter();
  if (!socket) return fail(std::move(socket).error());
  std::uint32_t generation = 0;
  Request q(message(NFT_MSG_GETGEN), 0);
  q.header<nfgenmsg>().nfgen_family = AF_UNSPEC;
  WEFT_TRY((*socket)->get(q, "asking nftables for its generation", [&](const nlmsghdr* m) {
    generation = number(Attributes(m, sizeof(nfgenmsg)), NFTA_GEN_ID, 0);
  }));
  return generation;
}

Result<std::vector<ForwardChain>> LinuxKernel::forward_chains() {
  std::vector<ForwardChain> out;
  auto r = run_in_netns(netns_.get(), [&]() -> Result<> {
    auto legacy = legacy_forward_chains();
    if (!legacy) return fail(std::move(legacy).error());
    out = std::move(*legacy);
    return {};
  });
  if (!r) return fail(std::move(r).error());
  if (!nft_generation()) return out;  // no nf_tables in this kernel
  // Chains by the thousand are nothing unusual (kube-proxy has one for each service), those of hook forward are few.
  std::vector<std::pair<std::uint8_t, ForwardChain>> found;
  Request q(message(NFT_MSG_GETCHAIN), 0);
  q.header<nfgenmsg>().nfgen_family = AF_UNSPEC;
  WEFT_TRY(
      (*netfilter())
          ->dump(
              q, "listing nftables chains",
              [&](const nlmsghdr* m) {
                const auto family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(m))->nfgen_family;
                const Attributes a(m, sizeof(nfgenmsg));
                if (family_name(family) == nullptr || !a.has(NFTA_CHAIN_HOOK)) return;
                if (number(Attributes(a.get(NFTA_CHAIN_HOOK)), NFTA_HOOK_HOOKNUM, NF_INET_NUMHOOKS) != NF_INET_FORWARD)
                  return;
                found.emplace_back(family, ForwardChain{.family = family_name(family),
                                                        .table = a.text(NFTA_CHAIN_TABLE),
                                                        .name = a.text(NFTA_CHAIN_NAME),
                                                        .drops = number(a, NFTA_CHAIN_POLICY, NF_ACCEPT) == NF_DROP,
                                                        .rules = {}});
              },
              [&] { found.clear(); }));
  for (auto& [family, chain] : found) {
    WEFT_TRY(read_rules(**netfilter(), family, chain));
    out.push_back(std::move(chain));
  }
  return out;
}

}  // namespace weft::netlink
