#include "lab/pki/pki.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>

#include "base/file.h"

namespace weft::lab {
namespace {

X509* parse(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return cert;
}

bool verifies(const std::string& ca, const std::string& cert, int purpose) {
  X509_STORE* store = X509_STORE_new();
  X509* root = parse(ca);
  X509* leaf = parse(cert);
  X509_STORE_add_cert(store, root);
  X509_STORE_CTX* ctx = X509_STORE_CTX_new();
  X509_STORE_CTX_init(ctx, store, leaf, nullptr);
  X509_STORE_CTX_set_purpose(ctx, purpose);
  const bool ok = X509_verify_cert(ctx) == 1;
  X509_STORE_CTX_free(ctx);
  X509_free(leaf);
  X509_free(root);
  X509_STORE_free(store);
  return ok;
}

TEST(pki, issued_certificates_verify_against_their_ca_only) {
  const auto ca = make_ca("lab-ca");
  const auto other = make_ca("lab-ca");
  ASSERT_TRUE(ca && other);
  const auto client = issue_client(*ca, "admin", {"system:masters"});
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_TRUE(verifies(ca->cert, client->cert, X509_PURPOSE_SSL_CLIENT));
  EXPECT_FALSE(verifies(ca->cert, client->cert, X509_PURPOSE_SSL_SERVER));
  EXPECT_FALSE(verifies(other->cert, client->cert, X509_PURPOSE_SSL_CLIENT));
}

TEST(pki, server_certificate_carries_names_and_addresses_of_both_families) {
  const auto ca = make_ca("lab-ca");
  const auto server = issue_server(*ca, "kube-apiserver", {"kubernetes", "*.mesh.cilium.io"},
                                   {*Address::parse("10.96.0.1"), *Address::parse("fd00:96:1::1")});
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_TRUE(verifies(ca->cert, server->cert, X509_PURPOSE_SSL_SERVER));
  X509* cert = parse(server->cert);
  EXPECT_EQ(X509_check_host(cert, "kubernetes", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(cert, "cluster2.mesh.cilium.io", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(cert, "elsewhere", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(cert, "10.96.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(cert, "fd00:96:1::1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(cert, "10.96.0.2", 0), 0);
  X509_free(cert);
}

TEST(pki, a_broken_ca_is_an_error) {
  const auto r = issue_client({"not", "pem"}, "x");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("PEM"), std::string::npos);
}

TEST(pki, pairs_and_kubeconfigs_are_written_privately) {
  char dir[] = "/tmp/weft-pki-XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  const auto ca = make_ca("lab-ca");
  ASSERT_TRUE(write_pair(dir, "ca", *ca));
  const auto back = read_pair(dir, "ca");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->cert, ca->cert);
  const std::string path = std::string(dir) + "/kubeconfig";
  ASSERT_TRUE(write_kubeconfig(path, {{"cluster1", "https://127.0.0.1:6443", ca->cert, *ca},
                                      {"cluster2", "https://[::1]:6443", ca->cert, *ca}}));
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto text = read_file(path);
  EXPECT_NE(text->find("current-context: cluster1"), std::string::npos);
  EXPECT_NE(text->find("server: https://[::1]:6443"), std::string::npos);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace weft::lab
