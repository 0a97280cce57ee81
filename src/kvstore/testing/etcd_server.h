// EtcdServer: a real etcd on fresh loopback ports, in a directory of its own that goes with it.
#pragma once

#include <string>

#include "kvstore/client.h"
#include "kvstore/etcd_process.h"
#include "kvstore/testing/pki.h"

namespace weft::kvstore::testing {

class EtcdServer {
 public:
  struct Config {
    const TestCa* ca = nullptr;      // TLS with client certificates, signed by this; otherwise plain http
    int port = 0;                    // 0: a free one
    std::string host = "127.0.0.1";  // any of 127.0.0.0/8: two hosts may have the same port
  };
  /// Starts and waits until it answers; throws std::runtime_error with etcd's log when it does not.
  EtcdServer() : EtcdServer(Config{}) {}
  explicit EtcdServer(Config config);
  ~EtcdServer();
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;

  int port() const { return port_; }
  std::string endpoint() const;
  const std::string& dir() const { return dir_; }
  std::string log() const;

  /// Options of a client. With TLS, its certificate has this common name.
  Options options(const std::string& common_name = "root") const;

  void stop();          // SIGTERM; the data stays
  void kill();          // SIGKILL; the data stays
  void start();         // again, on the same port
  void start_hidden();  // again, on another port until the next start(): clients made before do not find it
  void wipe();          // only when stopped: forget everything, so that start() makes another cluster_id
  void pause();         // SIGSTOP: the network is gone as far as clients can tell
  void resume();

 private:
  void launch();

  Config config_;
  std::string dir_;
  int home_port_ = 0;
  int port_ = 0;  // where it is now: home, or hidden
  int peer_port_ = 0;
  int life_ = 0;
  EtcdProcess process_;
};

}  // namespace weft::kvstore::testing
