#include "setup.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "async/scope.h"
#include "base/encoding.h"
#include "kube/client.h"

namespace weft::bench {
namespace {

namespace json = boost::json;

json::object meta(const std::string& name, const std::string& ns) {
  json::object m{{"name", name}};
  if (!ns.empty()) m["namespace"] = ns;
  return m;
}

json::object service_of(const Job& job) {
  json::object port{{"name", "http"}, {"protocol", "TCP"}, {"port", 80}, {"targetPort", 8080}};
  json::array ports;
  ports.push_back(std::move(port));
  json::object spec;
  spec["ports"] = std::move(ports);
  json::object metadata = meta(job.service, job.ns);
  metadata["annotations"] = json::object{{"service.cilium.io/global", "true"}};
  json::object o{{"apiVersion", "v1"}, {"kind", "Service"}};
  o["metadata"] = std::move(metadata);
  o["spec"] = std::move(spec);
  return o;
}

Task<Result<json::object>> ensure(kube::Client& client, const kube::Resource& resource, std::string ns,
                                  json::object object) {
  auto made = co_await client.create(resource, ns, object);
  if (made || made.error().code != Errc::exists) co_return made;
  const std::string name(object["metadata"].at("name").as_string());
  co_return co_await client.get(resource, ns, name);
}

Result<Pem> pem_of(const json::object& secret) {
  Pem out;
  const auto* data = secret.if_contains("data");
  for (auto& [name, to] : {std::pair{"ca.crt", &out.ca}, {"tls.crt", &out.cert}, {"tls.key", &out.key}}) {
    const auto* value = data && data->is_object() ? data->get_object().if_contains(name) : nullptr;
    if (!value || !value->is_string())
      return fail(Errc::invalid, fmt::format("a secret of the mesh store has no {}", name));
    auto text = base64_decode(std::string(value->get_string()));
    if (!text) return fail(text.error());
    *to = std::move(*text);
  }
  return out;
}

Task<Result<Pem>> read_pem(kube::Client& client, std::string name) {
  auto secret = co_await client.get(kube::kSecrets, "kube-system", name);
  if (!secret) co_return std::unexpected(secret.error());
  co_return pem_of(*secret);
}

// The address by which pods of the host network reach the API server: the agents have it in their environment.
Task<Result<std::string>> server_inside(kube::Client& client) {
  const std::string ns = "kube-system", name = "weft-agent";
  auto agents = co_await client.get(kube::kDaemonSets, ns, name);
  if (!agents) co_return std::unexpected(agents.error());
  std::string host, port = "6443";
  for (const auto& container : agents->at("spec").at("template").at("spec").at("containers").as_array()) {
    if (const auto* env = container.as_object().if_contains("env"))
      for (const auto& e : env->as_array()) {
        const auto* value = e.as_object().if_contains("value");
        if (!value) continue;
        if (e.at("name") == "KUBERNETES_SERVICE_HOST") host = value->as_string();
        if (e.at("name") == "KUBERNETES_SERVICE_PORT") port = value->as_string();
      }
  }
  if (host.empty())
    co_return fail(Errc::not_found,
                   "DaemonSet kube-system/weft-agent has no KUBERNETES_SERVICE_HOST: install with k8sServiceHost");
  co_return fmt::format(fmt::runtime(host.find(':') == std::string::npos ? "https://{}:{}" : "https://[{}]:{}"), host,
                        port);
}

Task<Result<std::string>> store_address(kube::Client& client) {
  kube::ListOptions options;
  options.ns = "kube-system";
  options.label_selector = "k8s-app=clustermesh-apiserver";
  auto pods = co_await client.list_all(kube::kPods, options);
  if (!pods) co_return std::unexpected(pods.error());
  for (const auto& pod : *pods)
    if (const auto* ip = pod.at("status").as_object().if_contains("hostIP"))
      co_return std::string(ip->as_string()) + ":32379";
  co_return fail(Errc::not_found, "cluster2 has no running pod of clustermesh-apiserver: enable the mesh");
}

Task<Result<Job>> make(kube::Client& one, kube::Client& two, int changes) {
  Job job;
  job.changes = changes;
  job.ns = "weft-bench", job.service = "propagation", job.slice = "propagation-1";
  for (kube::Client* client : {&one, &two}) {
    json::object ns{{"apiVersion", "v1"}, {"kind", "Namespace"}};
    ns["metadata"] = meta(job.ns, "");
    std::string in;
    const auto made = co_await ensure(*client, kube::kNamespaces, in, std::move(ns));
    if (!made) co_return std::unexpected(made.error());
    json::object service = service_of(job);
    in = job.ns;
    const auto served = co_await ensure(*client, kube::kServices, in, std::move(service));
    if (!served) co_return std::unexpected(served.error());
    if (client == &one) job.frontend = std::string(served->at("spec").at("clusterIP").as_string()) + ":80";
  }
  json::object slice = slice_with(job, "10.2.199.1");
  std::string in = job.ns;
  const auto sliced = co_await ensure(two, kube::kEndpointSlices, in, std::move(slice));
  if (!sliced) co_return std::unexpected(sliced.error());

  job.api = two.config();
  auto server = co_await server_inside(two);
  if (!server) co_return std::unexpected(server.error());
  job.api.server = std::move(*server);
  auto store = co_await store_address(two);
  if (!store) co_return std::unexpected(store.error());
  job.store = std::move(*store);
  std::string name = "clustermesh-apiserver-admin-cert";
  auto admin = co_await read_pem(two, name);
  if (!admin) co_return std::unexpected(admin.error());
  job.admin = std::move(*admin);
  name = "clustermesh-apiserver-remote-cert";
  auto remote = co_await read_pem(two, name);
  if (!remote) co_return std::unexpected(remote.error());
  job.remote = std::move(*remote);
  co_return job;
}

Task<int> run(kube::Client& one, kube::Client& two, int changes, Result<Job>& out) {
  out = co_await make(one, two, changes);
  co_return 0;
}

json::object pem_json(const Pem& p) { return {{"ca", p.ca}, {"cert", p.cert}, {"key", p.key}}; }
std::string text(const json::value& v, const char* name) { return std::string(v.at(name).as_string()); }
Pem pem_from(const json::value& v) { return {text(v, "ca"), text(v, "cert"), text(v, "key")}; }

}  // namespace

Result<> install(Lab& lab) {
  std::fputs("bench: installing and meshing\n", stderr);
  WEFT_TRY(lab.weft(
      {"install", "--context", "cluster1", "--set", "cluster.name=cluster1", "--set", "cluster.id=1", "--wait"}));
  WEFT_TRY(lab.weft({"install", "--context", "cluster2", "--set", "cluster.name=cluster2", "--set", "cluster.id=2",
                     "--inherit-ca", "cluster1", "--wait"}));
  for (const char* c : {"cluster1", "cluster2"}) WEFT_TRY(lab.weft({"clustermesh", "enable", "--context", c}));
  WEFT_TRY(lab.weft({"clustermesh", "connect", "--context", "cluster1", "--destination-context", "cluster2"}));
  for (const char* c : {"cluster1", "cluster2"})
    WEFT_TRY(lab.weft({"clustermesh", "status", "--context", c, "--wait", "--wait-duration", "3m"}));
  return {};
}

Result<Job> prepare(const std::string& kubeconfig, int changes) {
  auto one = kube::load_kubeconfig(kubeconfig, "cluster1"), two = kube::load_kubeconfig(kubeconfig, "cluster2");
  if (!one) return fail(one.error());
  if (!two) return fail(two.error());
  asio::io_context io(1);
  kube::Client first(io, *one), second(io, *two);
  Result<Job> out = fail(Errc::internal, "not prepared");
  run_to_completion(io, run(first, second, changes, out));
  return out;
}

json::object slice_with(const Job& job, const std::string& address) {
  json::object one;
  one["addresses"] = json::array{json::string(address)};
  one["conditions"] = json::object{{"ready", true}, {"serving", true}, {"terminating", false}};
  json::array endpoints, ports;
  endpoints.push_back(std::move(one));
  ports.push_back(json::object{{"name", "http"}, {"protocol", "TCP"}, {"port", 8080}});
  json::object metadata = meta(job.slice, job.ns);
  metadata["labels"] = json::object{{"kubernetes.io/service-name", job.service},
                                    {"endpointslice.kubernetes.io/managed-by", "weft-bench"}};
  json::object o{{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"}, {"addressType", "IPv4"}};
  o["metadata"] = std::move(metadata);
  o["ports"] = std::move(ports);
  o["endpoints"] = std::move(endpoints);
  return o;
}

std::string encode_job(const Job& job) {
  json::object api{{"server", job.api.server},
                   {"ca", job.api.ca.read().value_or("")},
                   {"cert", job.api.client_certificate.read().value_or("")},
                   {"key", job.api.client_key.read().value_or("")}};
  json::object o{{"changes", job.changes}, {"store", job.store}, {"cluster", job.cluster},  {"ns", job.ns},
                 {"service", job.service}, {"slice", job.slice}, {"frontend", job.frontend}};
  o["api"] = std::move(api);
  o["admin"] = pem_json(job.admin);
  o["remote"] = pem_json(job.remote);
  return json::serialize(o);
}

Result<Job> decode_job(const std::string& input) try {
  const auto v = json::parse(input);
  Job job;
  job.changes = v.at("changes").to_number<int>();
  job.store = text(v, "store"), job.cluster = text(v, "cluster"), job.ns = text(v, "ns");
  job.service = text(v, "service"), job.slice = text(v, "slice"), job.frontend = text(v, "frontend");
  job.admin = pem_from(v.at("admin")), job.remote = pem_from(v.at("remote"));
  const auto api = pem_from(v.at("api"));
  job.api.server = text(v.at("api"), "server");
  job.api.ca.text = api.ca, job.api.client_certificate.text = api.cert, job.api.client_key.text = api.key;
  job.api.qps = 0;
  return job;
} catch (const std::exception& e) {
  return fail(Errc::invalid, std::string("the job on standard input: ") + e.what());
}

}  // namespace weft::bench
