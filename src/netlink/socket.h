// One netlink socket and the message it is asked with. Only this folder includes it.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"

namespace weft::netlink {

/// A request under construction: header, family header, attributes.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags);
  Request(const Request&) = delete;

  template <class T>
  T& header() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(msg_, sizeof(T)));
  }
  void put(std::uint16_t type, std::string_view text) { mnl_attr_put_strz(msg_, type, std::string(text).c_str()); }
  void put_u8(std::uint16_t type, std::uint8_t v) { mnl_attr_put_u8(msg_, type, v); }
  void put_u16(std::uint16_t type, std::uint16_t v) { mnl_attr_put_u16(msg_, type, v); }
  void put_u32(std::uint16_t type, std::uint32_t v) { mnl_attr_put_u32(msg_, type, v); }
  void put(std::uint16_t type, const Address& a) { mnl_attr_put(msg_, type, a.bytes().size(), a.bytes().data()); }
  void put(std::uint16_t type, const Mac& m) { mnl_attr_put(msg_, type, m.bytes.size(), m.bytes.data()); }
  /// Attributes put by `fill` become children of `type`.
  void nest(std::uint16_t type, const std::function<void()>& fill);
  nlmsghdr* message() { return msg_; }

 private:
  std::vector<char> buffer_;
  nlmsghdr* msg_;
};

/// The attributes of an answer by type.
class Attributes {
 public:
  Attributes(const nlmsghdr* msg, std::size_t header);
  explicit Attributes(const nlattr* nest);
  /// Attributes one behind the other, `size` bytes of them.
  Attributes(const void* payload, std::size_t size);
  const nlattr* get(std::uint16_t type) const;
  bool has(std::uint16_t type) const { return get(type) != nullptr; }
  std::string text(std::uint16_t type) const;
  std::uint32_t u32(std::uint16_t type, std::uint32_t otherwise = 0) const;
  std::uint16_t u16(std::uint16_t type, std::uint16_t otherwise = 0) const;
  std::uint8_t u8(std::uint16_t type, std::uint8_t otherwise = 0) const;
  std::optional<Address> address(std::uint16_t type) const;  // 4 or 16 bytes
  std::optional<Mac> mac(std::uint16_t type) const;

 private:
  void add(const nlattr* a);
  std::vector<const nlattr*> found_;
};

class Socket {
 public:
  /// Opens in the namespace of the calling thread and stays there. `bus`: NETLINK_ROUTE, NETLINK_NETFILTER.
  static Result<Socket> open(int bus = NETLINK_ROUTE);
  /// Sends and waits for the acknowledgement. `what` begins the error: "creating link lxc…: <kernel's words>".
  Result<> ask(Request& request, std::string_view what);
  /// Asks for one object and calls `row` for what comes back before the acknowledgement.
  Result<> get(Request& request, std::string_view what, const std::function<void(const nlmsghdr*)>& row);
  /// Sends a dump and calls `row` for each message; asks again when the kernel says that the dump was disturbed.
  Result<> dump(
      Request& request, std::string_view what, const std::function<void(const nlmsghdr*)>& row,
      const std::function<void()>& restart = [] {});
  int fd() const { return mnl_socket_get_fd(socket_.get()); }

 private:
  struct Close {
    void operator()(mnl_socket* s) const { mnl_socket_close(s); }
  };
  explicit Socket(mnl_socket* s) : socket_(s) {}
  Result<bool> receive(std::uint32_t sequence, std::string_view what, const std::function<void(const nlmsghdr*)>& row);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace weft::netlink
