// What connecting two clusters takes: is it allowed, and which Helm values follow. Pure.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/access.h"
#include "apps/cli/values.h"

namespace weft::cli {

/// Every reason why `a` and `b` cannot be meshed, each naming both sides and the mend; empty: they can.
/// With `allow_mismatching_ca` different authorities are no reason.
std::vector<std::string> refusals(const AccessInfo& a, const AccessInfo& b, bool allow_mismatching_ca);
/// What is allowed and yet worth a word.
std::vector<std::string> remarks(const AccessInfo& a, const AccessInfo& b);
bool same_authority(const AccessInfo& a, const AccessInfo& b);

/// `values` of one cluster, now connecting to `remote`.
json::object connected_values(json::object values, const AccessInfo& remote);
/// With the remote's authority in tls.caBundle, remembered as needed by the remote.
json::object trusting_values(json::object values, const AccessInfo& remote);
/// The opposite of connected_values.
json::object disconnected_values(json::object values, const std::string& remote_cluster);
/// The opposite of trusting_values, for when neither connects to the other any more. An authority that another
/// connected cluster needs too stays, and so does one that connect did not add.
json::object distrusting_values(json::object values, const std::string& remote_cluster);
/// Do these values connect to `cluster`?
bool knows(const json::object& values, const std::string& cluster);
/// In authentication mode cluster: does the mesh store of a cluster with these values know a user for `remote`?
bool may_read(const json::object& values, const std::string& remote);
/// `values` of cluster `name`, whose mesh store `remote` may read when it connects to it, also if it is not connected
/// to itself. `remote_values`: as they are when all is done; nullptr when nobody knows them, which means it connects to
/// nobody.
json::object letting_read(json::object values, const std::string& name, const std::string& remote,
                          const json::object* remote_values);

enum class ConnectionMode { bidirectional, unicast, mesh };

/// Who gets to know whom among `count` clusters, the first being the one of --context: {knowing, known}.
std::vector<std::pair<std::size_t, std::size_t>> connections(std::size_t count, ConnectionMode mode);

}  // namespace weft::cli
