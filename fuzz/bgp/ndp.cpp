// What arrives on a raw ICMPv6 socket of an unnumbered peer's interface (RFC 4861). Input: one byte of hop limit, one
// that says whether it comes from a link-local address, then the message. What is taken for an advertisement can be
// read, and means the same after being written and read again.
#include "bgp/speaker/ndp.h"

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft;
  using namespace weft::bgp;
  if (size < 2) return 0;
  const Address source = *Address::parse((data[1] & 1) != 0 ? "fe80::1" : "2001:db8::1");
  const std::span<const std::uint8_t> message(data + 2, size - 2);
  const NdpKind kind = classify(message, source, data[0]);
  const auto read = decode_advertisement(message);
  if (kind != NdpKind::other) FUZZ_CHECK(data[0] == kNdpHopLimit && message.size() >= 8);
  if (kind != NdpKind::advertisement) return 0;
  FUZZ_CHECK((data[1] & 1) != 0);
  FUZZ_CHECK(read.has_value());
  const auto written = encode(*read);
  FUZZ_CHECK(classify(written, source, kNdpHopLimit) == NdpKind::advertisement);
  FUZZ_CHECK(decode_advertisement(written) == read);
  return 0;
}
