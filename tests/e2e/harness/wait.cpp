#include "tests/e2e/harness/wait.h"

#include <thread>

namespace weft::e2e {

using Clock = std::chrono::steady_clock;

::testing::AssertionResult eventually(std::chrono::milliseconds limit, const std::string& fact,
                                      const std::function<Seen()>& look, std::chrono::milliseconds pause) {
  const auto start = Clock::now();
  for (std::size_t looks = 1;; ++looks) {
    const Seen seen = look();
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    if (seen.holds) return ::testing::AssertionSuccess() << fact << " after " << passed.count() << " ms";
    if (passed >= limit)
      return ::testing::AssertionFailure() << "waited " << passed.count() << " ms (" << looks << " looks) for: " << fact
                                           << "\nseen last: " << seen.what;
    std::this_thread::sleep_for(pause);
  }
}

::testing::AssertionResult always(std::chrono::milliseconds time, const std::string& fact,
                                  const std::function<Seen()>& look, std::chrono::milliseconds pause) {
  const auto start = Clock::now();
  for (;;) {
    const Seen seen = look();
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    if (!seen.holds)
      return ::testing::AssertionFailure()
             << "not so after " << passed.count() << " ms: " << fact << "\nseen: " << seen.what;
    if (passed >= time) return ::testing::AssertionSuccess();
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace weft::e2e
