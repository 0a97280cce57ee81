// Credentials: what goes into the Authorization header, kept fresh. Token files are read again every minute and
// after a 401; credential plugins are run again when what they gave expires.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "kube/config.h"

namespace weft::kube {

/// What a credential plugin printed (client.authentication.k8s.io/v1 and v1beta1, kind ExecCredential).
struct ExecCredential {
  std::string token;
  std::string certificate;  // PEM
  std::string key;          // PEM
  Wall::time_point expires = Wall::time_point::max();
};
/// Pure.
Result<ExecCredential> parse_exec_credential(const std::string& text);

/// The headers that ask the server to take us for somebody else; none when there is nobody to act as. Names of extra
/// keys are written as the server reads them: in whatever case, and what no header's name may hold is
/// percent-encoded (Kubernetes: Authentication, User impersonation). Pure.
std::vector<std::pair<std::string, std::string>> impersonation_headers(const Impersonation&);

class Credentials {
 public:
  Credentials(asio::io_context& io, Config config);
  ~Credentials();

  /// The header's value, empty when there is none to send.
  Task<Result<std::string>> authorization();
  /// The server refused what authorization() gave: forget it. False if there is nothing fresher to be had.
  bool refused();
  Result<std::string> client_certificate() const;
  Result<std::string> client_key() const;

 private:
  Task<Result<>> run_plugin();

  struct Runner;
  Config config_;
  std::unique_ptr<Runner> runner_;
  ExecCredential plugin_;
  bool have_plugin_ = false;
  std::string token_;
  Steady::time_point token_read_{};
};

}  // namespace weft::kube
