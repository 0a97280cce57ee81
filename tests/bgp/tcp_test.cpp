// Socket options do what they say, on the kernel.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "bgp/bench.h"
#include "bgp/speaker/local_addresses.h"
#include "bgp/speaker/tcp.h"

namespace weft::bgp::test {
namespace {

constexpr Port kPort = 1790;

class TcpTest : public NetTest, public ::testing::WithParamInterface<Family> {
 protected:
  Address server() const { return *Address::parse(GetParam() == Family::v4 ? "10.99.0.1" : "fd00::1"); }
  Address client() const { return *Address::parse(GetParam() == Family::v4 ? "10.99.0.2" : "fd00::2"); }

  static bool wait(int fd, short what, std::chrono::milliseconds limit) {
    pollfd p{fd, what, 0};
    return ::poll(&p, 1, static_cast<int>(limit.count())) > 0;
  }

  // The connected client's end; none when the connection did not come about.
  Fd connect(const TcpOptions& options, std::chrono::milliseconds limit = 10s) const {
    auto fd = start_connect({{server(), kPort}, Endpoint{client(), 0}, "", options});
    EXPECT_TRUE(fd) << fd.error().message;
    if (!fd || !wait(fd->get(), POLLOUT, limit) || !connect_result(fd->get(), {server(), kPort})) return {};
    return std::move(*fd);
  }

  static Fd accept(int listener) {
    if (!wait(listener, POLLIN, 10s)) return {};
    return Fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }

  int ttl(int fd) const {
    int value = 0;
    socklen_t size = sizeof value;
    if (GetParam() == Family::v4)
      ::getsockopt(fd, IPPROTO_IP, IP_TTL, &value, &size);
    else
      ::getsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, &size);
    return value;
  }
};

TEST_P(TcpTest, both_ends_know_who_they_are) {
  const auto listener = open_listener(server(), kPort);
  ASSERT_TRUE(listener) << listener.error().message;
  const Fd fd = connect({});
  ASSERT_TRUE(fd);
  const Fd other = accept(listener->get());
  EXPECT_EQ(remote_end(other.get()).address, client());
  EXPECT_EQ(remote_end(fd.get()), (Endpoint{server(), kPort}));
  EXPECT_EQ(local_end(fd.get()), remote_end(other.get()));
}

TEST_P(TcpTest, the_same_password_connects_another_or_none_does_not) {
  const auto listener = open_listener(server(), kPort);
  ASSERT_TRUE(listener) << listener.error().message;
  const auto set = set_listener_password(listener->get(), client(), "secret");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(connect({.password = "secret"}));
  EXPECT_FALSE(connect({.password = "other"}, 500ms));
  EXPECT_FALSE(connect({}, 500ms));
  ASSERT_TRUE(set_listener_password(listener->get(), client(), std::nullopt));
  EXPECT_TRUE(connect({}));
  EXPECT_TRUE(set_listener_password(listener->get(), client(), std::nullopt)) << "there is none any more";
}

TEST_P(TcpTest, a_connection_that_nobody_answers_is_still_being_made) {
  const auto listener = open_listener(server(), kPort);
  ASSERT_TRUE(listener) << listener.error().message;
  ASSERT_TRUE(set_listener_password(listener->get(), client(), "secret"));
  const auto fd = start_connect({{server(), kPort}, Endpoint{client(), 0}, "", {}});
  ASSERT_TRUE(fd) << fd.error().message;
  EXPECT_TRUE(connecting(fd->get()));
  ASSERT_TRUE(set_listener_password(listener->get(), client(), std::nullopt));
  ASSERT_TRUE(wait(fd->get(), POLLOUT, 10s)) << "the SYN is sent again after a second";
  EXPECT_FALSE(connecting(fd->get()));
  EXPECT_TRUE(connect_result(fd->get(), {server(), kPort}));
}

TEST_P(TcpTest, an_unsigned_connection_that_waited_since_before_the_password_carries_nothing) {
  const auto listener = open_listener(server(), kPort);
  ASSERT_TRUE(listener) << listener.error().message;
  const Fd plain = connect({});
  ASSERT_TRUE(plain);
  const auto set = set_listener_password(listener->get(), client(), "secret");
  ASSERT_TRUE(set) << set.error().message;
  const Fd mine = connect({.password = "secret"});
  ASSERT_TRUE(mine);
  for (const Fd* client : {&plain, &mine}) {
    const Fd other = accept(listener->get());  // in the order in which they came
    ASSERT_TRUE(tune_accepted(other.get(), {.password = "secret"}));
    ASSERT_EQ(::send(client->get(), "open", 4, 0), 4);
    EXPECT_EQ(wait(other.get(), POLLIN, client == &mine ? 10s : 500ms), client == &mine);
  }
}

TEST_P(TcpTest, a_password_that_tcp_cannot_take_is_refused_in_words) {
  const auto fd = start_connect({{server(), kPort}, std::nullopt, "", {.password = std::string(81, 'x')}});
  ASSERT_FALSE(fd);
  EXPECT_NE(fd.error().message.find("81 bytes"), std::string::npos) << fd.error().message;
}

TEST_P(TcpTest, ttl_goes_out_as_asked) {
  const auto listener = open_listener(server(), kPort);
  const Fd fd = connect({.ttl = 1});
  ASSERT_TRUE(fd);
  EXPECT_EQ(ttl(fd.get()), 1);
  const Fd other = accept(listener->get());
  ASSERT_TRUE(tune_accepted(other.get(), {.ttl = 7}));
  EXPECT_EQ(ttl(other.get()), 7);
}

TEST_P(TcpTest, a_connection_that_comes_too_far_is_refused_in_words_whatever_it_has_sent) {
  const auto listener = open_listener(server(), kPort);
  for (const std::uint8_t sent : {255, 254}) {
    const Fd fd = connect({.ttl = sent});
    ASSERT_TRUE(fd);
    ASSERT_EQ(::send(fd.get(), "open", 4, MSG_NOSIGNAL), 4);
    const Fd other = accept(listener->get());
    ASSERT_TRUE(wait(other.get(), POLLIN, 10s)) << "what came before the options were set is heard";
    const auto tuned = tune_accepted(other.get(), {.ttl = 255, .min_ttl = 255});
    EXPECT_EQ(tuned.has_value(), sent == 255) << "TTL " << int{sent};
    if (!tuned) {
      EXPECT_NE(tuned.error().message.find("TTL 254, but 255"), std::string::npos) << tuned.error().message;
    }
  }
}

TEST_P(TcpTest, what_comes_too_far_later_is_not_heard) {
  const auto listener = open_listener(server(), kPort);
  for (const int sent : {255, 254}) {
    const Fd fd = connect({.ttl = 255});
    ASSERT_TRUE(fd);
    const Fd other = accept(listener->get());
    ASSERT_TRUE(tune_accepted(other.get(), {.ttl = 255, .min_ttl = 255}));
    const bool v4 = GetParam() == Family::v4;
    ASSERT_EQ(
        ::setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, &sent, sizeof sent), 0);
    ASSERT_EQ(::send(fd.get(), "x", 1, MSG_NOSIGNAL), 1);
    const bool heard = wait(other.get(), POLLIN, sent == 255 ? 10s : 400ms);
    EXPECT_EQ(heard, sent == 255) << "TTL " << sent;
  }
}

TEST_P(TcpTest, refusal_and_a_foreign_local_address_are_told_with_names) {
  auto fd = start_connect({{server(), kPort}, std::nullopt, "", {}});
  ASSERT_TRUE(fd) << fd.error().message;
  ASSERT_TRUE(wait(fd->get(), POLLOUT, 10s));
  const auto refused = connect_result(fd->get(), {server(), kPort});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("refused"), std::string::npos) << refused.error().message;
  const Address foreign = *Address::parse(GetParam() == Family::v4 ? "192.0.2.7" : "2001:db8::7");
  fd = start_connect({{server(), kPort}, Endpoint{foreign, 0}, "", {}});
  ASSERT_FALSE(fd);
  EXPECT_NE(fd.error().message.find(foreign.to_string()), std::string::npos) << fd.error().message;
}

TEST_P(TcpTest, a_listener_may_wait_for_its_address) {
  const Address later = *Address::parse(GetParam() == Family::v4 ? "192.0.2.9" : "2001:db8::9");
  EXPECT_TRUE(open_listener(later, kPort));
}

TEST_P(TcpTest, a_neighbour_shares_a_network_with_one_of_our_interfaces) {
  const bool v4 = GetParam() == Family::v4;
  const Address ours = *Address::parse(v4 ? "198.51.100.1" : "2001:db8:7::1");
  shell(fmt::format("ip link add l0 type veth peer name l1 && ip addr add {}/{} dev l0{}", ours.to_string(),
                    v4 ? 24 : 64, v4 ? "" : " nodad"));
  EXPECT_TRUE(on_link(*Address::parse(v4 ? "198.51.100.200" : "2001:db8:7::200")));
  EXPECT_FALSE(on_link(*Address::parse(v4 ? "198.51.101.1" : "2001:db8:8::1")));
  EXPECT_EQ(interface_address("l0", GetParam()), ours);
  EXPECT_EQ(interface_address("l0", v4 ? Family::v6 : Family::v4), std::nullopt);
  shell("ip link del l0");
}

INSTANTIATE_TEST_SUITE_P(Both, TcpTest, ::testing::Values(Family::v4, Family::v6),
                         [](const auto& i) { return i.param == Family::v4 ? "v4" : "v6"; });

}  // namespace
}  // namespace weft::bgp::test
