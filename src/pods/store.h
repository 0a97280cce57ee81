// Attachments on disk, one JSON file each, so that a restarted agent knows what its predecessor promised.
#pragma once

#include <string>
#include <vector>

#include "model/local_pod.h"

namespace weft::pods {

/// A pod and the namespace's inode: a path that was used again is another namespace.
struct StoredPod {
  LocalPod pod;
  std::uint64_t netns_id = 0;
  bool operator==(const StoredPod&) const = default;
};

std::string to_json_text(const StoredPod&);
Result<StoredPod> parse_stored_pod(const std::string& text);

/// Files <dir>/<hash of the key>.json, replaced atomically.
class EndpointStore {
 public:
  explicit EndpointStore(std::string dir) : dir_(std::move(dir)) {}
  Result<> prepare();  // makes the directory
  /// Files that cannot be read are reported and left where they are.
  std::vector<StoredPod> load() const;
  Result<> save(const StoredPod&) const;
  void erase(const LocalPod::Key&) const;

 private:
  std::string path(const LocalPod::Key&) const;
  std::string dir_;
};

}  // namespace weft::pods
