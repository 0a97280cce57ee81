#include "tests/e2e/harness/etcd_store.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace weft::e2e {

using namespace std::chrono_literals;

MeshStore::MeshStore(const Lab& lab, std::string cluster, std::string name, StoreCertificate certificate)
    : lab_(lab), cluster_(std::move(cluster)), name_(name.empty() ? cluster_ : std::move(name)) {
  const std::string& of = certificate.cluster.empty() ? cluster_ : certificate.cluster;
  const auto pods = lab_.get_json(cluster_, {"-n", "kube-system", "pods", "-l", "k8s-app=clustermesh-apiserver"});
  const auto secret = lab_.get_json(of, {"-n", "kube-system", "secret", certificate.secret});
  if (!pods.is_object() || pods.at("items").as_array().empty() || !secret.is_object()) {
    ADD_FAILURE() << cluster_ << " has no mesh store, or " << of << " no Secret " << certificate.secret;
    return;
  }
  node_ = cluster_ + "/" + std::string(pods.at("items").as_array()[0].at("spec").at("nodeName").as_string());
  // Private to the node: a lab gives each a /run of its own.
  dir_ = "/run/mesh-store/" + of + "-" + certificate.secret;
  std::string script = "umask 077; mkdir -p " + dir_;
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"})
    script += " && echo " + std::string(secret.at("data").at(file).as_string()) + " | base64 -d > " + dir_ + "/" + file;
  const auto r = lab_.exec(node_, {"sh", "-c", script});
  EXPECT_TRUE(r.ok()) << cluster_ << ": the certificate could not be put on " << node_ << ": " << r.err;
}

Output MeshStore::etcdctl(Argv args) const {
  Argv all{"env",
           "ETCDCTL_API=3",
           "etcdctl",
           "--endpoints=https://127.0.0.1:32379",
           "--cacert=" + dir_ + "/ca.crt",
           "--cert=" + dir_ + "/tls.crt",
           "--key=" + dir_ + "/tls.key"};
  all.insert(all.end(), args.begin(), args.end());
  return lab_.exec(node_, all, 20s);
}

std::map<std::string, StoreEntry> MeshStore::list(const std::string& prefix) const {
  return read({"get", "--prefix", prefix, "-w", "json"});
}

std::map<std::string, StoreEntry> MeshStore::read(const Argv& args) const {
  std::map<std::string, StoreEntry> out;
  const auto r = etcdctl(args);
  boost::system::error_code ec;
  const auto v = json::parse(r.out, ec);
  if (!r.ok() || ec || !v.is_object()) {
    ADD_FAILURE() << r.describe();
    return out;
  }
  const auto* kvs = v.as_object().if_contains("kvs");
  if (kvs == nullptr) return out;
  const auto text = [](const json::object& kv, const char* field) {
    const auto* t = kv.if_contains(field);
    return t != nullptr ? base64_decode(std::string(t->as_string())).value_or("(not base64)") : std::string();
  };
  for (const auto& kv : kvs->as_array()) {
    const auto* lease = kv.as_object().if_contains("lease");
    out[text(kv.as_object(), "key")] = {text(kv.as_object(), "value"),
                                        lease != nullptr && lease->to_number<std::int64_t>() != 0};
  }
  return out;
}

std::map<std::string, StoreEntry> MeshStore::all() const {
  // Of the configurations the remote user may read the cluster's own, by its key.
  auto out = read({"get", "cilium/cluster-config/" + name_, "-w", "json"});
  for (const std::string& prefix :
       {std::string("cilium/.heartbeat"), std::string("cilium/state/"), "cilium/synced/" + name_ + "/"})
    out.merge(list(prefix));
  return out;
}

}  // namespace weft::e2e
