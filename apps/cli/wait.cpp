#include "apps/cli/wait.h"

#include <thread>

#include "apps/cli/terminal.h"
#include "base/clock.h"

namespace weft::cli {

Result<> wait_until(std::chrono::seconds limit, const std::function<Result<std::string>()>& look) {
  Progress progress;
  const auto start = Steady::now();
  for (;;) {
    auto missing = look();
    if (missing && missing->empty()) return {};
    if (!missing && missing.error().code != Errc::unavailable && missing.error().code != Errc::timeout)
      return std::unexpected(missing.error());
    const std::string& what = missing ? *missing : missing.error().message;
    const auto elapsed = Steady::now() - start;
    if (elapsed >= limit) return fail(Errc::timeout, fmt::format("not ready after {}: {}", age(limit), what));
    progress.show("Waiting for " + what, elapsed);
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(std::chrono::seconds(1), limit - elapsed));
  }
}

}  // namespace weft::cli
