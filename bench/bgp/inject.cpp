#include "bench/bgp/inject.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <stdexcept>

#include "bench/bgp/routes.h"
#include "tests/interop/harness/packet.h"

namespace weft::bgpbench {

namespace packet = interop::packet;

namespace {

// Just enough of the protobuf encoding: numbers and texts.
std::string varint(std::uint64_t v) {
  std::string out;
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  return out + static_cast<char>(v);
}
std::string number(unsigned field, std::uint64_t v) { return varint(field << 3) + varint(v); }
std::string text(unsigned field, const std::string& v) { return varint(field << 3 | 2) + varint(v.size()) + v; }

// The fields of api/gobgp.proto: AddPathStreamRequest.paths; Path.is_withdraw, family, nlri_binary, pattrs_binary.
constexpr unsigned kPaths = 3, kWithdraw = 5, kFamily = 9, kNlri = 20, kAttributes = 21;

void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("gobgpd: ") + what);
}

}  // namespace

void inject(const std::string& socket, std::uint32_t count, const std::string& hop, bool withdraw) {
  std::string same[kSets];
  for (unsigned k = 0; k < kSets; ++k)
    same[k] = text(kFamily, number(1, 1) + number(2, 1)) + text(kAttributes, packet::origin()) +
              text(kAttributes, packet::next_hop(hop)) +
              text(kAttributes, packet::communities({community(k, 0), community(k, 1)})) +
              (withdraw ? number(kWithdraw, 1) : "");

  auto channel = grpc::CreateChannel("unix://" + socket, grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  context.set_wait_for_ready(true);
  const auto wait = [&](const char* what) {
    void* tag = nullptr;
    bool ok = false;
    must(queue.Next(&tag, &ok) && ok, what);
  };
  auto call = stub.PrepareCall(&context, "/apipb.GobgpApi/AddPathStream", &queue);
  call->StartCall(nullptr);
  wait("does not take the call");
  for (std::uint32_t n = 0; n < count;) {
    std::string message;
    for (unsigned i = 0; i < 1000 && n < count; ++i, ++n)
      message += text(kPaths, text(kNlri, packet::prefix(route(n))) + same[n % kSets]);
    const grpc::Slice slice(message);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    wait("does not take routes");
  }
  call->WritesDone(nullptr);
  wait("does not take the end of the routes");
  // The answer comes when the last of them is in the table.
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait("gives no status");
  if (!status.ok()) throw std::runtime_error("gobgpd: " + status.error_message());
}

}  // namespace weft::bgpbench
