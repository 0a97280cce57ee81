// The files that name remote clusters, as they are at one moment: which can be used, which are there but cannot be read
// now, and whether the listing is whole. "Not there" and "not known" are told apart, because the first withdraws a
// cluster. Source: cilium-compat section 1.14.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kvstore/client.h"

namespace weft::mesh {

/// One file, read. Unknown keys are ignored. Errors name file and key.
Result<kvstore::Options> parse_remote_config(const std::string& file, std::string_view yaml);

struct RemoteFile {
  std::string text;
  /// Of the text and the certificates that it names: when they are renewed, the remote reconnects.
  std::string hash;
};

struct RemoteFiles {
  std::map<std::string, RemoteFile> files;     // by name; those with endpoints
  std::map<std::string, std::string> unclear;  // there, but not usable now → why
  std::string incomplete;                      // why the listing is not whole; empty: it is
  /// Why it is not known whether there is a file of this name; empty: it is known.
  std::string doubt(const std::string& name) const;
};

/// Hidden files do not count. A directory that does not exist has no files.
RemoteFiles read_remote_files(const std::string& dir);

}  // namespace weft::mesh
