#include "state/table.h"

#include <gtest/gtest.h>

#include "async/scope.h"
#include "state/tests/row.h"

namespace weft {
namespace {

class TableTest : public ::testing::Test {
 protected:
  asio::io_context io;
  Table<Row> table{io, "rows"};
};

TEST_F(TableTest, writing_an_equal_row_changes_nothing) {
  EXPECT_TRUE(table.upsert({"a", 1}));
  const auto revision = table.revision();
  EXPECT_FALSE(table.upsert({"a", 1}));
  EXPECT_EQ(table.revision(), revision);
  EXPECT_TRUE(table.upsert({"a", 2}));
}

TEST_F(TableTest, a_stream_coalesces_what_happened_between_two_looks) {
  Table<Row>::Stream stream(table);
  table.upsert({"a", 1});
  table.upsert({"b", 1});
  table.upsert({"a", 2});
  auto changes = stream.next();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].key, "b");
  EXPECT_EQ(changes[1].row->value, 2);
  EXPECT_TRUE(stream.next().empty());
}

TEST_F(TableTest, a_removal_reaches_every_stream_and_a_late_one_never_hears_of_it) {
  Table<Row>::Stream early(table);
  table.upsert({"a", 1});
  early.next();
  table.remove("a");
  Table<Row>::Stream late(table);
  const auto seen_early = early.next();
  ASSERT_EQ(seen_early.size(), 1u);
  EXPECT_EQ(seen_early[0].row, nullptr);
  table.upsert({"a", 3});
  EXPECT_EQ(early.next().size(), 1u);
  ASSERT_EQ(late.next().size(), 1u);
}

TEST_F(TableTest, next_honours_its_limit_and_continues) {
  Table<Row>::Stream stream(table);
  for (int i = 0; i < 10; ++i) table.upsert({std::to_string(i), i});
  EXPECT_EQ(stream.next(4).size(), 4u);
  EXPECT_TRUE(stream.pending());
  EXPECT_EQ(stream.next().size(), 6u);
  EXPECT_FALSE(stream.pending());
}

TEST_F(TableTest, replace_touches_only_what_it_owns) {
  table.upsert({"mine/1", 1});
  table.upsert({"mine/2", 1});
  table.upsert({"other/1", 1});
  table.replace({{"mine/2", 5}}, [](const Row& r) { return r.name.starts_with("mine/"); });
  EXPECT_EQ(table.get("mine/1"), nullptr);
  EXPECT_EQ(table.get("mine/2")->value, 5);
  EXPECT_NE(table.get("other/1"), nullptr);
}

TEST_F(TableTest, is_initialized_when_every_source_has_delivered) {
  table.expect("kube");
  table.expect("mesh");
  EXPECT_TRUE(table.waits_for("ku") && table.waits_for("mesh"));
  EXPECT_FALSE(table.waits_only_for("mesh"));
  EXPECT_FALSE(table.waits_for("kubernetes") || table.waits_for("lb") || table.waits_for("z"));
  table.initialized_by("kube");
  EXPECT_FALSE(table.initialized());
  EXPECT_FALSE(table.waits_for("kube"));
  EXPECT_TRUE(table.waits_only_for("mesh"));
  table.initialized_by("mesh");
  EXPECT_TRUE(table.initialized());
}

TEST_F(TableTest, a_stream_that_begins_after_everything_was_removed_has_nothing_pending) {
  table.upsert({"a", 1});
  table.remove("a");
  Table<Row>::Stream stream(table);
  EXPECT_TRUE(stream.next().empty());
  EXPECT_FALSE(stream.pending());
}

TEST_F(TableTest, a_waiting_stream_wakes_on_a_change) {
  Table<Row>::Stream stream(table);
  const auto main = [](Table<Row>& t, Table<Row>::Stream& s) -> Task<int> {
    asio::post(co_await asio::this_coro::executor, [&t] { t.upsert({"x", 9}); });
    co_await s.changed();
    co_return s.next().at(0).row->value;
  };
  EXPECT_EQ(run_to_completion(io, main(table, stream)), 9);
}

}  // namespace
}  // namespace weft
