// What the measuring process, which runs in a node of cluster1, has to know. It travels as JSON on its standard input.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>

#include "kube/config.h"

namespace weft::bench {

struct Pem {
  std::string ca, cert, key;
};

struct Job {
  int changes = 300;
  kube::Config api;   // of cluster2, by the address that its own pods use
  std::string store;  // host:port of cluster2's mesh store
  Pem admin, remote;  // the store's certificates: who may write, and what cluster1 reads with
  std::string cluster = "cluster2";
  std::string ns, service, slice;
  std::string frontend;  // of the Service in cluster1: "10.96.0.7:80"
};

/// The name that the store's certificate is checked against (cilium-compat section 1.15).
inline const std::string kStoreName = "clustermesh-apiserver.cilium.io";

std::string encode_job(const Job& job);
Result<Job> decode_job(const std::string& text);

/// The EndpointSlice with one ready endpoint.
boost::json::object slice_with(const Job& job, const std::string& address);

}  // namespace weft::bench
