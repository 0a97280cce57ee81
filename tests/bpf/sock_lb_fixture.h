// Servers on 10.1.0.1 to .5 and fd00:1::1 to ::5 for the tests of the real programs.
#pragma once

#include <gtest/gtest.h>

#include "tests/bpf/testbed.h"

namespace weft::testing_bpf {

class SockLbTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (int i = 1; i <= 5; ++i) {
      add_loopback_address(fmt::format("10.1.0.{}", i));
      add_loopback_address(fmt::format("fd00:1::{}", i));
    }
    servers = new Servers;
    for (int i = 1; i <= 5; ++i) {
      servers->listen(tcp(fmt::format("10.1.0.{}:8080", i)));
      servers->listen(udp(fmt::format("10.1.0.{}:5353", i)));
      servers->listen(tcp(fmt::format("[fd00:1::{}]:8080", i)));
      servers->listen(udp(fmt::format("[fd00:1::{}]:5353", i)));
    }
  }
  static void TearDownTestSuite() { delete servers; }
  void TearDown() override { ASSERT_TRUE(SockLb::unload(bpffs())); }

  static std::vector<std::string> v4(int count, int port) {
    std::vector<std::string> out;
    for (int i = 1; i <= count; ++i) out.push_back(fmt::format("10.1.0.{}:{}", i, port));
    return out;
  }
  static inline Servers* servers = nullptr;
};

}  // namespace weft::testing_bpf
