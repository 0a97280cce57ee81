// Values of a remote cluster's store are whatever that cluster, or whoever got hold of it, wrote. No value may crash a
// reader, and what is accepted must mean the same after being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mesh/values/codec.h"
#include "mesh/values/import.h"

namespace {

template <class Decode, class Encode>
void round_trip(std::string_view value, Decode decode, Encode encode) {
  const auto row = decode(value);
  if (!row) return;
  // Compared as written: rows may say the same in another order (a second pod CIDR without a first is the first).
  const auto written = encode(*row);
  const auto again = decode(written);
  if (!again || encode(*again) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft::mesh;
  if (size == 0) return 0;
  const std::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  const RemoteIdentity remote{"cluster1", 1, 255};
  switch (data[0]) {
    case 'n': round_trip(value, decode_node, encode_node); break;
    case 's': round_trip(value, decode_service, encode_service); break;
    case 'p': {
      round_trip(value, decode_ip, encode_ip);
      (void)import_ip(remote, "10.1.0.21", value);
      break;
    }
    case 'i': {
      round_trip(value, decode_identity, encode_identity);
      (void)import_identity(remote, "65601", value);
      break;
    }
    case 'c': round_trip(value, decode_cluster_config, encode_cluster_config); break;
    // Keys come from the same hands.
    case 'k': {
      const std::string key(value);
      (void)import_ip(remote, key, R"({"IP":"10.1.0.21","ID":2})");
      (void)import_identity(remote, key, "k8s:io.cilium.k8s.policy.cluster=cluster1;");
      break;
    }
    default: break;
  }
  return 0;
}
