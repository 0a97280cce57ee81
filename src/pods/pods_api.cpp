#include "pods/pods_api.h"

#include "base/log.h"
#include "pods/cni.h"

namespace weft::pods {

namespace {

CniCode code_of(Errc code) {
  switch (code) {
    case Errc::unavailable:
    case Errc::exhausted:
    case Errc::timeout: return CniCode::try_again_later;
    case Errc::not_found: return CniCode::unknown_container;
    case Errc::invalid: return CniCode::invalid_config;
    default: return CniCode::internal;
  }
}

CniResult result_of(const LocalPod& pod, const std::vector<Address>& gateways) {
  CniResult r;
  r.interfaces = {{pod.host_ifname, pod.host_mac, "", pod.mtu}, {pod.pod_ifname, pod.pod_mac, pod.netns, pod.mtu}};
  r.pod_interface = 1;
  for (const auto& ip : pod.ips)
    for (const auto& g : gateways)
      if (g.family() == ip.family()) r.ips.push_back({ip, g});
  return r;
}

}  // namespace

Task<json::value> PodsApi::handle(json::value request) { co_return answer(request); }

json::value PodsApi::answer(const json::value& body) {
  manager_.drain_delete_queue();
  auto request = parse_cni_request(body);
  if (!request) return to_json(request.error(), "1.0.0");
  const auto& q = *request;
  const auto key = q.container_id + "/" + q.ifname;
  const auto said = [&](const Error& e, std::optional<CniCode> code = {}) {
    log::warn("CNI request failed",
              {{"container", q.container_id}, {"pod", q.pod_namespace + "/" + q.pod_name}, {"error", e.message}});
    return json::value(to_json(CniError{code.value_or(code_of(e.code)), e.message, ""}, q.cni_version));
  };
  const auto plain = [&](const Result<>& r, std::optional<CniCode> code = {}) {
    return r ? json::value(json::object{}) : said(r.error(), code);
  };
  switch (q.command) {
    case CniCommand::add: {
      auto pod = manager_.add({q.container_id, q.ifname, q.netns, {q.pod_namespace, q.pod_name}, q.pod_uid});
      if (!pod) return said(pod.error());
      return to_json(result_of(*pod, manager_.gateways()), q.cni_version);
    }
    case CniCommand::del: return plain(manager_.remove(key));
    case CniCommand::check: return plain(manager_.check(key, q.previous_ips), CniCode::internal);
    case CniCommand::gc: {
      std::vector<LocalPod::Key> valid;
      for (const auto& [container, ifname] : q.valid_attachments) valid.push_back(container + "/" + ifname);
      auto n = manager_.collect_garbage(valid);
      if (!n) return said(n.error());
      return json::object{};
    }
    case CniCommand::status: return plain(manager_.ready(), CniCode::unavailable);
    case CniCommand::version: return json::object{};  // weft-cni answers it without us
  }
  return json::object{};
}

}  // namespace weft::pods
