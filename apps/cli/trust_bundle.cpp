#include "apps/cli/trust_bundle.h"

#include <algorithm>
#include <vector>

namespace weft::cli {

namespace {

constexpr std::string_view kMark = "# Trusted for connected cluster ";
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

/// A certificate with the clusters that need it, or a line of something else, which stays as it is.
struct Piece {
  std::vector<std::string> clusters;
  std::string text;
  bool certificate = false;
};

std::string_view without_blanks(std::string_view line) {
  const auto last = line.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

std::vector<Piece> pieces_of(std::string_view bundle) {
  std::vector<Piece> out;
  std::vector<std::string> clusters;  // of the certificate that comes next
  bool inside = false;
  while (!bundle.empty()) {
    const auto length = std::min(bundle.find('\n'), bundle.size());
    const auto line = without_blanks(bundle.substr(0, length));
    bundle.remove_prefix(std::min(length + 1, bundle.size()));
    if (inside) {
      out.back().text.append(line).push_back('\n');
      inside = line != kEnd;
    } else if (line.starts_with(kMark)) {
      clusters.emplace_back(line.substr(kMark.size()));
    } else {
      inside = line == kBegin;
      out.push_back({inside ? std::move(clusters) : std::vector<std::string>(), std::string(line) + "\n", inside});
      clusters.clear();
    }
  }
  return out;
}

std::string bundle_text(const std::vector<Piece>& pieces) {
  std::string out;
  for (const auto& p : pieces) {
    for (const auto& c : p.clusters) out.append(kMark).append(c).push_back('\n');
    out += p.text;
  }
  return out;
}

}  // namespace

std::string with_authority(std::string_view bundle, std::string_view cluster, std::string_view pem) {
  auto pieces = pieces_of(bundle);
  for (auto& added : pieces_of(pem)) {
    if (!added.certificate) continue;
    const auto same = std::find_if(pieces.begin(), pieces.end(),
                                   [&](const Piece& p) { return p.certificate && p.text == added.text; });
    if (same == pieces.end()) {
      pieces.push_back({{std::string(cluster)}, std::move(added.text), true});
    } else if (!same->clusters.empty() &&
               std::find(same->clusters.begin(), same->clusters.end(), cluster) == same->clusters.end()) {
      same->clusters.emplace_back(cluster);
    }
  }
  return bundle_text(pieces);
}

std::string without_authority(std::string_view bundle, std::string_view cluster) {
  auto pieces = pieces_of(bundle);
  bool changed = false;
  std::erase_if(pieces, [&](Piece& p) {
    const bool needed = std::erase(p.clusters, cluster) > 0;
    changed = changed || needed;
    return needed && p.clusters.empty();
  });
  return changed ? bundle_text(pieces) : std::string(bundle);
}

}  // namespace weft::cli
