// Where the API server is and who we are to it: from a kubeconfig, or from inside a pod.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::kube {

/// A certificate, key or token: text held here, or a file that is read again when it is used, because kubelet and
/// cert-manager replace such files in place. Text wins when both are given, as in client-go.
struct Secret {
  std::string text;
  std::string path;
  bool empty() const { return text.empty() && path.empty(); }
  /// Empty text when nothing is configured; an error when the file cannot be read.
  Result<std::string> read() const;
  bool operator==(const Secret&) const = default;
};

/// Somebody else to act as, for whom the server decides what is allowed (as, as-uid, as-groups and as-user-extra of a
/// kubeconfig's user). Without `user` the others are empty.
struct Impersonation {
  std::string user, uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::string>> extra;  // a key may stand there several times
  bool operator==(const Impersonation&) const = default;
};

struct Config {
  std::string server;         // "https://172.18.1.2:6443", "http://…", optionally with a path prefix
  Secret ca;                  // PEM; empty: the system's roots
  Secret client_certificate;  // PEM
  Secret client_key;          // PEM
  Secret token;               // bearer
  std::string username;       // basic authentication, for completeness
  std::string password;
  std::string tls_server_name;  // empty: the host of `server`
  bool insecure = false;        // do not verify the server's certificate
  std::string proxy_url;        // an HTTP proxy on the way to the server (proxy.h); empty: none
  Impersonation act_as;
  std::string ns = "default";  // the namespace of the context, or the pod's own
  std::string context;         // the kubeconfig context that was chosen; empty in a cluster
  std::string cluster;         // the kubeconfig's name of the cluster
  std::string user_agent = "weft";

  // Client-side rate limit: `burst` requests at once, `qps` a second in the long run. qps 0: no limit.
  double qps = 50;
  unsigned burst = 100;
  /// How long one request may take, connecting included; watches are not bound by it once they run.
  std::chrono::milliseconds timeout{60'000};

  // A credential plugin ("exec" of a kubeconfig): its output, an ExecCredential, is asked for before the first
  // connection and again when it expires or is refused.
  std::vector<std::string> exec_command;
  std::vector<std::pair<std::string, std::string>> exec_env;
  std::string exec_api_version;
};

/// Reads a kubeconfig. `path` empty: $KUBECONFIG (several files joined by ':' are merged, the first to name a thing
/// wins), else ~/.kube/config. `context` empty: current-context. Relative file names count from the kubeconfig's
/// folder. Errors name the file and what is missing in it, or what it asks for that we do not offer: nothing that
/// decides who we are and where we connect is passed over. The environment's proxy is not looked at (proxy.h).
Result<Config> load_kubeconfig(const std::string& path = {}, const std::string& context = {});
/// The same from text; `folder` is what relative file names count from. Pure.
Result<Config> parse_kubeconfig(std::string_view yaml, const std::string& folder, const std::string& context = {});

/// From the service account files and KUBERNETES_SERVICE_HOST / _PORT. Errc::not_found when this is not a pod.
Result<Config> in_cluster(const std::string& root = "/var/run/secrets/kubernetes.io/serviceaccount");

/// What daemons use: an explicit kubeconfig when `path` is given, in-cluster when there is such a thing,
/// otherwise the default kubeconfig.
Result<Config> find_config(const std::string& path = {}, const std::string& context = {});

}  // namespace weft::kube
