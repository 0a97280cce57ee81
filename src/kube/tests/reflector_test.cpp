#include <gtest/gtest.h>

#include "async/tests/run.h"
#include "kube/fake.h"
#include "kube/reflector.h"

namespace weft::kube {
namespace {

using weft::testing::run;
using weft::testing::until;

struct Row {
  using Key = std::string;
  std::string name;
  std::string value;
  Key key() const { return name; }
  bool operator==(const Row&) const = default;
};

json::object config_map(const std::string& name, const std::string& value) {
  return {{"metadata", {{"namespace", "shop"}, {"name", name}}}, {"data", {{"v", value}}}};
}

Result<std::optional<Row>> parse_row(const json::object& o) {
  const std::string value(o.at("data").at("v").get_string());
  if (value == "bad") return fail(Errc::invalid, "data.v is bad");
  if (value == "skip") return std::optional<Row>();
  return std::optional<Row>(Row{name_of(o).to_string(), value});
}

struct World {
  asio::io_context io;
  FakeServer server{io};
  Client client{io, FakeServer::config(), server.transport()};
  Table<Row> table{io, "rows"};
  Reflector<Row> reflector;
  Scope scope{io, "test"};

  explicit World(unsigned page = 500) : World(options(page)) {}
  explicit World(ReflectorOptions o) : reflector(client, kConfigMaps, table, parse_row, std::move(o)) {}
  static ReflectorOptions options(unsigned page) {
    ReflectorOptions o;
    o.page = page;
    o.retry_first = std::chrono::milliseconds(2);
    o.retry_max = std::chrono::milliseconds(20);
    return o;
  }
  std::string text() const {
    std::string out;
    table.for_each([&](const Row& r) { out += r.name + "=" + r.value + " "; });
    return out;
  }
  std::function<bool()> has(std::string want) {
    return [this, want] { return text() == want; };
  }
  std::function<std::string()> seen() {
    return [this] { return text() + "error: " + reflector.health().error; };
  }
  void start() { scope.spawn("reflector", reflector.run()); }
};

Task<> paged_list(World& w) {
  for (int i = 0; i < 7; ++i) w.server.put(kConfigMaps, config_map("c" + std::to_string(i), "x"));
  EXPECT_FALSE(w.table.initialized());
  w.start();
  co_await until([&] { return w.table.initialized(); });
  EXPECT_EQ(w.table.size(), 7u);
  int lists = 0;
  for (const auto& c : w.server.calls()) lists += c.target.find("watch=") == std::string::npos;
  EXPECT_EQ(lists, 3);
  co_await w.scope.stop();
}
TEST(Reflector, lists_in_pages_and_then_the_table_is_initialized) {
  World w(3);
  run(w.io, paged_list(w));
}

Task<> follows(World& w) {
  w.server.put(kConfigMaps, config_map("a", "1"));
  w.start();
  co_await until(w.has("shop/a=1 "), w.seen());
  w.server.put(kConfigMaps, config_map("b", "1"));
  w.server.put(kConfigMaps, config_map("a", "2"));
  co_await until(w.has("shop/a=2 shop/b=1 "), w.seen());
  w.server.erase(kConfigMaps, "shop", "a");
  co_await until(w.has("shop/b=1 "), w.seen());
  w.server.put(kConfigMaps, config_map("b", "skip"));
  co_await until(w.has(""), w.seen());
  EXPECT_EQ(w.reflector.health().lists, 1u);
  co_await w.scope.stop();
}
TEST(Reflector, follows_added_changed_deleted_and_no_longer_wanted_objects) {
  World w;
  run(w.io, follows(w));
}

Task<> resumes(World& w) {
  w.server.put(kConfigMaps, config_map("a", "1"));
  w.start();
  co_await until([&] { return w.server.open_watches() == 1; });
  const auto before = w.table.revision();
  w.server.break_watches("connection reset");
  w.server.set_down(true);
  w.server.put(kConfigMaps, config_map("b", "1"));
  co_await until([&] { return !w.reflector.health().error.empty(); });
  EXPECT_EQ(w.text(), "shop/a=1 ");
  EXPECT_EQ(w.table.revision(), before);
  w.server.set_down(false);
  co_await until(w.has("shop/a=1 shop/b=1 "), w.seen());
  EXPECT_EQ(w.reflector.health().lists, 1u) << "a lost connection must not list again";
  EXPECT_TRUE(w.reflector.health().error.empty());
  co_await w.scope.stop();
}
TEST(Reflector, lost_connection_keeps_rows_and_resumes_where_it_was) {
  World w;
  run(w.io, resumes(w));
}

Task<> expired(World& w) {
  w.server.put(kConfigMaps, config_map("a", "1"));
  w.server.put(kConfigMaps, config_map("b", "1"));
  w.server.put(kConfigMaps, config_map("c", "1"));
  w.start();
  co_await until([&] { return w.server.open_watches() == 1; });
  Table<Row>::Stream stream(w.table);
  stream.next();
  w.server.set_down(true);
  w.server.break_watches("connection reset");
  w.server.erase(kConfigMaps, "shop", "b");
  w.server.put(kConfigMaps, config_map("c", "2"));
  w.server.compact();
  w.server.set_down(false);
  co_await until(w.has("shop/a=1 shop/c=2 "), w.seen());
  EXPECT_EQ(w.reflector.health().lists, 2u);
  std::string changes;
  for (const auto& c : stream.next()) changes += c.key + (c.row ? "=" + c.row->value : " gone") + " ";
  EXPECT_EQ(changes, "shop/b gone shop/c=2 ") << "unchanged rows must not show up";
  co_await w.scope.stop();
}
TEST(Reflector, expired_revision_lists_again_and_changes_only_what_differs) {
  World w;
  run(w.io, expired(w));
}

Task<> bookmarks(World& w) {
  w.server.put(kConfigMaps, config_map("a", "1"));
  w.start();
  co_await until([&] { return w.server.open_watches() == 1; });
  w.server.bookmark();
  w.server.bookmark();
  const auto now = std::to_string(w.server.revision());
  co_await until([&] { return w.reflector.health().resource_version == now; },
                 [&] { return w.reflector.health().resource_version; });
  w.server.compact();  // up to the bookmark: resuming from the list's revision would be refused
  w.server.break_watches();
  co_await until([&] { return w.reflector.health().watches == 2; });
  w.server.put(kConfigMaps, config_map("a", "2"));
  co_await until(w.has("shop/a=2 "), w.seen());
  EXPECT_EQ(w.reflector.health().lists, 1u);
  co_await w.scope.stop();
}
TEST(Reflector, bookmark_moves_the_place_to_resume_from) {
  World w;
  run(w.io, bookmarks(w));
}

Task<> bad_object(World& w) {
  w.server.put(kConfigMaps, config_map("a", "1"));
  w.server.put(kConfigMaps, config_map("z", "bad"));
  w.start();
  co_await until(w.has("shop/a=1 "), w.seen());
  EXPECT_TRUE(w.table.initialized());
  w.server.put(kConfigMaps, config_map("a", "bad"));
  co_await until([&] { return w.reflector.health().bad.size() == 2; });
  EXPECT_EQ(w.text(), "shop/a=1 ") << "the last good row stays";
  // Also through a list.
  w.server.set_down(true);
  w.server.break_watches("reset");
  w.server.put(kConfigMaps, config_map("c", "1"));
  w.server.compact();
  w.server.set_down(false);
  co_await until(w.has("shop/a=1 shop/c=1 "), w.seen());
  w.server.put(kConfigMaps, config_map("a", "2"));
  co_await until(w.has("shop/a=2 shop/c=1 "), w.seen());
  w.server.put(kConfigMaps, config_map("a", "bad"));
  w.server.erase(kConfigMaps, "shop", "a");
  co_await until(w.has("shop/c=1 "), w.seen());
  EXPECT_EQ(w.reflector.health().bad.size(), 1u);
  co_await w.scope.stop();
}
TEST(Reflector, object_that_cannot_be_read_keeps_its_last_good_row) {
  World w;
  run(w.io, bad_object(w));
}

// As deep as the schema of a CRD may be.
json::object nested(const std::string& name, int depth) {
  json::value inner = "bottom";
  for (int i = 0; i < depth; ++i) inner = json::object{{"properties", std::move(inner)}};
  auto o = config_map(name, "x");
  o["schema"] = std::move(inner);
  return o;
}
Task<> deep(World& w) {
  w.server.put(kConfigMaps, nested("listed", 100));
  w.start();
  co_await until(w.has("shop/listed=x "), w.seen());
  w.server.put(kConfigMaps, nested("watched", 100));
  co_await until(w.has("shop/listed=x shop/watched=x "), w.seen());
  auto one = co_await w.client.get(kConfigMaps, "shop", "listed");
  EXPECT_TRUE(one) << one.error().message;
  auto back = co_await w.client.update(kConfigMaps, "shop", *one);
  EXPECT_TRUE(back) << back.error().message;
  co_await w.scope.stop();
}
TEST(Reflector, deeply_nested_objects_are_read) {
  World w;
  run(w.io, deep(w));
}

Task<> missing_kind(World& w) {
  w.server.intercept = [](const Request&) -> std::optional<Response> {
    return Response{404, "text/plain", "404 page not found", std::nullopt};
  };
  w.start();
  co_await until([&] { return w.reflector.health().lists > 2; });
  EXPECT_FALSE(w.table.initialized());
  w.server.put(kConfigMaps, config_map("a", "1"));
  w.server.intercept = nullptr;
  co_await until(w.has("shop/a=1 "), w.seen());
  co_await w.scope.stop();
}
TEST(Reflector, kind_that_does_not_exist_yet_is_asked_for_again) {
  World w;
  run(w.io, missing_kind(w));
}

Task<> long_missing_kind(World& w) {
  w.server.intercept = [](const Request&) -> std::optional<Response> {
    return Response{404, "text/plain", "404 page not found", std::nullopt};
  };
  w.start();
  std::uint64_t lists = 0;
  auto last = Steady::now();
  co_await until([&] {
    if (std::exchange(lists, w.reflector.health().lists) != lists) last = Steady::now();
    return lists > 3 && Steady::now() - last >= std::chrono::milliseconds(300);
  });
  co_await w.scope.stop();
}
TEST(Reflector, kind_that_stays_missing_is_asked_for_less) {
  ReflectorOptions o = World::options(500);
  o.retry_max = std::chrono::seconds(30);
  o.missing_kind_retry = std::chrono::milliseconds(1);
  o.missing_kind_patience = std::chrono::milliseconds(50);
  World w(o);
  run(w.io, long_missing_kind(w));
}

Task<> page_expired(World& w) {
  for (int i = 0; i < 5; ++i) w.server.put(kConfigMaps, config_map("c" + std::to_string(i), "x"));
  bool once = true;
  w.server.intercept = [&](const Request& r) -> std::optional<Response> {
    if (once && r.target.find("continue=") != std::string::npos) {
      once = false;
      w.server.put(kConfigMaps, config_map("c9", "x"));
      w.server.compact();
    }
    return std::nullopt;
  };
  w.start();
  co_await until([&] { return w.table.initialized(); });
  EXPECT_FALSE(once);
  EXPECT_EQ(w.table.size(), 6u);
  EXPECT_EQ(w.reflector.health().lists, 1u);
  co_await w.scope.stop();
}
TEST(Reflector, compaction_between_two_pages_asks_for_everything_at_once) {
  World w(2);
  run(w.io, page_expired(w));
}

}  // namespace
}  // namespace weft::kube
