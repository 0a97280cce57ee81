// Path attributes. Input: one byte that picks the session (check.h), one that picks what stands around them, then the
// attributes as in an UPDATE.
#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft::bgp;
  if (size < 2 || size > kMaxExtendedMessage - 200) return 0;
  const Context context = context_of(data[0]);
  const std::span<const std::uint8_t> given(data + 2, size - 2);
  // 1: ORIGIN, AS_PATH and NEXT_HOP go before. 2: 10.0.0.0/8 is announced. 4: 172.16.0.0/12 is withdrawn.
  const std::uint8_t around = data[1];
  std::vector<std::uint8_t> attributes;
  if ((around & 1) != 0) {
    attributes = {0x40, 1, 1, 0, 0x40, 3, 4, 192, 0, 2, 1, 0x40, 2};
    const std::vector<std::uint8_t> path = context.four_octet_asn ? std::vector<std::uint8_t>{6, 2, 1, 0, 0, 0xfd, 0xe9}
                                                                  : std::vector<std::uint8_t>{4, 2, 1, 0x5b, 0xa0};
    attributes.insert(attributes.end(), path.begin(), path.end());
  }
  attributes.insert(attributes.end(), given.begin(), given.end());
  std::vector<std::uint8_t> body{0, 0};
  if ((around & 4) != 0) body = {0, 3, 12, 172, 16};
  body.push_back(static_cast<std::uint8_t>(attributes.size() >> 8));
  body.push_back(static_cast<std::uint8_t>(attributes.size()));
  body.insert(body.end(), attributes.begin(), attributes.end());
  if ((around & 2) != 0) body.insert(body.end(), {8, 10});
  const auto message = with_header(MessageType::update, body);
  check_message(message, context);
  return 0;
}
