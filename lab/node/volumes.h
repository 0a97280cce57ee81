// A pod's volumes as folders of the node. Files from ConfigMaps, Secrets, tokens and the downward API are replaced
// as one, through the ..data link, whenever their source changes (kubelet's AtomicWriter).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lab/node/objects.h"

namespace weft::lab {

struct VolumeFile {
  std::string content;
  unsigned mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};
using VolumeFiles = std::map<std::string, VolumeFile>;  // by path within the volume

/// What a volume made of objects holds. `token` gives the service account token for an audience. The error names
/// the volume and what is missing. Pure.
struct VolumeInputs {
  RefData refs;
  std::function<Result<std::string>(const std::string& audience, std::int64_t seconds)> token;
  DownwardStatus status;
};
Result<VolumeFiles> volume_files(const Pod& pod, const json::object& volume, const VolumeInputs& inputs);

/// ConfigMaps and Secrets that the pod's volumes need.
std::vector<Ref> volume_refs(const Pod& pod);

/// Writes `files` into `folder` so that a reader sees the old set or the new one.
Result<> write_volume(const std::string& folder, const VolumeFiles& files);

class PodVolumes {
 public:
  PodVolumes(kube::Client& client, Objects& objects, std::string folder);

  /// Makes every volume. Fails, to be called again, while something that is not optional is missing.
  Task<Result<>> prepare(Pod pod, DownwardStatus status);
  /// Keeps the files up to date until cancelled.
  Task<> keep();
  /// A label or annotation may have changed.
  void update(const Pod& pod);
  /// The folder or file of the node that is the volume; empty: there is no such volume.
  std::string source(const std::string& volume) const;
  /// Removes what was made.
  void remove();

 private:
  struct Token {
    std::string text;
    Steady::time_point renew;
  };
  Task<Result<>> write_all();
  Task<Result<>> fetch_tokens();
  Result<> make_plain(const json::object& volume);

  kube::Client& client_;
  Objects& objects_;
  std::string folder_;
  Pod pod_;
  DownwardStatus status_;
  std::map<Ref, std::shared_ptr<WatchedObject>> objects_of_;
  std::map<std::pair<std::string, std::int64_t>, Token> tokens_;
  std::map<std::string, std::string> sources_;
  std::map<std::string, VolumeFiles> written_;
  Notifier poke_;
};

}  // namespace weft::lab
