#include <gtest/gtest.h>

#include "kube/client.h"
#include "kube/credentials.h"
#include "kube/rate_limiter.h"

namespace weft::kube {
namespace {

TEST(Url, core_and_grouped_kinds_have_their_paths) {
  EXPECT_EQ(path_of(kPods, "shop", "cart"), "/api/v1/namespaces/shop/pods/cart");
  EXPECT_EQ(path_of(kPods, ""), "/api/v1/pods");
  EXPECT_EQ(path_of(kLeases, "kube-system", "weft-operator"),
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/weft-operator");
  EXPECT_EQ(path_of(kCiliumNodes, "ignored", "n1"), "/apis/cilium.io/v2/ciliumnodes/n1");
  EXPECT_EQ(path_of(kCiliumEndpoints, "shop", "x", "status"),
            "/apis/cilium.io/v2/namespaces/shop/ciliumendpoints/x/status");
}

TEST(Url, names_cannot_leave_their_place) {
  EXPECT_EQ(path_of(kPods, "a", "../../secrets/b?x"), "/api/v1/namespaces/a/pods/..%2F..%2Fsecrets%2Fb%3Fx");
}

TEST(Url, selectors_and_paging_are_escaped_queries) {
  ListOptions o;
  o.ns = "shop";
  o.label_selector = "app=cart,tier!=front";
  o.limit = 500;
  EXPECT_EQ(list_target(kServices, o),
            "/api/v1/namespaces/shop/services?labelSelector=app%3Dcart%2Ctier%21%3Dfront&limit=500");
  o.continue_token = "abc==";
  o.resource_version = "7";
  EXPECT_EQ(list_target(kServices, o),
            "/api/v1/namespaces/shop/services?labelSelector=app%3Dcart%2Ctier%21%3Dfront"
            "&limit=500&continue=abc%3D%3D");
}

TEST(Url, watch_asks_for_bookmarks_from_a_revision) {
  WatchOptions o;
  o.resource_version = "42";
  o.timeout_seconds = 300;
  EXPECT_EQ(watch_target(kNodes, o),
            "/api/v1/nodes?watch=true&allowWatchBookmarks=true&resourceVersion=42&timeoutSeconds=300");
}

TEST(Status, code_follows_http_and_reason_and_the_message_is_kept) {
  const auto status = [](const char* reason) {
    return std::string(R"({"kind":"Status","message":"no luck","reason":")") + reason + "\"}";
  };
  EXPECT_EQ(error_of_status(404, status("NotFound"), "x").code, Errc::not_found);
  EXPECT_EQ(error_of_status(409, status("AlreadyExists"), "x").code, Errc::exists);
  EXPECT_EQ(error_of_status(409, status("Conflict"), "x").code, Errc::conflict);
  EXPECT_EQ(error_of_status(410, status("Expired"), "x").code, Errc::expired);
  EXPECT_EQ(error_of_status(401, status("Unauthorized"), "x").code, Errc::unauthorized);
  EXPECT_EQ(error_of_status(403, status("Forbidden"), "x").code, Errc::unauthorized);
  EXPECT_EQ(error_of_status(422, status("Invalid"), "x").code, Errc::invalid);
  EXPECT_EQ(error_of_status(503, status("ServiceUnavailable"), "x").code, Errc::unavailable);
  EXPECT_EQ(error_of_status(404, status("NotFound"), "reading pods a/b").message, "reading pods a/b: no luck");
  EXPECT_EQ(error_of_status(502, "Bad Gateway\n", "x").message, "x: HTTP status 502: Bad Gateway");
}

TEST(RateLimiter, burst_passes_and_then_qps_holds) {
  RateLimiter limit(10, 3);
  const auto t = Steady::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.reserve(t), Duration::zero());
  EXPECT_EQ(limit.reserve(t), std::chrono::milliseconds(100));
  EXPECT_EQ(limit.reserve(t), std::chrono::milliseconds(200));
  EXPECT_EQ(limit.reserve(t + std::chrono::seconds(10)), Duration::zero());
}

TEST(ExecCredential, token_or_certificate_is_needed) {
  const auto c = parse_exec_credential(R"({"status":{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}})");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->token, "t");
  EXPECT_EQ(rfc3339(c->expires), "2030-01-01T00:00:00Z");
  EXPECT_FALSE(parse_exec_credential(R"({"status":{}})"));
  EXPECT_FALSE(parse_exec_credential("no json"));
}

}  // namespace
}  // namespace weft::kube
