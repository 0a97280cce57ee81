// The bundle of further certificate authorities (tls.caBundle.content) as connect and disconnect change it. Pure.
//
// An authority that connect adds stands under a comment for each cluster that needs it; TLS libraries skip comments.
// Disconnecting a cluster takes its comment away, and the authority with the last one. What people wrote into the
// bundle themselves has no comment of ours and stays.
#pragma once

#include <string>
#include <string_view>

namespace weft::cli {

/// With the certificates of `pem`, needed by `cluster`.
std::string with_authority(std::string_view bundle, std::string_view cluster, std::string_view pem);
/// Without those that only `cluster` needed.
std::string without_authority(std::string_view bundle, std::string_view cluster);

}  // namespace weft::cli
