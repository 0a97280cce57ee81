#include "metrics/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Registry, nothing_registered_is_an_empty_page) { EXPECT_EQ(Registry().text(), ""); }

TEST(Registry, a_counter_that_is_held_grows_where_the_thing_happens) {
  Registry r;
  r.counter("cilium_retries_total", "Retries.", {{"peer", "a"}}).Increment();
  r.counter("cilium_retries_total", "Retries.", {{"peer", "a"}}).Increment(2);
  EXPECT_EQ(r.text(),
            "# HELP cilium_retries_total Retries.\n"
            "# TYPE cilium_retries_total counter\n"
            "cilium_retries_total{peer=\"a\"} 3\n");
}

TEST(Registry, a_gauge_that_is_held_is_what_was_set_last) {
  Registry r;
  r.gauge("cilium_routes", "Routes.").Set(5);
  r.gauge("cilium_routes", "Routes.").Set(4);
  EXPECT_THAT(r.text(), HasSubstr("\ncilium_routes 4\n"));
}

TEST(Registry, a_collector_is_asked_at_each_scrape_so_a_series_ends_with_its_row) {
  Registry r;
  std::map<std::string, double> rows{{"east", 3}, {"west", 5}};
  r.collect([&rows](Samples& s) {
    for (const auto& [name, nodes] : rows) s.gauge("cilium_nodes", "Nodes.", {{"target_cluster", name}}, nodes);
  });
  EXPECT_EQ(r.text(),
            "# HELP cilium_nodes Nodes.\n"
            "# TYPE cilium_nodes gauge\n"
            "cilium_nodes{target_cluster=\"east\"} 3\n"
            "cilium_nodes{target_cluster=\"west\"} 5\n");
  rows.erase("east");
  EXPECT_THAT(r.text(), Not(HasSubstr("east")));
  rows.clear();
  EXPECT_EQ(r.text(), "");
}

TEST(Registry, families_come_in_the_order_of_their_names_and_series_in_that_of_their_labels) {
  Registry r;
  r.counter("b_total", "B.", {{"k", "z"}}).Increment();
  r.counter("b_total", "B.", {{"k", "a"}}).Increment();
  r.gauge("c", "C.").Set(1);
  r.collect([](Samples& s) { s.counter("a_total", "A.", {}, 7); });
  EXPECT_EQ(r.text(),
            "# HELP a_total A.\n# TYPE a_total counter\na_total 7\n"
            "# HELP b_total B.\n# TYPE b_total counter\nb_total{k=\"a\"} 1\nb_total{k=\"z\"} 1\n"
            "# HELP c C.\n# TYPE c gauge\nc 1\n");
}

TEST(Registry, a_histogram_sorts_what_it_observes_into_buckets) {
  Registry r;
  auto& h = r.histogram("cilium_run_duration_seconds", "How long.", {{"vrouter", "65001"}}, {0.1, 1});
  h.Observe(0.05);
  h.Observe(0.5);
  h.Observe(2);
  const auto text = r.text();
  EXPECT_THAT(text, HasSubstr("cilium_run_duration_seconds_count{vrouter=\"65001\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cilium_run_duration_seconds_bucket{vrouter=\"65001\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("cilium_run_duration_seconds_bucket{vrouter=\"65001\",le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("cilium_run_duration_seconds_bucket{vrouter=\"65001\",le=\"+Inf\"} 3\n"));
}

TEST(Registry, a_label_may_hold_what_the_format_has_to_escape) {
  Registry r;
  r.gauge("cilium_x", "X.", {{"why", "it said \"no\"\n"}}).Set(1);
  EXPECT_THAT(r.text(), HasSubstr("cilium_x{why=\"it said \\\"no\\\"\\n\"} 1\n"));
}

TEST(Registry, names_that_prometheus_refuses_and_two_kinds_under_one_name_do_not_pass) {
  Registry r;
  EXPECT_THROW(r.gauge("cilium-x", "X."), std::exception);
  r.counter("cilium_y", "Y.");
  EXPECT_THROW(r.gauge("cilium_y", "Y."), std::exception);
  r.collect([](Samples& s) {
    s.gauge("cilium_z", "Z.", {}, 1);
    s.counter("cilium_z", "Z.", {}, 1);
  });
  EXPECT_THROW((void)r.text(), std::invalid_argument);
}

}  // namespace
}  // namespace weft::metrics
