#include "lab/pki/pki.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/encoding.h"
#include "base/file.h"

namespace weft::lab {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

std::unexpected<Error> openssl_error(std::string_view what) {
  char text[256] = "unknown";
  if (const auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return fail(Errc::internal, fmt::format("{}: {}", what, text));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(n)};
}

std::string pem(X509* cert) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert);
  return text_of(bio.get());
}

std::string pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

bool add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* ext = X509V3_EXT_nconf_nid(nullptr, &ctx, nid, value.c_str());
  if (ext == nullptr) return false;
  const int ok = X509_add_ext(cert, ext, -1);
  X509_EXTENSION_free(ext);
  return ok == 1;
}

// Subject alternative names are built as values, not as configuration text, so that no name can add another.
bool add_names(X509* cert, const CertificateRequest& r) {
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  for (const auto& dns : r.dns_names) {
    GENERAL_NAME* n = GENERAL_NAME_new();
    ASN1_IA5STRING* s = ASN1_IA5STRING_new();
    ASN1_STRING_set(s, dns.data(), static_cast<int>(dns.size()));
    GENERAL_NAME_set0_value(n, GEN_DNS, s);
    sk_GENERAL_NAME_push(names, n);
  }
  for (const auto& a : r.addresses) {
    GENERAL_NAME* n = GENERAL_NAME_new();
    ASN1_OCTET_STRING* s = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(s, a.bytes().data(), static_cast<int>(a.bytes().size()));
    GENERAL_NAME_set0_value(n, GEN_IPADD, s);
    sk_GENERAL_NAME_push(names, n);
  }
  const int ok = sk_GENERAL_NAME_num(names) == 0 ||
                 X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
  GENERAL_NAMES_free(names);
  return ok;
}

bool set_subject(X509_NAME* name, const CertificateRequest& r) {
  const auto add = [&](const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
  };
  for (const auto& o : r.organizations)
    if (!add("O", o)) return false;
  return add("CN", r.common_name);
}

Result<Cert> new_certificate(EVP_PKEY* key, const CertificateRequest& r) {
  Cert cert(X509_new());
  X509_set_version(cert.get(), X509_VERSION_3);
  unsigned char serial[16];
  RAND_bytes(serial, sizeof serial);
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive, and of full length
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert.get()));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -300);  // clocks differ a little
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), std::chrono::duration_cast<std::chrono::seconds>(r.valid).count());
  X509_set_pubkey(cert.get(), key);
  if (!set_subject(X509_get_subject_name(cert.get()), r))
    return openssl_error(fmt::format("certificate subject CN={}", r.common_name));
  return cert;
}

Key read_key(const std::string& text) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

Cert read_cert(const std::string& text) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return Cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

}  // namespace

Result<KeyPair> make_ca(const std::string& common_name) {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return openssl_error("making a CA key");
  CertificateRequest request;
  request.common_name = common_name;
  request.valid = std::chrono::hours(24 * 3650);
  auto cert = new_certificate(key.get(), request);
  if (!cert) return std::unexpected(cert.error());
  X509* c = cert->get();
  X509_set_issuer_name(c, X509_get_subject_name(c));
  const bool ok = add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE") &&
                  add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature") &&
                  add_extension(c, c, NID_subject_key_identifier, "hash") && X509_sign(c, key.get(), EVP_sha256()) > 0;
  if (!ok) return openssl_error(fmt::format("CA {}", common_name));
  return KeyPair{pem(c), pem(key.get())};
}

Result<KeyPair> issue(const KeyPair& ca, const CertificateRequest& request) {
  const Key ca_key = read_key(ca.key);
  const Cert ca_cert = read_cert(ca.cert);
  if (!ca_key || !ca_cert) return openssl_error("reading the CA's certificate and key (PEM expected)");
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return openssl_error("making a key");
  auto cert = new_certificate(key.get(), request);
  if (!cert) return std::unexpected(cert.error());
  X509* c = cert->get();
  X509_set_issuer_name(c, X509_get_subject_name(ca_cert.get()));
  const std::string usage = request.server && request.client ? "serverAuth,clientAuth"
                            : request.server                 ? "serverAuth"
                                                             : "clientAuth";
  const bool ok = add_extension(c, ca_cert.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                  add_extension(c, ca_cert.get(), NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
                  add_extension(c, ca_cert.get(), NID_ext_key_usage, usage) &&
                  add_extension(c, ca_cert.get(), NID_authority_key_identifier, "keyid:always") &&
                  add_names(c, request) && X509_sign(c, ca_key.get(), EVP_sha256()) > 0;
  if (!ok) return openssl_error(fmt::format("certificate CN={}", request.common_name));
  return KeyPair{pem(c), pem(key.get())};
}

Result<KeyPair> issue_client(const KeyPair& ca, const std::string& common_name,
                             const std::vector<std::string>& organizations) {
  CertificateRequest r;
  r.common_name = common_name;
  r.organizations = organizations;
  return issue(ca, r);
}

Result<KeyPair> issue_server(const KeyPair& ca, const std::string& common_name,
                             const std::vector<std::string>& dns_names, const std::vector<Address>& addresses) {
  CertificateRequest r;
  r.common_name = common_name;
  r.dns_names = dns_names;
  r.addresses = addresses;
  r.server = true;
  return issue(ca, r);
}

Result<KeyPair> make_signing_key() {
  const Key key(EVP_RSA_gen(2048));
  if (!key) return openssl_error("making an RSA key");
  const Bio priv(BIO_new(BIO_s_mem()));
  const Bio pub(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey_traditional(priv.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      PEM_write_bio_PUBKEY(pub.get(), key.get()) != 1)
    return openssl_error("writing an RSA key");
  return KeyPair{text_of(pub.get()), text_of(priv.get())};
}

Result<> write_pair(const std::string& dir, const std::string& name, const KeyPair& pair) {
  std::error_code ec;
  std::filesystem::create_directories(dir, ec);
  if (ec) return fail(Errc::internal, fmt::format("making directory {}: {}", dir, ec.message()));
  WEFT_TRY(write_file(dir + "/" + name + ".crt", pair.cert));
  return write_file(dir + "/" + name + ".key", pair.key, 0600);
}

Result<KeyPair> read_pair(const std::string& dir, const std::string& name) {
  auto cert = read_file(dir + "/" + name + ".crt");
  if (!cert) return std::unexpected(cert.error());
  auto key = read_file(dir + "/" + name + ".key");
  if (!key) return std::unexpected(key.error());
  return KeyPair{std::move(*cert), std::move(*key)};
}

std::string kubeconfig(const std::vector<KubeContext>& contexts) {
  std::string clusters, users, names;
  for (const auto& c : contexts) {
    clusters += fmt::format("- name: {}\n  cluster:\n    server: {}\n    certificate-authority-data: {}\n", c.context,
                            c.server, base64_encode(c.ca_cert));
    users += fmt::format("- name: {}-admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
                         c.context, base64_encode(c.client.cert), base64_encode(c.client.key));
    names += fmt::format("- name: {0}\n  context:\n    cluster: {0}\n    user: {0}-admin\n", c.context);
  }
  return fmt::format("apiVersion: v1\nkind: Config\nclusters:\n{}users:\n{}contexts:\n{}current-context: {}\n",
                     clusters, users, names, contexts.empty() ? "\"\"" : contexts.front().context);
}

Result<> write_kubeconfig(const std::string& path, const std::vector<KubeContext>& contexts) {
  return write_file(path, kubeconfig(contexts), 0600);
}

}  // namespace weft::lab
