// Whole messages, header and all. Input: one byte that picks the session (check.h), then the message as it was on the
// wire; the byte 0 is an external session of today, so a captured message becomes a seed by putting a 0 before it.
#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft::bgp;
  if (size < 1 + kHeaderSize) return 0;
  const Context context = context_of(data[0]);
  const std::span<const std::uint8_t> message(data + 1, size - 1);
  // The length decides how much is read from a socket before decode() is asked.
  if (const auto length = message_length(message, context))
    FUZZ_CHECK(*length >= kHeaderSize && *length <= kMaxExtendedMessage);
  check_message(message, context);
  // The same body with a header that lets it through: mutations rarely keep the length right.
  if (size - 1 <= kMaxExtendedMessage)
    check_message(with_header(static_cast<MessageType>(message[kHeaderSize - 1]), message.subspan(kHeaderSize)),
                  context);
  return 0;
}
