#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "identity/gc.h"

namespace weft::identity {
namespace {

using std::chrono::minutes;

IdentityObject object(NumericIdentity id, std::optional<Wall::time_point> marked = std::nullopt) {
  return {std::to_string(id), "uid", "7", id, marked};
}
std::string names(const std::vector<IdentityObject>& list) {
  std::string out;
  for (const auto& o : list) out += o.name + " ";
  return out;
}

TEST(IdentityGarbage, unused_is_marked_then_deleted_and_used_is_never_touched) {
  const auto now = Wall::now();
  const std::vector<IdentityObject> all{object(1),
                                        object(2),
                                        object(3, now - minutes(10)),
                                        object(4, now - minutes(40)),
                                        object(5, now - minutes(40)),
                                        object(6, now + minutes(60))};
  const auto g = identity_garbage(all, {1, 5}, now, minutes(30));
  EXPECT_EQ(names(g.mark), "2 6 ");
  EXPECT_EQ(names(g.unmark), "5 ");
  EXPECT_EQ(names(g.remove), "4 ");
}

TEST(IdentityGarbage, object_whose_name_is_no_number_is_not_ours) {
  const auto parse = [](const char* text) {
    return parse_identity_object(boost::json::parse(text).get_object()).value();
  };
  EXPECT_FALSE(parse(R"({"metadata":{"name":"custom"}})"));
  const auto o = parse(R"({"metadata":{"name":"65600","annotations":{"io.cilium.heartbeat":"2026-01-01T00:00:00Z"}}})");
  ASSERT_TRUE(o);
  EXPECT_EQ(o->id, 65600u);
  EXPECT_EQ(rfc3339(*o->marked), "2026-01-01T00:00:00Z");
}

TEST(Suspects, only_what_stays_suspect_goes) {
  Suspects<std::string> s(minutes(5));
  const Steady::time_point t{};
  EXPECT_TRUE(s.look({"a", "b"}, t).empty());
  EXPECT_TRUE(s.look({"a"}, t + minutes(4)).empty());
  EXPECT_EQ(s.look({"a", "b"}, t + minutes(5)), std::vector<std::string>{"a"}) << "b was cleared in between";
  EXPECT_EQ(s.look({"b"}, t + minutes(10)), std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace weft::identity
