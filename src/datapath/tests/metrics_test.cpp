#include "datapath/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Maps of which nothing is asked but their sizes and what the programs counted.
struct CountingMaps final : LbMaps {
  explicit CountingMaps(LbSizes s) : sizes_of(s) {}
  const LbSizes& sizes() const override { return sizes_of; }
  Result<LbMetrics> metrics() const override { return counted; }
  Result<std::map<LbEndpoint, std::uint32_t>> bindings() const override { return untouched(); }
  Result<std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state>> members() const override {
    return untouched();
  }
  std::optional<LbEndpoint> reverse(std::uint64_t, const LbEndpoint&) const override { return std::nullopt; }
  void wait_readers() const override {}
  Result<> bind(const LbEndpoint&, std::uint32_t) override { return untouched(); }
  Result<> unbind(const LbEndpoint&) override { return untouched(); }
  Result<> set_member(std::uint32_t, std::uint32_t, abi::lb_member_state) override { return untouched(); }
  Result<> drop_member(std::uint32_t, std::uint32_t) override { return untouched(); }
  static std::unexpected<Error> untouched() { return fail(Errc::internal, "a scrape walks no map"); }

  LbSizes sizes_of;
  Result<LbMetrics> counted = LbMetrics{.translated = 10, .sticky = 4, .no_backend = 2, .stale = 1};
};

Frontend service(const std::string& frontend, std::vector<std::string> backends) {
  Frontend f;
  f.address = {*SocketAddress::parse(frontend), Protocol::tcp};
  for (const auto& b : backends) f.backends.push_back({.address = *SocketAddress::parse(b)});
  return f;
}

std::string scraped(const LbState& state, const LbMaps& maps) {
  metrics::Registry registry;
  registry.collect([&](metrics::Samples& out) { collect_metrics(out, state, maps); });
  return registry.text();
}

TEST(LbMetrics, maps_say_how_full_they_are) {
  LbSizes sizes = LbSizes::for_capacity(256, 256, 0);
  const CountingMaps maps(sizes);
  LbState state(sizes);
  EXPECT_THAT(scraped(state, maps), HasSubstr("cilium_bpf_map_pressure{map_name=\"lb_frontends\"} 0\n"));
  for (int i = 0; i < 64; ++i) {
    auto plan = state.plan_update(service("10.96.0." + std::to_string(i + 1) + ":80", {"10.1.0.1:80", "10.1.0.2:80"}));
    ASSERT_TRUE(plan) << plan.error().message;
    state.commit(*plan);
  }
  const auto text = scraped(state, maps);
  EXPECT_THAT(text, HasSubstr("cilium_bpf_map_pressure{map_name=\"lb_frontends\"} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("cilium_bpf_map_pressure{map_name=\"lb_backends\"} 0.0078125\n"));
  EXPECT_THAT(text, Not(HasSubstr("cilium_bpf_map_pressure{map_name=\"lb_slots\"} 0\n")));
  EXPECT_THAT(text, HasSubstr("cilium_bpf_map_pressure{map_name=\"lb_members\"}"));
}

TEST(LbMetrics, translations_are_counted_by_outcome_each_once) {
  CountingMaps maps(LbSizes::for_capacity(256, 256, 0));
  const LbState state(maps.sizes());
  auto text = scraped(state, maps);
  for (const char* line : {"{outcome=\"chosen\"} 6\n", "{outcome=\"sticky\"} 4\n", "{outcome=\"no_backend\"} 2\n",
                           "{outcome=\"stale\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(std::string("weft_service_translations_total") + line));
  maps.counted = fail(Errc::internal, "gone");
  text = scraped(state, maps);
  EXPECT_THAT(text, Not(HasSubstr("weft_service_translations_total"))) << "what is not known is not told";
  EXPECT_THAT(text, HasSubstr("cilium_bpf_map_pressure"));
}

}  // namespace
}  // namespace weft
