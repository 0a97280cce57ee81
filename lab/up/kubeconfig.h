// The lab's contexts in a user's own kubeconfig.
#pragma once

#include <string>

#include "lab/up/lab.h"

namespace weft::lab {

/// Puts clusters, users and contexts of YAML `ours` into YAML `theirs`, replacing those of the same name; the current
/// context is set only where there was none. Pure.
Result<std::string> merge_kubeconfig(const std::string& theirs, const std::string& ours);
/// Takes them out again where they still are ours (same server). Pure.
Result<std::string> unmerge_kubeconfig(const std::string& theirs, const std::string& ours);

/// Merges into `file` and remembers it, so that `down` takes the contexts out again.
Result<> merge_into(const LabPaths& paths, const std::string& file);
/// Undoes every merge_into; files that are gone or unreadable stay as they are.
void unmerge_kubeconfigs(const LabPaths& paths);

/// $KUBECONFIG's first file, else ~/.kube/config.
std::string users_kubeconfig();

}  // namespace weft::lab
