#include "pods.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "async/scope.h"
#include "base/clock.h"
#include "until.h"

namespace weft::bench {

using namespace std::chrono_literals;
namespace json = boost::json;

Task<Result<PodAddresses>> pod_addresses(kube::Client& client, std::string ns, std::string name) {
  for (const auto deadline = Steady::now() + kPatience;;) {
    auto pod = co_await client.get(kube::kPods, ns, name);
    if (!pod) co_return fail(pod.error());
    const auto& status = pod->at("status").as_object();
    const auto* ips = status.if_contains("podIPs");
    if (ips && ips->is_array() && ips->get_array().size() == 2) {
      PodAddresses out;
      for (const auto& ip : ips->get_array()) {
        const auto a = Address::parse(ip.at("ip").as_string());
        if (!a) co_return fail(a.error());
        (a->is_v4() ? out.v4 : out.v6) = *a;
      }
      co_return out;
    }
    if (Steady::now() > deadline)
      co_return fail(Errc::timeout, fmt::format("pod {} has no two addresses; its status: {}", name,
                                                json::serialize(json::value(status))));
    co_await sleep_for(10ms);
  }
}

Task<Result<std::vector<Prefix>>> pod_cidrs(kube::Client& client, std::string node) {
  auto object = co_await client.get(kube::kNodes, "", node);
  if (!object) co_return fail(object.error());
  std::vector<Prefix> out;
  for (const auto& cidr : object->at("spec").at("podCIDRs").as_array()) {
    const auto prefix = Prefix::parse(cidr.as_string());
    if (!prefix) co_return fail(prefix.error());
    out.push_back(*prefix);
  }
  co_return out;
}

}  // namespace weft::bench
