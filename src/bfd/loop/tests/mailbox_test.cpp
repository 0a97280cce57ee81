#include "bfd/loop/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "bfd/loop/realtime.h"

namespace weft::bfd {
namespace {

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

TEST(Mailbox, is_readable_while_it_holds_something) {
  Mailbox<int> box;
  EXPECT_FALSE(readable(box.fd()));
  box.post(1);
  box.post(2);
  EXPECT_TRUE(readable(box.fd()));
  EXPECT_EQ(box.take(), (std::vector<int>{1, 2}));
  EXPECT_FALSE(readable(box.fd()));
  EXPECT_TRUE(box.take().empty());
}

TEST(Mailbox, loses_and_reorders_nothing_between_threads) {
  Mailbox<int> box;
  std::thread writer([&] {
    for (int i = 0; i < 100'000; ++i) box.post(i);
  });
  int next = 0;
  while (next < 100'000) {
    pollfd p{box.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&p, 1, 60'000), 1) << "after " << next;
    for (const int value : box.take()) ASSERT_EQ(value, next++);
  }
  writer.join();
}

TEST(Scheduling, says_what_a_thread_got) {
  EXPECT_EQ((Scheduling{Scheduling::Kind::fifo, 50, {}}).to_string(), "SCHED_FIFO priority 50");
  EXPECT_EQ((Scheduling{Scheduling::Kind::nice, -20, "not permitted"}).to_string(),
            "nice -20 (SCHED_FIFO: not permitted)");
}

}  // namespace
}  // namespace weft::bfd
