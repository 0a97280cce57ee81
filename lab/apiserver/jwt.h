// Service account tokens: JSON web tokens (RFC 7519) signed with RS256.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lab/apiserver/json.h"

namespace weft::lab::api {

class TokenSigner {
 public:
  /// `key_pem`: an RSA private key. Errors: invalid.
  static Result<TokenSigner> make(const std::string& key_pem, std::string issuer);

  struct Claims {
    std::string ns, account, uid;
    std::vector<std::string> audiences;
    Wall::time_point issued, expires;
    json::object bound;  // what it is bound to: {"pod":{"name":…,"uid":…}}
  };
  std::string sign(const Claims& claims) const;
  /// Errors: unauthorized, with the reason.
  Result<Claims> verify(const std::string& token, Wall::time_point now) const;
  const std::string& issuer() const { return issuer_; }

 private:
  std::shared_ptr<void> key_;  // EVP_PKEY
  std::string issuer_;
  std::string key_id_;
};

std::string base64url(std::string_view bytes);
Result<std::string> base64url_decode(std::string text);

}  // namespace weft::lab::api
