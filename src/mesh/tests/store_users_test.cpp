// Who may read a mesh store, against a real etcd with client certificates: each authentication mode of the chart, and
// what is left to a user that nothing names any more.
#include "mesh/store_users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "async/tests/run.h"
#include "kvstore/testing/etcd_server.h"

namespace weft::mesh {
namespace {

using kvstore::Client;
using kvstore::testing::EtcdServer;
using kvstore::testing::TestCa;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using weft::testing::run;

// users.yaml of cluster east as the chart renders it for a mesh with west
// (charts/weft/templates/clustermesh-config.yaml).
const char* const kLegacy = "users:\n- name: remote\n  role: remote\n";
const char* const kMigration = "users:\n- name: remote\n  role: remote\n- name: remote-west\n  role: remote\n";
const char* const kCluster = "users:\n- name: remote-west\n  role: remote\n";
const char* const kClusterAlone = "users:\n";

Task<Result<>> set(Client& store, std::string yaml) {
  auto users = parse_store_users(yaml);
  if (!users) co_return std::unexpected(users.error());
  const auto r = co_await set_store_users(store, "east", std::move(*users));
  co_return r;
}

// Of these names, those whose certificate reads a key of the state.
Task<std::vector<std::string>> readers(asio::io_context& io, EtcdServer& etcd) {
  std::vector<std::string> out;
  for (const char* name : {"remote", "remote-west", "remote-north"}) {
    Client client(io, etcd.options(name));
    const auto r = co_await client.get("cilium/state/nodes/v1/east/e1");
    if (r) {
      out.emplace_back(name);
    } else {
      EXPECT_EQ(r.error().code, Errc::unauthorized) << name << ": " << r.error().message;
    }
  }
  co_return out;
}

struct Mode {
  const char* name;
  const char* users;
  std::vector<std::string> remotes;  // who reads
};

TEST(StoreUsers, each_authentication_mode_lets_in_whom_it_names_and_nobody_else) {
  const std::vector<Mode> modes{{"legacy", kLegacy, {"remote"}},
                                {"migration", kMigration, {"remote", "remote-west"}},
                                {"cluster", kCluster, {"remote-west"}},
                                {"cluster, before the first connect", kClusterAlone, {}}};
  for (const auto& mode : modes) {
    TestCa ca("mesh CA");
    EtcdServer etcd({.ca = &ca});
    run([&](asio::io_context& io) -> Task<> {
      Client root(io, etcd.options("root"));
      for (int i = 0; i < 2; ++i) {  // the second time all is there already
        const auto r = co_await set(root, mode.users);
        EXPECT_TRUE(r.has_value()) << mode.name << ": " << (r ? "" : r.error().message);
      }
      const auto on = co_await root.auth_enable();
      EXPECT_TRUE(on.has_value());
      auto wanted = mode.remotes;
      wanted.insert(wanted.end(), {"root", "admin-east", "local-east"});
      const auto users = co_await root.user_list();
      EXPECT_TRUE(users.has_value());
      if (users) {
        EXPECT_THAT(*users, ::testing::UnorderedElementsAreArray(wanted)) << mode.name;
      }
      const auto read = co_await readers(io, etcd);
      EXPECT_EQ(read, mode.remotes) << mode.name;
    });
  }
}

TEST(StoreUsers, a_store_in_use_goes_from_one_mode_to_the_next_and_forgets_who_is_disconnected) {
  TestCa ca("mesh CA");
  EtcdServer etcd({.ca = &ca});
  run([&](asio::io_context& io) -> Task<> {
    Client root(io, etcd.options("root"));
    const auto first = co_await set(root, kLegacy);
    EXPECT_TRUE(first.has_value()) << (first ? "" : first.error().message);
    const auto on = co_await root.auth_enable();
    EXPECT_TRUE(on.has_value());
    // What weft-clustermesh does when ConfigMap clustermesh-remote-users changes, with the certificate that it has.
    Client admin(io, etcd.options("admin-east"));
    const std::vector<std::pair<const char*, std::vector<std::string>>> steps{{kMigration, {"remote", "remote-west"}},
                                                                              {kCluster, {"remote-west"}},
                                                                              {kClusterAlone, {}},
                                                                              {kCluster, {"remote-west"}}};
    for (const auto& [users, wanted] : steps) {
      const auto r = co_await set(admin, users);
      EXPECT_TRUE(r.has_value()) << users << (r ? "" : r.error().message);
      const auto read = co_await readers(io, etcd);
      EXPECT_EQ(read, wanted) << users;
    }
  });
}

TEST(StoreUsers, a_user_named_with_another_role_loses_the_one_it_had) {
  TestCa ca("mesh CA");
  EtcdServer etcd({.ca = &ca});
  run([&](asio::io_context& io) -> Task<> {
    Client root(io, etcd.options("root"));
    const auto before = co_await set(root, "users:\n- name: west\n  role: local\n");
    EXPECT_TRUE(before.has_value()) << (before ? "" : before.error().message);
    const auto after = co_await set(root, "users:\n- name: west\n  role: remote\n");
    EXPECT_TRUE(after.has_value()) << (after ? "" : after.error().message);
    const auto roles = co_await root.user_roles("west");
    EXPECT_TRUE(roles.has_value());
    if (roles) {
      EXPECT_THAT(*roles, UnorderedElementsAre("remote"));
    }
  });
}

TEST(StoreUsers, the_stores_own_users_are_not_for_others_to_name) {
  TestCa ca("mesh CA");
  EtcdServer etcd({.ca = &ca});
  run([&](asio::io_context& io) -> Task<> {
    Client root(io, etcd.options("root"));
    const auto r = co_await set(root, "users:\n- name: admin-east\n  role: remote\n");
    EXPECT_TRUE(r.has_value()) << (r ? "" : r.error().message);
    const auto roles = co_await root.user_roles("admin-east");
    EXPECT_TRUE(roles.has_value());
    if (roles) {
      EXPECT_THAT(*roles, UnorderedElementsAre("root"));
    }
  });
}

TEST(StoreUsers, are_read_from_the_config_map) {
  EXPECT_THAT(*parse_store_users(""), IsEmpty());
  EXPECT_THAT(*parse_store_users("users: []"), IsEmpty());
  EXPECT_THAT(*parse_store_users("users:\n"), IsEmpty());
  EXPECT_EQ(*parse_store_users("users:\n- name: remote-west\n  role: remote\n"),
            (std::vector<StoreUser>{{"remote-west", "remote"}}));
  EXPECT_FALSE(parse_store_users("users:\n- name: x\n  role: root\n")) << "nobody gets root from a ConfigMap";
  EXPECT_FALSE(parse_store_users("users:\n- name: x\n"));
}

}  // namespace
}  // namespace weft::mesh
