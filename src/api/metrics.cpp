#include "api/metrics.h"

namespace weft::api {

void add_metrics(Server& server, const metrics::Registry& registry) {
  server.route("GET", "/metrics", [&registry](const Request&) -> Task<Response> {
    const auto answer = [](Response response) -> Task<Response> { co_return response; };
    return answer({200, registry.text(), std::string(metrics::kContentType)});
  });
}

}  // namespace weft::api
