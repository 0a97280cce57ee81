// Namespaces: what every one has, and their end.
#include <fmt/format.h>

#include "base/log.h"
#include "lab/controllers/loops.h"
#include "lab/controllers/queue.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

const std::string kDefaultAccount = "default";
const std::string kRootCaMap = "kube-root-ca.crt";

class NamespaceLoop final : public Loop {
 public:
  NamespaceLoop(Cluster& cluster, Kinds& kinds, std::string root_ca)
      : cluster_(cluster),
        kinds_(kinds),
        root_ca_(std::move(root_ca)),
        namespaces_(cluster.informer(kube::kNamespaces)),
        accounts_(cluster.informer(kube::kServiceAccounts)),
        maps_(cluster.informer(kube::kConfigMaps)),
        queue_(cluster.io(), "namespace") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, namespaces_, [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr& now) {
      if (now) queue_.add(name);
    });
    const auto restore = [this](const std::string& watched) {
      return [this, watched](const ObjectName& name, const ObjectPtr& before, const ObjectPtr&) {
        if (before && name.name == watched) queue_.add({"", name.ns});
      };
    };
    cluster_.on_change(scope, accounts_, restore(kDefaultAccount));
    cluster_.on_change(scope, maps_, restore(kRootCaMap));
    kinds_.each([this, &scope](Informer& informer) {
      if (!informer.resource.namespaced) return;
      cluster_.on_change(scope, informer, [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr&) {
        const auto ns = namespaces_.get({"", name.ns});
        if (ns && deleting(**ns)) queue_.add(ns->name);
      });
    });
    queue_.start(scope, 4, [this](ObjectName name) { return sync(std::move(name)); });
  }

 private:
  Task<Result<>> sync(ObjectName name) {
    const ObjectPtr ns = namespaces_.get(name);
    if (!ns) co_return Result<>{};
    if (deleting(**ns)) co_return co_await clear(ns);
    co_return co_await furnish(name.name);
  }

  Task<Result<>> furnish(std::string ns) {
    if (!accounts_.get({ns, kDefaultAccount})) {
      json::object account{{"apiVersion", "v1"}, {"kind", "ServiceAccount"}};
      account["metadata"] = json::object{{"namespace", ns}, {"name", kDefaultAccount}};
      auto r = co_await cluster_.create(kube::kServiceAccounts, std::move(account));
      if (!r && r.error().code != Errc::exists) co_return fail(r.error());
    }
    if (root_ca_.empty()) co_return Result<>{};
    const ObjectPtr map = maps_.get({ns, kRootCaMap});
    json::object data;
    data["ca.crt"] = root_ca_;
    if (!map) {
      json::object body{{"apiVersion", "v1"}, {"kind", "ConfigMap"}};
      json::object metadata{{"namespace", ns}, {"name", kRootCaMap}};
      metadata["annotations"] =
          json::object{{"kubernetes.io/description", "The certificate of the authority that signed the API server's."}};
      body["metadata"] = std::move(metadata);
      body["data"] = std::move(data);
      auto r = co_await cluster_.create(kube::kConfigMaps, std::move(body));
      if (!r && r.error().code != Errc::exists) co_return fail(r.error());
    } else if (const auto* have = sub(**map, "data").if_contains("ca.crt"); !have || *have != json::value(root_ca_)) {
      json::object patch;
      patch["data"] = std::move(data);
      json::value body(std::move(patch));
      const ObjectName map_name = map->name;
      auto r = co_await cluster_.patch(kube::kConfigMaps, map_name, std::move(body));
      if (!r) co_return fail(r.error());
    }
    co_return Result<>{};
  }

  // Everything in it goes; each thing that goes brings us back here, until the server itself says that nothing is left.
  Task<Result<>> clear(ObjectPtr ns) {
    const std::string name = ns->name.name;
    const auto& finalizers = list(**ns, "spec/finalizers");
    if (finalizers.empty()) co_return Result<>{};
    std::size_t left = 0;
    std::vector<kube::Resource> kinds;
    for (auto& informer : kinds_.informers())
      if (informer.resource.namespaced) kinds.push_back(informer.resource);
    for (const auto& kind : kinds) {
      for (const auto& o : cluster_.informer(kind).in(name)) {
        ++left;
        if (deleting(**o)) continue;
        kube::DeleteOptions options;
        options.propagation = "Background";
        const ObjectName object = o->name;
        auto r = co_await cluster_.remove(kind, object, std::move(options));
        if (!r && r.error().code != Errc::conflict) co_return r;
      }
    }
    if (left > 0) co_return Result<>{};
    kinds.push_back(kube::kEvents);
    for (const auto& kind : kinds) {
      kube::ListOptions in;
      in.ns = name;
      auto rest = co_await cluster_.client().list_all(kind, in);
      if (!rest && rest.error().code == Errc::not_found) continue;  // the kind went away meanwhile
      if (!rest) co_return fail(rest.error());
      for (const auto& o : *rest) {
        if (kind != kube::kEvents) ++left;
        kube::DeleteOptions options;
        const ObjectName object{name, text(o, "metadata/name")};
        auto r = co_await cluster_.remove(kind, object, std::move(options));
        if (!r && r.error().code != Errc::conflict) co_return r;
      }
    }
    if (left > 0) {
      queue_.add_after(ns->name, 100ms);
      co_return Result<>{};
    }
    json::object body = **ns;
    body["apiVersion"] = "v1";
    body["kind"] = "Namespace";
    json::object spec = sub(body, "spec");
    spec["finalizers"] = json::array{};
    body["spec"] = std::move(spec);
    const std::string method = "PUT", path = kube::path_of(kube::kNamespaces, "", name, "finalize"),
                      content = json::serialize(body);
    auto done = co_await cluster_.client().request_json(method, path, content);
    if (!done && done.error().code != Errc::not_found) co_return fail(done.error());
    log::info("namespace is empty and gone", {{"namespace", name}});
    co_return Result<>{};
  }

  Cluster& cluster_;
  Kinds& kinds_;
  std::string root_ca_;
  Informer& namespaces_;
  Informer& accounts_;
  Informer& maps_;
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Loop> make_namespace_loop(Cluster& cluster, Kinds& kinds, std::string root_ca) {
  return std::make_unique<NamespaceLoop>(cluster, kinds, std::move(root_ca));
}

}  // namespace weft::lab
