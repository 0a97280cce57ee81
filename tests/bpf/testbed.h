// What tests of the real programs need: servers, clients, and the programs as the agent has them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "datapath/lb_reconciler.h"
#include "datapath/loader.h"
#include "datapath/testing/sandbox.h"

namespace weft::testing_bpf {

SocketAddress at(const std::string& text);
FrontendKey tcp(const std::string& text);
FrontendKey udp(const std::string& text);
Frontend row(FrontendKey frontend, const std::vector<std::string>& active,
             const std::vector<std::string>& terminating = {});

/// Adds an address to the loopback device of the calling thread's namespace, and brings the device up.
void add_loopback_address(const std::string& address);

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
/// `mapped`: an IPv4 address as ::ffff:a.b.c.d.
RawAddress raw(const SocketAddress& a, bool mapped = false);
/// "10.96.0.1:80"; an IPv4-mapped one is "[::ffff:10.96.0.1]:80".
std::string text(const sockaddr_storage& a);
std::string peer_name(int fd);

/// Servers on many addresses, one thread: TCP answers with its own address and closes, UDP answers each datagram with
/// it.
class Servers {
 public:
  Servers();
  ~Servers();
  void listen(const FrontendKey& where);
  void close(const FrontendKey& where);

 private:
  void run();
  std::mutex mutex_;
  std::map<int, FrontendKey> listeners_;
  Fd epoll_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// What a client saw: who answered, and as whom it sees the peer; or the errno of the call that failed.
struct Answer {
  std::string server;
  std::string peer;
  int error = 0;
  std::string to_string() const;
};
struct Call {
  bool mapped = false;
  std::string source;  // bind to this address first
  int protocol = 0;    // of socket(), for example IPPROTO_MPTCP
};
/// connect, read all, close.
Answer tcp_call(const SocketAddress& to, const Call& call = {});
/// connect, send, recv.
Answer udp_connected_call(const SocketAddress& to, const Call& call = {});
/// sendto, recvfrom on `fd` (or a fresh socket); peer is the sender that recvfrom reports.
Answer udp_call(const SocketAddress& to, const Call& call = {}, int fd = -1);
Fd udp_socket(const SocketAddress& like, const Call& call = {});

/// The programs with a reconciler, as the agent has them.
struct Lb {
  explicit Lb(KernelFeatures features = probe_kernel(), LbSizes sizes = small(), LbReconciler::Options options = {},
              std::uint32_t maglev_salt = 0);
  static LbSizes small();
  /// Applies a row (or its removal) and waits until it is in the maps.
  void apply(const Frontend& row);
  void remove(const FrontendKey& key);
  void prune(Table<Frontend>& table);
  /// Lets finished grace periods hand back what they held.
  void settle() {
    io.restart();
    io.run();
  }

  asio::io_context io;
  std::unique_ptr<SockLb> sock;
  std::unique_ptr<LbReconciler> reconciler;
};

}  // namespace weft::testing_bpf
