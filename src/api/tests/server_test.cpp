#include "api/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include <filesystem>
#include <thread>

#include "api/client.h"
#include "async/scope.h"
#include "async/signal.h"
#include "base/fd.h"
#include "base/file.h"

using namespace std::chrono_literals;

namespace weft::api {
namespace {

/// A server on its own thread and temp folder, so that the blocking client can be used as its users do.
class ApiServer : public ::testing::Test {
 protected:
  ApiServer() {
    char name[] = "/tmp/weft-api-XXXXXX";
    folder_ = ::mkdtemp(name);
    socket_ = folder_ + "/a/api.sock";
  }
  ~ApiServer() override {
    stop();
    std::filesystem::remove_all(folder_);
  }
  void start() {
    server_ = std::make_unique<Server>(io_, socket_);
    server_->route_value("GET", "/v1/nodes", [](const Request& r) -> Result<json::value> {
      if (r.path == "/v1/nodes/absent") return fail(Errc::not_found, "node absent: no such node");
      return json::object{{"path", r.path}, {"q", r.query.contains("q") ? r.query.at("q") : ""}};
    });
    server_->route("POST", "/v1/echo", [](Request r) -> Task<Response> {
      return [](Request r) -> Task<Response> {
        co_await yield();
        auto body = r.json_body();
        if (!body) co_return Response::of(body.error());
        co_return Response::of(*body);
      }(std::move(r));
    });
    server_->route("GET", "/slow", [](Request) -> Task<Response> {
      return []() -> Task<Response> {
        co_await sleep_for(1h);
        co_return Response::text("never");
      }();
    });
    ASSERT_TRUE(server_->listen());
    thread_ = std::thread([this] {
      Scope scope(io_, "test");
      run_to_completion(io_, [](Scope& scope, Server& server, Notifier& end) -> Task<int> {
        const auto serve = [](Server& s) -> Task<> {
          auto r = co_await s.run();
          (void)r;
        };
        scope.spawn("api", serve(server));
        co_await end.changed_since(0);
        co_await scope.stop();
        co_return 0;
      }(scope, *server_, end_));
    });
  }
  void stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { end_.notify(); });
    thread_.join();
  }

  std::string folder_;
  std::string socket_;
  asio::io_context io_{1};
  Notifier end_{io_};
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(ApiServer, answers_get_with_decoded_path_and_query) {
  start();
  const auto v = get(socket_, "/v1/nodes/a%20b?q=x%2Cy");
  ASSERT_TRUE(v) << v.error().message;
  EXPECT_EQ(*v, (json::value{{"path", "/v1/nodes/a b"}, {"q", "x,y"}}));
}

TEST_F(ApiServer, errors_travel_with_their_code_and_message) {
  start();
  EXPECT_EQ(get(socket_, "/v1/nodes/absent").error(), (Error{Errc::not_found, "node absent: no such node"}));
  EXPECT_EQ(exchange(socket_, "GET", "/v1/nodes/absent")->status, 404u);
}

TEST_F(ApiServer, a_prefix_ends_at_a_slash_and_unknown_things_are_refused) {
  start();
  EXPECT_EQ(get(socket_, "/v1/nodesx").error().code, Errc::not_found);
  EXPECT_EQ(exchange(socket_, "DELETE", "/v1/nodes")->status, 405u);
  EXPECT_EQ(exchange(socket_, "POST", "/v1/echo", "{\"a\":")->status, 400u);
}

TEST_F(ApiServer, a_large_body_comes_back_whole) {
  start();
  const json::value big{{"text", std::string(3 << 20, 'x')}};
  const auto v = post(socket_, "/v1/echo", big);
  ASSERT_TRUE(v) << v.error().message;
  EXPECT_EQ(*v, big);
}

TEST_F(ApiServer, a_slow_handler_does_not_hold_up_others_nor_the_end) {
  start();
  Result<Answer> slow;
  std::thread asker([&] { slow = exchange(socket_, "GET", "/slow", {}, 300ms); });
  EXPECT_TRUE(get(socket_, "/v1/nodes"));
  asker.join();
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, Errc::timeout);
  stop();  // with the handler still asleep: returns only because it is cancelled
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_EQ(get(socket_, "/v1/nodes").error().code, Errc::unavailable);
}

TEST_F(ApiServer, garbage_on_the_socket_ends_only_that_connection) {
  start();
  Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un to{.sun_family = AF_UNIX};
  socket_.copy(to.sun_path, sizeof(to.sun_path) - 1);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const std::string junk = "\x16\x03\x01 not http\r\n\r\n";
  ASSERT_EQ(::send(fd.get(), junk.data(), junk.size(), MSG_NOSIGNAL), static_cast<ssize_t>(junk.size()));
  char b;
  EXPECT_LE(::recv(fd.get(), &b, 1, 0), 0);
  EXPECT_TRUE(get(socket_, "/v1/nodes"));
}

TEST_F(ApiServer, the_socket_is_for_owner_and_group_only) {
  start();
  struct stat st{};
  ASSERT_EQ(::stat(socket_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0660u);
}

TEST_F(ApiServer, takes_over_a_dead_socket_but_not_a_live_one) {
  start();
  Server second(io_, socket_);
  const auto r = second.listen();
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::exists);
  stop();
  {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));  // bound, never unlinked: what a killed process leaves
    sockaddr_un at{.sun_family = AF_UNIX};
    socket_.copy(at.sun_path, sizeof(at.sun_path) - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  }
  EXPECT_TRUE(second.listen());
}

TEST_F(ApiServer, a_plain_file_in_the_way_is_left_alone) {
  std::filesystem::create_directories(folder_ + "/a");
  ASSERT_TRUE(write_file(socket_, "precious"));
  Server s(io_, socket_);
  EXPECT_EQ(s.listen().error().code, Errc::exists);
  EXPECT_EQ(*read_file(socket_), "precious");
}

}  // namespace
}  // namespace weft::api
