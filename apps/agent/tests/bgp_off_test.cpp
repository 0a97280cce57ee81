// A node where BGP was on and is off now.
#include <gtest/gtest.h>

#include <filesystem>

#include "apps/agent/bgp.h"
#include "base/file.h"
#include "netlink/fake.h"

namespace weft::agent {
namespace {

netlink::Route route(const char* to, std::uint8_t protocol) {
  netlink::Route r;
  r.destination = Prefix::parse(to).value();
  r.type = netlink::RouteType::blackhole;
  r.protocol = protocol;
  return r;
}

TEST(BgpOff, what_bgp_left_goes_and_routes_of_others_stay) {
  std::string dir = std::filesystem::temp_directory_path() / "weft-bgp-off-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  for (const char* name : {"bgp-graceful-restart", "bgp-good-states.json", "bgp-drain-since", "other"})
    ASSERT_TRUE(write_file(dir + "/" + name, ""));
  const auto world = std::make_shared<netlink::FakeWorld>();
  netlink::FakeKernel kernel(world);
  constexpr std::uint8_t kFrr = 186;
  for (const auto& r : {route("10.8.0.0/16", netlink::kBgpRouteProtocol), route("10.9.0.0/16", kFrr),
                        route("10.10.0.0/16", netlink::kRouteProtocol)})
    ASSERT_TRUE(kernel.replace_route(r));
  Options options;
  options.state_dir = dir;
  ASSERT_TRUE(forget_bgp(options, kernel));
  std::string left;
  const auto routes = kernel.routes({.table = std::nullopt, .protocol = std::nullopt});
  ASSERT_TRUE(routes);
  for (const auto& r : *routes) left += r.destination.to_string() + " ";
  EXPECT_EQ(left, "10.9.0.0/16 10.10.0.0/16 ");
  EXPECT_TRUE(std::filesystem::exists(dir + "/other"));
  std::filesystem::remove(dir + "/other");
  EXPECT_TRUE(std::filesystem::is_empty(dir));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace weft::agent
