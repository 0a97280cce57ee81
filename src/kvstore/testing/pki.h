// A certificate authority for tests: EC P-256, valid for a day.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace weft::kvstore::testing {

struct CertificatePem {
  std::string cert;
  std::string key;
};

class TestCa {
 public:
  explicit TestCa(const std::string& common_name);
  ~TestCa();
  const std::string& pem() const;
  /// `alt_names` in OpenSSL's form: "DNS:*.mesh.cilium.io", "IP:127.0.0.1". Good for servers and clients.
  CertificatePem issue(const std::string& common_name, const std::vector<std::string>& alt_names = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::kvstore::testing
