// Remote clusters as a directory of files says, against real etcds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/tests/free_port.h"
#include "kvstore/testing/etcd_server.h"
#include "mesh/config_dir.h"
#include "mesh/tests/remote_world.h"

namespace weft::mesh {
namespace {

using kvstore::testing::EtcdServer;

TEST(ConfigDir, picks_up_changes_and_drops_remotes_at_run_time) {
  EtcdServer east, west;
  std::string dir = (std::filesystem::temp_directory_path() / "weft-mesh-XXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  run([&](asio::io_context& io) -> Task<> {
    Client e(io, east.options()), v(io, west.options());
    co_await seed(e, "east", 7, "10.7.0.0/24");
    co_await seed(v, "west", 8, "10.8.0.0/24");
    World w(io);
    ConfigDir::Options options;
    options.path = dir;
    options.remote = World::options({});
    options.rescan = 60s;  // so that the test shows inotify at work
    ConfigDir config(io, kHome, options, w.tables);
    Scope scope(io, "test");
    (void)write_file(dir + "/east", "endpoints:\n- " + east.endpoint() + "\n");
    (void)write_file(dir + "/ca.crt", "a certificate is no remote");
    scope.spawn("config", config.run());
    co_await eventually("east", [&] { return w.status("east").ready; });
    EXPECT_EQ(config.names(), std::vector<std::string>{"east"});
    (void)write_file(dir + "/west", "endpoints:\n- " + west.endpoint() + "\n");
    co_await eventually("west", [&] { return w.status("west").ready; });

    (void)write_file(dir + "/broken", "endpoints: [\n");
    co_await eventually("the broken file is shown", [&] { return w.status("broken").refused; });
    (void)write_file(dir + "/east", "endpoints: nonsense\n");
    co_await sleep_for(300ms);
    EXPECT_TRUE(w.status("east").ready) << "a bad file does not cut what works";
    EXPECT_EQ(w.nodes.size(), 2u);

    const std::string lost = fmt::format("http://127.0.0.1:{}", weft::testing::free_port());
    (void)write_file(dir + "/east", "endpoints:\n- " + lost + "\n");
    co_await eventually("east is away", [&] { return !w.status("east").ready; });
    EXPECT_EQ(w.nodes.size(), 2u) << "another address, the same rows";
    (void)write_file(dir + "/east", "endpoints:\n- " + lost + "\n- " + east.endpoint() + "\n");
    co_await eventually("east is back by its second address", [&] { return w.status("east").ready; });

    // There, but not to be read: first half written, then a link to itself.
    (void)write_file(dir + "/east", "");
    co_await sleep_for(300ms);
    std::filesystem::create_symlink("east", dir + "/.beside");
    std::filesystem::rename(dir + "/.beside", dir + "/east");
    co_await sleep_for(300ms);
    EXPECT_TRUE(w.status("east").ready) << "what cannot be read is not gone";
    EXPECT_EQ(w.nodes.size(), 2u);

    std::filesystem::remove(dir + "/east");
    std::filesystem::remove(dir + "/broken");
    co_await eventually("east is withdrawn", [&] { return !w.remotes.contains("east") && w.nodes.size() == 1; });
    co_await eventually("so is the broken file", [&] { return !w.remotes.contains("broken"); });
    EXPECT_TRUE(w.status("west").ready);
    co_await scope.stop();
    co_await config.stop();
    EXPECT_EQ(w.nodes.size(), 1u) << "the end of the process withdraws nothing";
  });
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace weft::mesh
