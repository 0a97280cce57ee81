// Sorts routes by their attributes and packs them into as few UPDATE messages as they need.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "bgp/rib/export.h"
#include "bgp/rib/route_table.h"

namespace weft::bgp {

class ExportMemo;

class UpdatePacker {
 public:
  UpdatePacker(const ExportRules& rules, std::vector<std::uint8_t>& out);
  void announce(const PrefixKey& key, const SharedAttributes& attributes, ExportMemo& memo);
  void withdraw(const PrefixKey& key) { withdrawn_.push_back(key.prefix(family_)); }
  /// Writes what was collected; how many messages that were.
  std::uint64_t flush();
  void refresh(RouteRefresh::Subtype subtype);
  void end_of_rib();

 private:
  struct Batch {
    const Exported* exported = nullptr;
    std::vector<Prefix> prefixes;
  };
  Batch& batch(const SharedAttributes& attributes, ExportMemo& memo);

  Family family_;
  Context context_;
  std::vector<std::uint8_t>& out_;
  std::vector<Prefix> withdrawn_;
  std::vector<Batch> batches_;
  std::unordered_map<const void*, std::size_t> batch_of_;
  const void* last_ = nullptr;
  std::size_t last_batch_ = 0;
};

}  // namespace weft::bgp
