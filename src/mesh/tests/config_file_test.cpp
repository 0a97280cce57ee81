#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesh/config_dir.h"

namespace weft::mesh {
namespace {

TEST(RemoteConfigFile, is_etcds_client_yaml) {
  const auto o = parse_remote_config("west", R"(endpoints:
- https://west.mesh.cilium.io:2379
trusted-ca-file: /var/lib/cilium/clustermesh/common-etcd-client-ca.crt
key-file: /var/lib/cilium/clustermesh/common-etcd-client.key
cert-file: /var/lib/cilium/clustermesh/common-etcd-client.crt
dial-timeout: 2000000000
)");
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_EQ(o->endpoints, std::vector<std::string>{"https://west.mesh.cilium.io:2379"});
  EXPECT_EQ(o->tls.ca, "/var/lib/cilium/clustermesh/common-etcd-client-ca.crt");
  EXPECT_EQ(o->tls.key, "/var/lib/cilium/clustermesh/common-etcd-client.key");
  EXPECT_EQ(o->tls.cert, "/var/lib/cilium/clustermesh/common-etcd-client.crt");
}

TEST(RemoteConfigFile, errors_name_the_file_and_the_key) {
  for (const char* text : {"endpoints: x", "endpoints: []", "endpoints: [1]", "[]", "endpoints: [",
                           "endpoints: [https://a]\nkey-file: [1]"}) {
    const auto o = parse_remote_config("/dir/west", text);
    ASSERT_FALSE(o) << text;
    EXPECT_THAT(o.error().message, ::testing::HasSubstr("/dir/west"));
  }
}

}  // namespace
}  // namespace weft::mesh
