#include "lab/apiserver/jwt.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/encoding.h"

namespace weft::lab::api {

std::string base64url(std::string_view bytes) {
  auto out = base64_encode(bytes);
  for (auto& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (out.ends_with('=')) out.pop_back();
  return out;
}

Result<std::string> base64url_decode(std::string text) {
  for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text += '=';
  return base64_decode(text);
}

namespace {
EVP_PKEY* as_key(const std::shared_ptr<void>& p) { return static_cast<EVP_PKEY*>(p.get()); }
std::int64_t seconds(Wall::time_point t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}
}  // namespace

Result<TokenSigner> TokenSigner::make(const std::string& pem, std::string issuer) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  if (key == nullptr) return fail(Errc::invalid, "no private key (PEM) in it");
  TokenSigner out;
  out.key_ = std::shared_ptr<void>(key, [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); });
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return fail(Errc::invalid, "the key is not an RSA key");
  out.issuer_ = std::move(issuer);
  unsigned char* der = nullptr;
  const int n = i2d_PUBKEY(key, &der);
  out.key_id_ = base64url(sha256({reinterpret_cast<char*>(der), static_cast<std::size_t>(n)}));
  OPENSSL_free(der);
  return out;
}

std::string TokenSigner::sign(const Claims& c) const {
  json::array audiences;
  for (const auto& a : c.audiences) audiences.emplace_back(a);
  json::object kubernetes{{"namespace", c.ns}, {"serviceaccount", json::object{{"name", c.account}, {"uid", c.uid}}}};
  for (const auto& [k, v] : c.bound) kubernetes[k] = v;
  const json::object claims{{"aud", std::move(audiences)},
                            {"exp", seconds(c.expires)},
                            {"iat", seconds(c.issued)},
                            {"iss", issuer_},
                            {"jti", hex_encode(random_bytes(16))},
                            {"kubernetes.io", std::move(kubernetes)},
                            {"nbf", seconds(c.issued)},
                            {"sub", fmt::format("system:serviceaccount:{}:{}", c.ns, c.account)}};
  const std::string head = base64url(json::serialize(json::object{{"alg", "RS256"}, {"kid", key_id_}})) + "." +
                           base64url(json::serialize(claims));
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  std::size_t n = 0;
  std::string signature;
  if (EVP_DigestSignInit(ctx, nullptr, EVP_sha256(), nullptr, as_key(key_)) == 1 &&
      EVP_DigestSign(ctx, nullptr, &n, reinterpret_cast<const unsigned char*>(head.data()), head.size()) == 1) {
    signature.resize(n);
    EVP_DigestSign(ctx, reinterpret_cast<unsigned char*>(signature.data()), &n,
                   reinterpret_cast<const unsigned char*>(head.data()), head.size());
    signature.resize(n);
  }
  EVP_MD_CTX_free(ctx);
  return head + "." + base64url(signature);
}

Result<TokenSigner::Claims> TokenSigner::verify(const std::string& token, Wall::time_point now) const {
  const auto refused = [](const char* why) { return fail(Errc::unauthorized, why); };
  const auto first = token.find('.'), last = token.rfind('.');
  if (first == std::string::npos || first == last) return refused("not a token of three parts");
  const auto head = base64url_decode(token.substr(0, first)),
             body = base64url_decode(token.substr(first + 1, last - first - 1)),
             signature = base64url_decode(token.substr(last + 1));
  if (!head || !body || !signature) return refused("not base64url");
  const auto header = parse_json(*head);
  if (!header || text(*header, {"alg"}) != "RS256") return refused("the algorithm is not RS256");
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  const bool good = EVP_DigestVerifyInit(ctx, nullptr, EVP_sha256(), nullptr, as_key(key_)) == 1 &&
                    EVP_DigestVerify(ctx, reinterpret_cast<const unsigned char*>(signature->data()), signature->size(),
                                     reinterpret_cast<const unsigned char*>(token.data()), last) == 1;
  EVP_MD_CTX_free(ctx);
  if (!good) return refused("the signature is not ours");
  const auto claims = parse_json(*body);
  if (!claims || text(*claims, {"iss"}) != issuer_) return refused("another issuer");
  Claims out;
  out.issued = Wall::time_point(std::chrono::seconds(number(*claims, {"iat"})));
  out.expires = Wall::time_point(std::chrono::seconds(number(*claims, {"exp"})));
  if (now >= out.expires) return refused("the token has expired");
  if (now + std::chrono::minutes(1) < Wall::time_point(std::chrono::seconds(number(*claims, {"nbf"}))))
    return refused("the token is not valid yet");
  for (const auto& a : list(*claims, {"aud"}))
    if (a.is_string()) out.audiences.emplace_back(a.get_string());
  out.ns = text(*claims, {"kubernetes.io", "namespace"});
  out.account = text(*claims, {"kubernetes.io", "serviceaccount", "name"});
  out.uid = text(*claims, {"kubernetes.io", "serviceaccount", "uid"});
  for (const char* key : {"pod", "secret", "node"})
    if (const auto* b = find(*claims, {"kubernetes.io", key})) out.bound[key] = *b;
  return out;
}

}  // namespace weft::lab::api
