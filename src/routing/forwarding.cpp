#include "routing/forwarding.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/log.h"

namespace weft::routing {

using netlink::ForwardChain;

namespace {

constexpr auto kCheckEvery = std::chrono::seconds(1);
// Legacy tables have no generation, and what firewalld's zones say is read with them.
constexpr auto kLookEvery = std::chrono::seconds(10);

// As iptables-nft makes it, and every tool that goes through it: Docker, ufw, kube-proxy.
bool is_iptables(const ForwardChain& c) {
  return !c.legacy && (c.family == "ip" || c.family == "ip6") && c.table == "filter" && c.name == "FORWARD";
}

bool is_firewalld(const ForwardChain& c) { return !c.legacy && c.table == "firewalld"; }

bool is_taken_care_of(const ForwardChain& c) {
  return std::any_of(c.rules.begin(), c.rules.end(), [](const auto& r) { return r.comment.starts_with("weft"); });
}

// Missing rules go first, since a jump before them may drop; what a restored copy doubled goes.
void keep_rules(const ForwardChain& c, std::vector<std::string>& commands) {
  for (const auto& [comment, end] : {std::pair{kToPods, "oifname"}, std::pair{kFromPods, "iifname"}}) {
    std::size_t there = 0;
    for (const auto& r : c.rules)
      if (r.comment == comment && ++there > 1)
        commands.push_back(fmt::format("delete rule {} handle {}", c.to_string(), r.handle));
    if (there == 0)
      commands.push_back(
          fmt::format("insert rule {} {} \"lxc*\" counter accept comment \"{}\"", c.to_string(), end, comment));
  }
}

std::string mend(const ForwardChain& c) {
  if (c.legacy) {
    const char* tool = c.family == "ip" ? "iptables-legacy" : "ip6tables-legacy";
    return fmt::format(
        "{0} -I FORWARD -i lxc+ -m comment --comment \"{1}\" -j ACCEPT and {0} -I FORWARD -o lxc+ -m comment "
        "--comment \"{2}\" -j ACCEPT (or move to iptables-nft, where Weft does it itself)",
        tool, kFromPods, kToPods);
  }
  return fmt::format(
      "nft insert rule {0} 'iifname \"lxc*\" accept comment \"{1}\"' and nft insert rule {0} 'oifname \"lxc*\" accept "
      "comment \"{2}\"', and the same in the file that the rules come from",
      c.to_string(), kFromPods, kToPods);
}

std::string trouble_of(const ForwardChain& c) {
  return fmt::format(
      "{} drops what none of its rules accepts, packets of pods with it: {} (a rule whose comment begins with weft "
      "tells that pods are let through)",
      c.legacy ? fmt::format("chain FORWARD of {}tables-legacy", c.family) : "nftables chain " + c.to_string(),
      mend(c));
}

// Prefixes that rules ask the source for: "saddr 10.1.0.0/16", "saddr { 10.1.0.0/16, 10.2.0.0/16 }".
std::vector<Prefix> sources_in(const std::string& rules) {
  std::vector<Prefix> out;
  std::istringstream words(rules);
  bool source = false, set = false;
  for (std::string word; words >> word;) {
    if (word == "saddr") {
      source = true;
    } else if (source && word == "{") {
      set = true;
    } else if (source) {
      if (word.ends_with(',')) word.pop_back();
      if (const auto p = Prefix::parse(word)) {
        out.push_back(*p);
      } else if (const auto a = Address::parse(word)) {
        out.push_back(Prefix::host(*a));
      }
      source = set && word != "}";
      set = source;
    }
  }
  return out;
}

// Empty when every pod CIDR is a source of a zone.
std::string trouble_of_firewalld(const ForwardChain& c, const std::string& rules, const std::vector<Prefix>& pods) {
  const auto sources = sources_in(rules);
  std::string missing;
  for (const auto& p : pods)
    if (std::none_of(sources.begin(), sources.end(), [&](const auto& s) { return s.contains(p); }))
      missing += " --add-source=" + p.to_string();
  if (missing.empty()) return {};
  return fmt::format(
      "firewalld (nftables chain {}) rejects what it does not know, packets of pods with it: firewall-cmd --permanent "
      "--zone=trusted{}, the pod CIDRs of every other node that pods shall speak with likewise, then firewall-cmd "
      "--reload; or do without firewalld on nodes",
      c.to_string(), missing);
}

}  // namespace

ForwardPlan forward_plan(const std::vector<ForwardChain>& chains, const std::string& firewalld,
                         const std::vector<Prefix>& pods) {
  ForwardPlan out;
  for (const auto& c : chains) {
    if (is_iptables(c)) {
      keep_rules(c, out.commands);
    } else if (c.drops && !is_taken_care_of(c)) {
      auto trouble = is_firewalld(c) ? trouble_of_firewalld(c, firewalld, pods) : trouble_of(c);
      if (!trouble.empty()) out.problems.push_back(std::move(trouble));
    }
  }
  return out;
}

Result<std::size_t> remove_forward_rules(netlink::Kernel& kernel) {
  auto chains = kernel.forward_chains();
  if (!chains) return fail(std::move(chains).error());
  std::vector<std::string> commands;
  for (const auto& c : *chains) {
    if (!is_iptables(c)) continue;
    for (const auto& r : c.rules) {
      if (r.comment == kToPods || r.comment == kFromPods)
        commands.push_back(fmt::format("delete rule {} handle {}", c.to_string(), r.handle));
    }
  }
  if (!commands.empty()) WEFT_TRY(kernel.nft(fmt::format("{}\n", fmt::join(commands, "\n"))));
  return commands.size();
}

Result<std::vector<std::string>> ForwardGuard::look() {
  auto chains = kernel_.forward_chains();
  if (!chains) return fail(std::move(chains).error());
  std::string firewalld;
  if (std::any_of(chains->begin(), chains->end(), is_firewalld)) {
    auto text = kernel_.nft_list("list table inet firewalld");
    if (!text) return fail(std::move(text).error());
    firewalld = std::move(*text);
  }
  auto plan = forward_plan(*chains, firewalld, pods_);
  if (!plan.commands.empty()) {
    WEFT_TRY(kernel_.nft(fmt::format("{}\n", fmt::join(plan.commands, "\n"))));
    for (const auto& c : plan.commands) log::info("letting pods through the node's packet filter", {{"nft", c}});
  }
  return std::move(plan.problems);
}

void ForwardGuard::check() {
  const auto generation = kernel_.nft_generation();
  const auto now = Steady::now();
  const bool same = generation ? generation_ == *generation : !generation_.has_value();
  if (same && !failed_ && pods_ == seen_pods_ && now < look_again_) return;
  generation_ = generation ? std::optional(*generation) : std::nullopt;
  look_again_ = now + kLookEvery;
  seen_pods_ = pods_;
  auto problems = look();
  failed_ = !problems;
  // What was known before stays true for all we know.
  if (failed_ && !problems_.empty()) return;
  auto next = failed_
                  ? std::vector{"packets of pods may not pass the node's packet filter: " + problems.error().message}
                  : std::move(*problems);
  for (const auto& p : next)
    if (std::find(problems_.begin(), problems_.end(), p) == problems_.end())
      log::warn("the node's packet filter stops pods", {{"problem", p}});
  problems_ = std::move(next);
}

Task<> ForwardGuard::run(Notifier& changed) {
  Backoff backoff(kCheckEvery, std::chrono::seconds(30));
  for (;;) {
    const auto before = problems_;
    check();
    if (problems_ != before) changed.notify();
    if (!failed_) backoff.reset();
    const std::chrono::milliseconds pause = failed_ ? backoff.next() : kCheckEvery;
    co_await sleep_for(pause);
  }
}

}  // namespace weft::routing
