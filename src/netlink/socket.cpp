#include "netlink/socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace weft::netlink {

namespace {

// The kernel's own words about an error (struct nlmsgerr followed by attributes, see netlink(7) and NETLINK_EXT_ACK).
std::string kernel_words(const nlmsghdr* msg) {
  if (!(msg->nlmsg_flags & NLM_F_ACK_TLVS)) return {};
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(msg));
  std::size_t skip = sizeof *error;
  if (!(msg->nlmsg_flags & NLM_F_CAPPED)) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
  return Attributes(msg, skip).text(NLMSGERR_ATTR_MSG);
}

Error explain(std::string_view what, const nlmsghdr* msg) {
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(msg));
  Error out = errno_error(what, -error->error);
  if (const auto words = kernel_words(msg); !words.empty()) out.message += " (" + words + ")";
  return out;
}

}  // namespace

Request::Request(std::uint16_t type, std::uint16_t flags) : buffer_(8192) {
  msg_ = mnl_nlmsg_put_header(buffer_.data());
  msg_->nlmsg_type = type;
  msg_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void Request::nest(std::uint16_t type, const std::function<void()>& fill) {
  nlattr* start = mnl_attr_nest_start(msg_, type);
  fill();
  mnl_attr_nest_end(msg_, start);
}

Attributes::Attributes(const nlmsghdr* msg, std::size_t header) {
  // mnl_attr_for_each is C: it converts from void* by itself.
  const auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(msg, header));
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(msg));
  for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a)) add(a);
}

Attributes::Attributes(const nlattr* nest) {
  if (nest == nullptr) return;
  const auto* a = static_cast<const nlattr*>(mnl_attr_get_payload(nest));
  const char* end = reinterpret_cast<const char*>(a) + mnl_attr_get_payload_len(nest);
  for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a)) add(a);
}

Attributes::Attributes(const void* payload, std::size_t size) {
  const auto* a = static_cast<const nlattr*>(payload);
  const char* end = static_cast<const char*>(payload) + size;
  for (; mnl_attr_ok(a, static_cast<int>(end - reinterpret_cast<const char*>(a))); a = mnl_attr_next(a)) add(a);
}

void Attributes::add(const nlattr* a) {
  const auto type = mnl_attr_get_type(a);
  if (found_.size() <= type) found_.resize(type + 1u);
  found_[type] = a;
}

const nlattr* Attributes::get(std::uint16_t type) const { return type < found_.size() ? found_[type] : nullptr; }

std::string Attributes::text(std::uint16_t type) const {
  const nlattr* a = get(type);
  if (a == nullptr) return {};
  const auto* bytes = static_cast<const char*>(mnl_attr_get_payload(a));
  return {bytes, strnlen(bytes, mnl_attr_get_payload_len(a))};
}

std::uint32_t Attributes::u32(std::uint16_t type, std::uint32_t otherwise) const {
  const nlattr* a = get(type);
  return a != nullptr && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : otherwise;
}
std::uint16_t Attributes::u16(std::uint16_t type, std::uint16_t otherwise) const {
  const nlattr* a = get(type);
  return a != nullptr && mnl_attr_get_payload_len(a) >= 2 ? mnl_attr_get_u16(a) : otherwise;
}
std::uint8_t Attributes::u8(std::uint16_t type, std::uint8_t otherwise) const {
  const nlattr* a = get(type);
  return a != nullptr && mnl_attr_get_payload_len(a) >= 1 ? mnl_attr_get_u8(a) : otherwise;
}

std::optional<Address> Attributes::address(std::uint16_t type) const {
  const nlattr* a = get(type);
  if (a == nullptr) return std::nullopt;
  if (mnl_attr_get_payload_len(a) == 4) {
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), mnl_attr_get_payload(a), 4);
    return Address::v4(bytes);
  }
  if (mnl_attr_get_payload_len(a) == 16) {
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), mnl_attr_get_payload(a), 16);
    return Address::v6(bytes);
  }
  return std::nullopt;
}

std::optional<Mac> Attributes::mac(std::uint16_t type) const {
  const nlattr* a = get(type);
  if (a == nullptr || mnl_attr_get_payload_len(a) != 6) return std::nullopt;
  Mac m;
  std::memcpy(m.bytes.data(), mnl_attr_get_payload(a), 6);
  return m;
}

Result<Socket> Socket::open(int bus) {
  mnl_socket* raw = mnl_socket_open2(bus, SOCK_CLOEXEC);
  if (raw == nullptr) return fail(errno_error("opening a netlink socket", errno));
  Socket s(raw);
  if (mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) != 0) return fail(errno_error("binding a netlink socket", errno));
  int on = 1;
  // Both are comforts that old kernels lack: plain errno and unfiltered dumps do without them.
  mnl_socket_setsockopt(raw, NETLINK_EXT_ACK, &on, sizeof on);
  mnl_socket_setsockopt(raw, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  int size = 4 << 20;
  setsockopt(mnl_socket_get_fd(raw), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  return s;
}

Result<> Socket::ask(Request& request, std::string_view what) {
  return get(request, what, [](const nlmsghdr*) {});
}

Result<> Socket::get(Request& request, std::string_view what, const std::function<void(const nlmsghdr*)>& row) {
  nlmsghdr* msg = request.message();
  msg->nlmsg_flags |= NLM_F_ACK;
  msg->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), msg, msg->nlmsg_len) < 0) return fail(errno_error(what, errno));
  auto r = receive(sequence_, what, row);
  if (!r) return fail(std::move(r).error());
  return {};
}

Result<> Socket::dump(Request& request, std::string_view what, const std::function<void(const nlmsghdr*)>& row,
                      const std::function<void()>& restart) {
  nlmsghdr* msg = request.message();
  msg->nlmsg_flags |= NLM_F_DUMP;
  for (int attempt = 0; attempt < 8; ++attempt) {
    msg->nlmsg_seq = ++sequence_;
    restart();
    if (mnl_socket_sendto(socket_.get(), msg, msg->nlmsg_len) < 0) return fail(errno_error(what, errno));
    auto whole = receive(sequence_, what, row);
    if (!whole) return fail(std::move(whole).error());
    if (*whole) return {};
  }
  return fail(Errc::unavailable,
              std::string(what) + ": the kernel's tables kept changing while they were read; try again");
}

// Reads until the acknowledgement, the error or the end of a dump. False: the dump was disturbed (NLM_F_DUMP_INTR).
Result<bool> Socket::receive(std::uint32_t sequence, std::string_view what,
                             const std::function<void(const nlmsghdr*)>& row) {
  alignas(nlmsghdr) static thread_local char buffer[1 << 17];
  bool whole = true;
  for (;;) {
    int left = static_cast<int>(mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer));
    if (left < 0 && errno == EINTR) continue;
    if (left < 0) return fail(errno_error(what, errno));
    for (auto* msg = reinterpret_cast<const nlmsghdr*>(buffer); mnl_nlmsg_ok(msg, left);
         msg = mnl_nlmsg_next(msg, &left)) {
      if (msg->nlmsg_seq != sequence) continue;  // what a failed call left behind
      if (msg->nlmsg_flags & NLM_F_DUMP_INTR) whole = false;
      if (msg->nlmsg_type == NLMSG_DONE) return whole;
      if (msg->nlmsg_type == NLMSG_ERROR) {
        if (static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(msg))->error == 0) return whole;
        return fail(explain(what, msg));
      }
      row(msg);
    }
  }
}

}  // namespace weft::netlink
