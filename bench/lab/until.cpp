#include "until.h"

#include <fmt/format.h>

#include "async/scope.h"
#include "base/clock.h"

namespace weft::bench {

using namespace std::chrono_literals;

Task<Result<>> until(std::string what, std::function<bool()> fact, std::function<std::string()> seen) {
  for (const auto deadline = Steady::now() + kPatience; !fact();) {
    if (Steady::now() > deadline)
      co_return fail(Errc::timeout, fmt::format("after {} s it is not so that {}; seen: {}", kPatience.count(), what,
                                                seen ? seen() : std::string("-")));
    co_await sleep_for(2ms);
  }
  co_return Result<>{};
}

}  // namespace weft::bench
