#include "kvstore/testing/pki.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "base/log.h"

namespace weft::kvstore::testing {
namespace {

template <class T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* p) const { Free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Deleter<X509, X509_free>>;

std::string text(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(n));
  BIO_free(bio);
  return out;
}
std::string pem_of(X509* cert) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, cert);
  return text(bio);
}
std::string pem_of(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return text(bio);
}

void extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str());
  WEFT_CHECK(e != nullptr);
  X509_add_ext(cert, e, -1);
  X509_EXTENSION_free(e);
}

Cert base_cert(const std::string& common_name, EVP_PKEY* key) {
  static std::atomic<long> serial{static_cast<long>(time(nullptr))};
  Cert cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 24 * 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_pubkey(cert.get(), key);
  return cert;
}

}  // namespace

struct TestCa::Impl {
  Key key;
  Cert cert;
  std::string pem;
};

TestCa::TestCa(const std::string& common_name) : impl_(std::make_unique<Impl>()) {
  impl_->key.reset(EVP_EC_gen("P-256"));
  impl_->cert = base_cert(common_name, impl_->key.get());
  X509_set_issuer_name(impl_->cert.get(), X509_get_subject_name(impl_->cert.get()));
  extension(impl_->cert.get(), impl_->cert.get(), NID_basic_constraints, "critical,CA:TRUE");
  extension(impl_->cert.get(), impl_->cert.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  extension(impl_->cert.get(), impl_->cert.get(), NID_subject_key_identifier, "hash");
  X509_sign(impl_->cert.get(), impl_->key.get(), EVP_sha256());
  impl_->pem = pem_of(impl_->cert.get());
}
TestCa::~TestCa() = default;

const std::string& TestCa::pem() const { return impl_->pem; }

CertificatePem TestCa::issue(const std::string& common_name, const std::vector<std::string>& alt_names) const {
  const Key key(EVP_EC_gen("P-256"));
  const Cert cert = base_cert(common_name, key.get());
  X509_set_issuer_name(cert.get(), X509_get_subject_name(impl_->cert.get()));
  extension(cert.get(), impl_->cert.get(), NID_basic_constraints, "CA:FALSE");
  extension(cert.get(), impl_->cert.get(), NID_key_usage, "digitalSignature,keyEncipherment");
  extension(cert.get(), impl_->cert.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  std::string names;
  for (const auto& n : alt_names) names += (names.empty() ? "" : ",") + n;
  if (!names.empty()) extension(cert.get(), impl_->cert.get(), NID_subject_alt_name, names);
  X509_sign(cert.get(), impl_->key.get(), EVP_sha256());
  return {pem_of(cert.get()), pem_of(key.get())};
}

}  // namespace weft::kvstore::testing
