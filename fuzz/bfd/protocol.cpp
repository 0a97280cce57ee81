// The lines of the Unix socket. They come from our own processes, and still no line may crash the daemon; what is
// accepted means the same after being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bfd/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft::bfd;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  if (const auto request = decode_request(line)) {
    const auto written = encode(*request);
    const auto again = decode_request(written);
    if (!again || encode(*again) != written) std::abort();
  }
  if (const auto answer = decode_answer(line)) {
    const auto written = encode(*answer);
    const auto again = decode_answer(written);
    if (!again || encode(*again) != written) std::abort();
  }
  return 0;
}
