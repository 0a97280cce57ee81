// The structs of bpf/abi as this program sees them, against those that the kernel object was compiled with.
#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <cstddef>

#include "bpf/abi/lb.h"

namespace {

struct Member {
  const char* name;
  std::size_t offset;
  std::size_t size;
};

void compare(const char* object, const char* type, std::size_t size, const std::vector<Member>& members) {
  const std::string path = std::string(WEFT_BPF_DIR "/") + object;
  btf* info = btf__parse(path.c_str(), nullptr);
  ASSERT_NE(info, nullptr) << path;
  const int id = btf__find_by_name_kind(info, type, BTF_KIND_STRUCT);
  ASSERT_GT(id, 0) << type << " is not in " << path;
  const btf_type* t = btf__type_by_id(info, static_cast<unsigned>(id));
  EXPECT_EQ(t->size, size) << type;
  ASSERT_EQ(btf_vlen(t), members.size()) << type;
  for (unsigned i = 0; i < btf_vlen(t); ++i) {
    const btf_member& m = btf_members(t)[i];
    EXPECT_STREQ(btf__name_by_offset(info, m.name_off), members[i].name) << type;
    EXPECT_EQ(m.offset / 8, members[i].offset) << type << "." << members[i].name;
    EXPECT_EQ(static_cast<std::size_t>(btf__resolve_size(info, m.type)), members[i].size)
        << type << "." << members[i].name;
  }
  btf__free(info);
}

#define M(type, member) \
  Member { #member, offsetof(weft::abi::type, member), sizeof(weft::abi::type::member) }

TEST(Abi, structs_of_the_load_balancer_are_the_same_on_both_sides) {
  const char* o = "sock_lb.bpf.o";
  using namespace weft::abi;
  compare(o, "lb_endpoint", sizeof(lb_endpoint),
          {M(lb_endpoint, address), M(lb_endpoint, port), M(lb_endpoint, protocol), M(lb_endpoint, family)});
  compare(o, "lb_service", sizeof(lb_service),
          {M(lb_service, choice), M(lb_service, frontend), M(lb_service, affinity_seconds)});
  compare(o, "lb_slot", sizeof(lb_slot), {M(lb_slot, backend), M(lb_slot, reserved)});
  compare(o, "lb_backend", sizeof(lb_backend), {M(lb_backend, endpoint), M(lb_backend, cluster)});
  compare(o, "lb_member_key", sizeof(lb_member_key), {M(lb_member_key, service), M(lb_member_key, backend)});
  compare(o, "lb_sticky_key", sizeof(lb_sticky_key),
          {M(lb_sticky_key, client), M(lb_sticky_key, service), M(lb_sticky_key, kind)});
  compare(o, "lb_sticky", sizeof(lb_sticky), {M(lb_sticky, last_used), M(lb_sticky, backend), M(lb_sticky, reserved)});
  compare(o, "lb_connected", sizeof(lb_connected),
          {M(lb_connected, socket), M(lb_connected, service), M(lb_connected, check)});
  compare(o, "lb_connected_set", sizeof(lb_connected_set),
          {M(lb_connected_set, cursor), M(lb_connected_set, reserved), M(lb_connected_set, sockets)});
  compare(o, "lb_reverse_key", sizeof(lb_reverse_key),
          {M(lb_reverse_key, socket), M(lb_reverse_key, backend), M(lb_reverse_key, reserved)});
  compare(o, "lb_reverse", sizeof(lb_reverse), {M(lb_reverse, frontend)});
  compare(o, "lb_config", sizeof(lb_config),
          {M(lb_config, abi_version), M(lb_config, maglev_table_size), M(lb_config, map_ids)});
}

}  // namespace
