// Certificates for labs and tests: a CA, server and client certificates, service account keys, kubeconfigs.
// Everything is PEM text in memory; write_pair() and write_kubeconfig() put it on disk with private modes.
// A real kube-apiserver, etcd, kubectl and curl accept what is made here.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"

namespace weft::lab {

/// A certificate with its private key (ECDSA P-256, PKCS #8), both PEM.
struct KeyPair {
  std::string cert;
  std::string key;
};

struct CertificateRequest {
  std::string common_name;                 // a client's user name
  std::vector<std::string> organizations;  // a client's groups, e.g. "system:masters"
  std::vector<std::string> dns_names;      // a server's names
  std::vector<Address> addresses;          // a server's addresses
  bool server = false;                     // extended key usage serverAuth
  bool client = true;                      // extended key usage clientAuth
  std::chrono::hours valid{24 * 365};
};

/// A self-signed CA, valid for ten years.
Result<KeyPair> make_ca(const std::string& common_name);

/// A certificate signed by `ca`.
Result<KeyPair> issue(const KeyPair& ca, const CertificateRequest& request);

/// Shorthands. A server certificate is also good as a client one, which etcd peers need.
Result<KeyPair> issue_client(const KeyPair& ca, const std::string& common_name,
                             const std::vector<std::string>& organizations = {});
Result<KeyPair> issue_server(const KeyPair& ca, const std::string& common_name,
                             const std::vector<std::string>& dns_names, const std::vector<Address>& addresses);

/// An RSA 2048 key pair for signing service account tokens: `cert` is the public key, `key` the private one
/// (PKCS #1), in the forms that --service-account-key-file and --service-account-signing-key-file take.
Result<KeyPair> make_signing_key();

/// Writes DIR/NAME.crt (0644) and DIR/NAME.key (0600).
Result<> write_pair(const std::string& dir, const std::string& name, const KeyPair& pair);
/// Reads them back.
Result<KeyPair> read_pair(const std::string& dir, const std::string& name);

/// One cluster with one user in a kubeconfig; the context is called `context`.
struct KubeContext {
  std::string context;
  std::string server;   // https://172.18.1.2:6443
  std::string ca_cert;  // PEM
  KeyPair client;
};

/// A kubeconfig (YAML) with these contexts; the first is the current one. Certificates are inlined.
std::string kubeconfig(const std::vector<KubeContext>& contexts);
/// Writes it to `path`, mode 0600.
Result<> write_kubeconfig(const std::string& path, const std::vector<KubeContext>& contexts);

}  // namespace weft::lab
