// LbMaps over the kernel's maps.
#pragma once

#include <array>

#include "base/fd.h"
#include "datapath/lb_maps.h"

namespace weft {

/// The maps of one set, in the order of lb_config.map_ids.
enum class LbMap { frontends, services, slots, backends, members, sticky, connected, reverse, metrics };
constexpr std::size_t lb_map_count = 9;
const char* name_of(LbMap m);  // "lb_frontends" …

class BpfLbMaps final : public LbMaps {
 public:
  using Fds = std::array<Fd, lb_map_count>;
  /// What load() does beyond the maps.
  struct Programs {
    std::function<Result<>()> activate;
    std::function<bool()> active;
  };
  /// Maps the arrays into memory.
  static Result<std::unique_ptr<BpfLbMaps>> open(Fds fds, LbSizes sizes, Programs programs);
  static Result<std::unique_ptr<BpfLbMaps>> open(Fds fds, LbSizes sizes);
  /// The maps that a running agent has pinned below `bpffs`, for looking only (`weft bpf lb list` without an agent).
  static Result<std::unique_ptr<BpfLbMaps>> open_pinned(const std::string& bpffs);
  ~BpfLbMaps() override;

  const LbSizes& sizes() const override { return sizes_; }
  Result<std::map<LbEndpoint, std::uint32_t>> bindings() const override;
  Result<std::map<std::pair<std::uint32_t, std::uint32_t>, abi::lb_member_state>> members() const override;
  std::optional<LbEndpoint> reverse(std::uint64_t socket_cookie, const LbEndpoint& backend) const override;
  void wait_readers() const override;
  Result<> activate() override;
  bool serving() const override;
  Result<LbMetrics> metrics() const override;
  int fd(LbMap m) const { return fds_[static_cast<std::size_t>(m)].get(); }

 protected:
  Result<> bind(const LbEndpoint& frontend, std::uint32_t service) override;
  Result<> unbind(const LbEndpoint& frontend) override;
  Result<> set_member(std::uint32_t service, std::uint32_t backend, abi::lb_member_state state) override;
  Result<> drop_member(std::uint32_t service, std::uint32_t backend) override;

 private:
  BpfLbMaps(Fds fds, LbSizes sizes, Programs programs);
  template <class T>
  Result<> map_array(LbMap m, std::span<T>& array);
  template <class Key, class Value, class Fn>
  Result<> each(LbMap m, Fn&& fn) const;

  Fds fds_;
  LbSizes sizes_;
  Programs programs_;
  std::vector<std::pair<void*, std::size_t>> mappings_;
};

}  // namespace weft
