#include "apps/cli/cluster.h"

#include <boost/asio/co_spawn.hpp>

#include <cstdlib>

#include "apps/cli/objects.h"
#include "kube/proxy.h"

namespace weft::cli {

Result<Cluster> Cluster::open(const Target& target) {
  auto config = kube::load_kubeconfig(target.kubeconfig, target.context);
  if (!config) return std::unexpected(config.error());
  config->user_agent = "weft-cli/" WEFT_VERSION;
  // Helm and kubectl, which a command runs beside, go by the environment's proxy: one command, one way.
  if (config->proxy_url.empty()) {
    auto proxy = kube::proxy_of_environment(config->server, [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value ? value : "");
    });
    if (!proxy) return std::unexpected(proxy.error());
    config->proxy_url = std::move(*proxy);
  }
  auto io = std::make_shared<asio::io_context>(1);
  auto client = std::make_shared<kube::Client>(*io, std::move(*config));
  return Cluster(target, std::move(io), std::move(client));
}

Cluster::Cluster(Target target, std::shared_ptr<asio::io_context> io, std::shared_ptr<kube::Client> client)
    : target_(std::move(target)), io_(std::move(io)), client_(std::move(client)) {
  name_ = target_.context.empty() ? client_->config().context : target_.context;
  if (name_.empty()) name_ = client_->config().server;
}

template <class T>
Result<T> Cluster::wait(Task<Result<T>> task) {
  std::optional<Result<T>> out;
  std::exception_ptr thrown;
  io_->restart();
  asio::co_spawn(*io_, std::move(task), [&](std::exception_ptr e, Result<T> r) {
    thrown = std::move(e);
    out = std::move(r);
    io_->stop();
  });
  io_->run();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*out);
}

namespace {

// Coroutines that own their arguments, since the wait begins after the expression that made them has ended.
Task<Result<json::object>> get(std::shared_ptr<kube::Client> c, kube::Resource r, std::string ns, std::string name) {
  auto out = co_await c->get(r, ns, name);
  co_return out;
}
Task<Result<std::vector<json::object>>> list_all(std::shared_ptr<kube::Client> c, kube::Resource r,
                                                 kube::ListOptions o) {
  auto out = co_await c->list_all(r, o);
  co_return out;
}
Task<Result<json::object>> erase(std::shared_ptr<kube::Client> c, kube::Resource r, std::string ns, std::string name) {
  auto out = co_await c->remove(r, ns, name);
  co_return out;
}
Task<Result<json::object>> merge(std::shared_ptr<kube::Client> c, kube::Resource r, json::object o) {
  const auto ns = text(o, {"metadata", "namespace"});
  const auto name = name_of(o);
  const json::value patch = o;
  auto out = co_await c->patch(r, ns, name, kube::PatchType::merge, patch);
  if (!out && out.error().code == Errc::not_found) out = co_await c->create(r, ns, o);
  co_return out;
}
Task<Result<json::object>> ask_server(std::shared_ptr<kube::Client> c, std::string target) {
  auto out = co_await c->request_json("GET", target);
  co_return out;
}

}  // namespace

Result<std::optional<json::object>> Cluster::find(const kube::Resource& r, const std::string& ns,
                                                  const std::string& name) {
  auto out = wait(get(client_, r, ns, name));
  if (out) return std::optional<json::object>(std::move(*out));
  if (out.error().code == Errc::not_found) return std::optional<json::object>();
  return fail(out.error().in(name_));
}

Result<std::vector<json::object>> Cluster::list(const kube::Resource& r, const std::string& ns,
                                                const std::string& label_selector) {
  kube::ListOptions options;
  options.ns = ns;
  options.label_selector = label_selector;
  auto out = wait(list_all(client_, r, options));
  if (!out && out.error().code == Errc::not_found) return std::vector<json::object>();
  if (!out) return fail(out.error().in(name_));
  return out;
}

Result<> Cluster::remove(const kube::Resource& r, const std::string& ns, const std::string& name) {
  const auto out = wait(erase(client_, r, ns, name));
  if (!out && out.error().code != Errc::not_found) return fail(out.error().in(name_));
  return {};
}

Result<> Cluster::apply(const kube::Resource& r, const json::object& object) {
  const auto out = wait(merge(client_, r, object));
  if (!out) return fail(out.error().in(name_));
  return {};
}

Result<std::string> Cluster::version() {
  const auto out = wait(ask_server(client_, "/version"));
  if (!out) return fail(out.error().in(name_));
  return text(*out, {"gitVersion"});
}

Result<ClusterObjects> Cluster::objects() {
  ClusterObjects o;
  o.context = name_;
  o.ns = target_.ns;
  const auto one = [&](const kube::Resource& r, const char* name, std::optional<json::object>& to) -> Result<> {
    auto found = find(r, target_.ns, name);
    if (!found) return std::unexpected(found.error());
    to = std::move(*found);
    return {};
  };
  const auto many = [&](const kube::Resource& r, const std::string& ns, const char* selector,
                        std::vector<json::object>& to) -> Result<> {
    auto found = list(r, ns, selector);
    if (!found) return std::unexpected(found.error());
    to = std::move(*found);
    return {};
  };
  WEFT_TRY(one(kube::kConfigMaps, "weft-config", o.config));
  WEFT_TRY(one(kube::kServices, "clustermesh-apiserver", o.service));
  o.ca_secret = ca_secret_of(o.config);
  WEFT_TRY(one(kube::kSecrets, o.ca_secret.c_str(), o.ca));
  WEFT_TRY(many(kube::kNodes, "", "", o.nodes));
  WEFT_TRY(many(kube::kCiliumNodes, "", "", o.cilium_nodes));
  WEFT_TRY(many(kube::kPods, target_.ns, "k8s-app=clustermesh-apiserver", o.mesh_pods));
  return o;
}

std::string Cluster::mesh_status_namespace(const std::optional<json::object>& config) const {
  const auto ns = config ? text(*config, {"data", api::kMeshStatusNamespaceKey}) : std::string();
  return ns.empty() ? target_.ns : ns;
}

Result<MeshInput> Cluster::mesh_input() {
  MeshInput in;
  auto objects = this->objects();
  if (!objects) return std::unexpected(objects.error());
  in.objects = std::move(*objects);
  auto pods = list(kube::kPods, target_.ns, "k8s-app=weft");
  if (!pods) return std::unexpected(pods.error());
  in.agent_pods = std::move(*pods);
  auto deployment = find(kube::kDeployments, target_.ns, "clustermesh-apiserver");
  if (!deployment) return std::unexpected(deployment.error());
  in.deployment = std::move(*deployment);
  auto secret = find(kube::kSecrets, target_.ns, "cilium-clustermesh");
  if (!secret) return std::unexpected(secret.error());
  if (*secret) in.remotes = configured_remotes(**secret);
  auto reports = list(kube::kConfigMaps, mesh_status_namespace(in.objects.config), api::kMeshStatusSelector);
  if (!reports) return std::unexpected(reports.error());
  for (const auto& r : *reports) {
    auto status = api::mesh_status_of_object(r);
    if (status) {
      in.reports.push_back(std::move(*status));
    } else {
      in.unreadable.push_back(fmt::format("ConfigMap {}: {}", name_of(r), status.error().message));
    }
  }
  in.now = Wall::now();
  return in;
}

Result<> inherit_ca(Cluster& from, Cluster& to, const std::string& secret) {
  const auto config = from.find(kube::kConfigMaps, from.target().ns, "weft-config");
  if (!config) return std::unexpected(config.error());
  const auto name = ca_secret_of(*config);
  const auto theirs = from.find(kube::kSecrets, from.target().ns, name);
  if (!theirs) return std::unexpected(theirs.error());
  const auto* data = *theirs ? find(**theirs, {"data"}) : nullptr;
  if (!data)
    return fail(Errc::not_found,
                fmt::format("{}: no Secret {} in namespace {} to inherit; install Weft there first, or name the "
                            "namespace it is in with --inherit-ca-namespace",
                            from.name(), name, from.target().ns));
  const auto ours = to.find(kube::kSecrets, to.target().ns, secret);
  if (!ours) return std::unexpected(ours.error());
  if (*ours) {
    const auto* own = find(**ours, {"data"});
    if (own && *own == *data) return {};
    return fail(Errc::exists, fmt::format("{}: has a Secret {} of its own in namespace {}; delete it first, or "
                                          "connect with --allow-mismatching-ca",
                                          to.name(), secret, to.target().ns));
  }
  json::object meta{
      {"name", secret}, {"namespace", to.target().ns}, {"labels", json::object{{"app.kubernetes.io/part-of", "weft"}}}};
  const json::object copy{
      {"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", std::move(meta)}, {"type", "Opaque"}, {"data", *data}};
  auto made = to.apply(kube::kSecrets, copy);
  if (made || made.error().code != Errc::not_found) return made;
  // No such namespace: Helm would make it, but comes later and must find the secret. Asked only now, since whoever
  // installs into a namespace that is there may have no right to namespaces at all.
  const json::object ns{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", to.target().ns}}}};
  WEFT_TRY(to.apply(kube::kNamespaces, ns));
  return to.apply(kube::kSecrets, copy);
}

}  // namespace weft::cli
