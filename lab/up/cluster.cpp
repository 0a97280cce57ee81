#include "lab/up/cluster.h"

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <deque>
#include <fstream>

#include "async/scope.h"
#include "base/clock.h"
#include "kube/client.h"
#include "lab/init/json.h"
#include "lab/up/manifest_text.h"
#include "lab/up/yaml_json.h"

namespace weft::lab {
namespace json = boost::json;
using namespace std::chrono_literals;
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// The few kinds that lab/manifests uses.
std::optional<kube::Resource> resource_of(const std::string& kind) {
  static const std::vector<kube::Resource> known = {
      kube::kServiceAccounts,
      kube::kServices,
      kube::kDeployments,
      {"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false},
      {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false}};
  for (const auto& r : known)
    if (r.kind == kind) return r;
  return std::nullopt;
}

const json::object* object_at(const json::object& o, std::initializer_list<const char*> path) {
  const json::object* at = &o;
  for (const char* key : path) {
    const auto* v = at->if_contains(key);
    if (v == nullptr || !v->is_object()) return nullptr;
    at = &v->get_object();
  }
  return at;
}

const json::array& array_at(const json::object* o, const char* key) {
  static const json::array none;
  const auto* v = o != nullptr ? o->if_contains(key) : nullptr;
  return v != nullptr && v->is_array() ? v->get_array() : none;
}

// The status of a condition of an object: "" when it has none of that type.
std::pair<bool, std::string> condition(const json::object& object, std::string_view type) {
  for (const auto& item : array_at(object_at(object, {"status"}), "conditions")) {
    const auto& c = item.as_object();
    if (text(c, "type") == type) return {text(c, "status") == "True", text(c, "message")};
  }
  return {false, "has no status yet"};
}

std::string process_trouble(const LabPaths& paths, const std::string& process) {
  for (const ProcessStatus& p : process_statuses(paths))
    if (p.name == process)
      return fmt::format("{}; {}{}; its log {} ends:\n{}", process, alive(p.id) ? "running" : "not running",
                         p.last_end.empty() ? "" : ", last end: " + p.last_end, p.log, log_tail(p.log));
  return process + ": was never started";
}

// A process that ends again and again will not come up by waiting.
bool hopeless(const LabPaths& paths, const std::string& process) {
  return std::ranges::any_of(process_statuses(paths),
                             [&](const ProcessStatus& p) { return p.name == process && p.restarts >= 6; });
}

Task<Result<>> wait_for_api(kube::Client& client, LabPaths paths, std::string process, std::chrono::seconds limit) {
  const auto deadline = Steady::now() + limit;
  std::string last = "no answer";
  for (;;) {
    auto r = co_await client.request("GET", "/readyz");
    if (r && r->status == 200) {
      // What pods need first: the namespace that everything of ours goes to.
      auto ns = co_await client.get(kube::kNamespaces, "", "kube-system");
      if (ns) co_return Result<>{};
      last = ns.error().message;
    } else {
      last = r ? fmt::format("/readyz says {}: {}", r->status, r->body.substr(0, 300)) : r.error().message;
    }
    if (Steady::now() > deadline || hopeless(paths, process)) co_return fail(Errc::timeout, last);
    co_await sleep_for(100ms);
  }
}

Task<Result<>> apply(kube::Client& client, std::vector<json::object> objects) {
  for (const json::object& o : objects) {
    const auto resource = resource_of(text(o, "kind"));
    if (!resource)
      co_return fail(Errc::internal, "manifest of kind " + text(o, "kind") + ": not known here; add it to resource_of");
    auto r = co_await client.create(*resource, "", o);
    if (!r && r.error().code != Errc::exists) co_return fail(r.error());
  }
  co_return Result<>{};
}

Task<Result<>> wait_for_nodes(kube::Client& client, std::size_t count, std::chrono::seconds limit) {
  const auto deadline = Steady::now() + limit;
  std::string last;
  for (;;) {
    auto r = co_await client.list_all(kube::kNodes);
    if (r && r->size() >= count) co_return Result<>{};
    last = r ? fmt::format("{} of {} nodes have registered", r->size(), count) : r.error().message;
    if (Steady::now() > deadline) co_return fail(Errc::timeout, last);
    co_await sleep_for(100ms);
  }
}

// A client of the cluster and an event loop for the time of one task.
template <class Fn>
auto with_client(const LabRecord& record, const std::string& cluster, Fn fn)
    -> decltype(fn(std::declval<kube::Client&>(), std::declval<asio::io_context&>())) {
  const auto config = kube::load_kubeconfig(record.paths.kubeconfig(), cluster);
  if (!config) return fail(config.error());
  asio::io_context io(1);
  kube::Client client(io, *config);
  return fn(client, io);
}

template <class T>
Task<int> store(Task<Result<T>> task, Result<T>& out) {
  out = co_await std::move(task);
  co_return 0;
}

template <class T>
Result<T> run(asio::io_context& io, Task<Result<T>> task) {
  Result<T> out = fail(Errc::internal, "did not run");
  (void)run_to_completion(io, store(std::move(task), out));
  io.restart();
  return out;
}

}  // namespace

std::string log_tail(const std::string& path, std::size_t lines) {
  std::ifstream in(path);
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    last.push_back("    " + line + "\n");
    if (last.size() > lines) last.pop_front();
  }
  std::string out;
  for (const auto& line : last) out += line;
  return out.empty() ? "    (empty)\n" : out;
}

Result<std::vector<json::object>> manifests(const ClusterSpec& c) {
  std::string yaml(dns_manifest());
  std::vector<std::string> quoted;
  for (const Address& a : dns_addresses(c)) quoted.push_back("\"" + a.to_string() + "\"");
  replace_all(yaml, "${DNS_IP}", dns_addresses(c).front().to_string());
  replace_all(yaml, "${DNS_IPS}", fmt::format("[{}]", fmt::join(quoted, ", ")));
  replace_all(yaml, "${DNS_POLICY}", quoted.size() > 1 ? "RequireDualStack" : "SingleStack");
  return json_documents(yaml, "kube-dns.yaml");
}

Result<> bring_up_cluster(const LabRecord& record, const ClusterSpec& c, bool nodes,
                          const std::function<void(const std::string&)>& done) {
  auto objects = manifests(c);
  if (!objects) return fail(objects.error());
  return with_client(record, c.name, [&](kube::Client& client, asio::io_context& io) -> Result<> {
    if (const auto r = run(io, wait_for_api(client, record.paths, c.name + "-cp/apiserver", 90s)); !r)
      return fail(r.error().code, fmt::format("{}: its API server is not ready: {}\n{}", c.name, r.error().message,
                                              process_trouble(record.paths, c.name + "-cp/apiserver")));
    done(fmt::format("{}: API server answers on https://127.0.0.1:{}", c.name, record.api_ports.at(c.name)));
    if (const auto r = run(io, apply(client, std::move(*objects))); !r)
      return fail(r.error().in(c.name + ": lab manifests"));
    if (!nodes) return {};
    if (const auto r = run(io, wait_for_nodes(client, c.nodes.size(), 60s)); !r)
      return fail(r.error().code, fmt::format("{}: {}\n{}", c.name, r.error().message,
                                              process_trouble(record.paths, c.nodes.back().name + "/kubelet")));
    done(fmt::format("{}: {} nodes registered", c.name, c.nodes.size()));
    return {};
  });
}

Result<std::vector<NodeStatus>> node_statuses(const LabRecord& record, const ClusterSpec& c) {
  return with_client(record, c.name,
                     [&](kube::Client& client, asio::io_context& io) -> Result<std::vector<NodeStatus>> {
                       auto nodes = run(io, client.list_all(kube::kNodes));
                       if (!nodes) return fail(nodes.error());
                       auto pods = run(io, client.list_all(kube::kPods));
                       if (!pods) return fail(pods.error());
                       std::vector<NodeStatus> out;
                       for (const auto& n : *nodes) {
                         NodeStatus s;
                         s.name = text(*object_at(n, {"metadata"}), "name");
                         for (const auto& a : array_at(object_at(n, {"status"}), "addresses"))
                           if (text(a.as_object(), "type") == "InternalIP")
                             s.addresses.push_back(text(a.as_object(), "address"));
                         std::tie(s.ready, s.why) = condition(n, "Ready");
                         for (const auto& p : *pods) {
                           const auto* spec = object_at(p, {"spec"});
                           if (spec == nullptr || text(*spec, "nodeName") != s.name) continue;
                           ++s.pods;
                           s.pods_ready += condition(p, "Ready").first ? 1 : 0;
                         }
                         out.push_back(std::move(s));
                       }
                       std::ranges::sort(out, {}, &NodeStatus::name);
                       return out;
                     });
}

}  // namespace weft::lab
