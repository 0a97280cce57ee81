// OPEN. Input: one byte, then what it says: 0 the body of an OPEN; 1 optional parameters; 2 capabilities in one
// parameter; 3 capabilities in one extended parameter (RFC 9072).
#include "check.h"

namespace {

void append(std::vector<std::uint8_t>& out, std::initializer_list<std::size_t> head,
            std::span<const std::uint8_t> tail) {
  for (const std::size_t byte : head) out.push_back(static_cast<std::uint8_t>(byte));
  out.insert(out.end(), tail.begin(), tail.end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft::bgp;
  if (size < 1 || size > kMaxMessage) return 0;
  const std::span<const std::uint8_t> given(data + 1, size - 1);
  const std::size_t n = given.size();
  std::vector<std::uint8_t> body{4, 0xfd, 0xe9, 0, 90, 192, 0, 2, 1};
  switch (data[0] & 3) {
    case 0: body.assign(given.begin(), given.end()); break;
    case 1: append(body, {n}, given); break;
    case 2: append(body, {n + 2, 2, n}, given); break;
    default: append(body, {255, 255, (n + 3) >> 8, n + 3, 2, n >> 8, n}, given); break;
  }
  const auto message = with_header(MessageType::open, body);
  check_message(message, context_of(0));
  return 0;
}
