// A real etcd and the server's binary on fresh loopback ports, asked with curl.
#pragma once

#include <string>
#include <vector>

#include "kvstore/testing/etcd_server.h"
#include "lab/apiserver/json.h"

namespace weft::lab::api {

struct Reply {
  int code = 0;
  std::string body;
  json::value json;
};

class TestServer {
 public:
  explicit TestServer(std::string extra_flags = {});
  ~TestServer();

  /// `as`: "admin", "node-n1" (a kubelet), "other-ca", "" (no certificate), or "Bearer …".
  Reply request(const std::string& method, const std::string& path, const std::string& body = {},
                const std::string& content_type = "application/json", const std::string& accept = "application/json",
                const std::string& as = "admin");
  Reply get(const std::string& path) { return request("GET", path); }
  Reply post(const std::string& path, const std::string& body) { return request("POST", path, body); }
  Reply put(const std::string& path, const std::string& body) { return request("PUT", path, body); }
  Reply del(const std::string& path, const std::string& body = {}) { return request("DELETE", path, body); }
  Reply patch(const std::string& path, const std::string& kind, const std::string& body) {
    return request("PATCH", path, body, "application/" + kind);
  }
  /// The events of a watch that lasts `seconds`.
  std::vector<json::value> watch(const std::string& path_and_query, int seconds = 1);

  void stop();
  void start();
  kvstore::testing::EtcdServer& etcd() { return etcd_; }
  const std::string& dir() const { return dir_; }
  std::string kubeconfig() const { return dir_ + "/kubeconfig"; }
  std::string log() const;

 private:
  kvstore::testing::EtcdServer etcd_;
  std::string dir_, flags_;
  int port_ = 0;
  int pid_ = -1;
};

struct Ran {
  int code = -1;
  std::string out;  // both streams
};
Ran run(const std::string& command);
/// The program in $WEFT_TOOLS_DIR, the source tree's .cache/tools/bin, or PATH; empty if it is nowhere.
std::string tool(const std::string& name);

}  // namespace weft::lab::api
