#include "apps/agent/options.h"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "base/file.h"

namespace weft::agent {
namespace {

std::string refusal(const std::map<std::string, std::string>& values) {
  const auto r = parse_options(values);
  return r ? "accepted" : r.error().message;
}

TEST(AgentOptions, have_defaults_that_work) {
  const auto o = parse_options({{"node-name", "n1"}});
  ASSERT_TRUE(o);
  EXPECT_TRUE(o->ipv4 && o->ipv6);
  EXPECT_EQ(o->cluster_name, "default");
}

TEST(AgentOptions, refuse_with_key_value_and_mend) {
  EXPECT_EQ(refusal({{"cluster-name", "east"}, {"cluster-id", "256"}}), "cluster.id 256 is out of range: use 1 to 255");
  EXPECT_EQ(refusal({{"routing-mode", "magic"}}), "routing-mode \"magic\" cannot be used: use one of native, tunnel");
  EXPECT_EQ(refusal({{"bpf-lb-maglev-table-size", "1000"}}),
            "bpf-lb-maglev-table-size \"1000\" cannot be used: use a prime from 251 to 131071, such as 16381");
  EXPECT_EQ(refusal({{"max-connected-clusters", "300"}}),
            "max-connected-clusters \"300\" cannot be used: use one of 255, 511");
  EXPECT_NE(refusal({{"clustermesh-cache-ttl", "soon"}}).find("use a duration"), std::string::npos);
  EXPECT_NE(refusal({{"enable-ipv4", "false"}, {"enable-ipv6", "false"}}).find("turn one of them on"),
            std::string::npos);
}

TEST(AgentOptions, serve_metrics_where_prometheus_serve_addr_says_and_nowhere_without_it) {
  EXPECT_FALSE(parse_options({{"node-name", "n1"}})->metrics_address);
  EXPECT_FALSE(parse_options({{"prometheus-serve-addr", ""}})->metrics_address);
  EXPECT_EQ(parse_options({{"prometheus-serve-addr", ":9962"}})->metrics_address->to_string(), "[::]:9962");
  EXPECT_EQ(parse_options({{"prometheus-serve-addr", "127.0.0.1:1"}})->metrics_address->to_string(), "127.0.0.1:1");
  EXPECT_EQ(refusal({{"prometheus-serve-addr", "9962"}}),
            "prometheus-serve-addr \"9962\" cannot be used: use :9962, or address:port");
  EXPECT_EQ(refusal({{"prometheus-serve-addr", ":0"}}),
            "prometheus-serve-addr \":0\" cannot be used: use :9962, or address:port");
}

TEST(AgentOptions, limit_what_is_asked_of_the_API_server) {
  const auto o = parse_options({{"node-name", "n1"}});
  EXPECT_EQ(o->k8s_qps, 10);
  EXPECT_EQ(o->k8s_burst, 20u);
  const auto set = parse_options({{"k8s-client-qps", "2.5"}, {"k8s-client-burst", "4"}});
  EXPECT_EQ(set->k8s_qps, 2.5);
  EXPECT_EQ(set->k8s_burst, 4u);
  EXPECT_EQ(refusal({{"k8s-client-qps", "-1"}}),
            "k8s-client-qps \"-1\" cannot be used: use a number from 0 (no limit) to 100000");
  EXPECT_EQ(refusal({{"k8s-client-burst", "0"}}),
            "k8s-client-burst \"0\" cannot be used: use a number from 1 to 100000");
}

TEST(AgentOptions, choose_the_family_of_the_tunnel_the_same_way_for_everybody) {
  EXPECT_EQ(parse_options({{"node-name", "n1"}})->underlay, routing::UnderlayProtocol::automatic);
  EXPECT_EQ(parse_options({{"underlay-protocol", "ipv6"}})->underlay, routing::UnderlayProtocol::ipv6);
  EXPECT_EQ(refusal({{"underlay-protocol", "4"}}),
            "underlay-protocol \"4\" cannot be used: use one of auto, ipv4, ipv6");
  EXPECT_EQ(refusal({{"tunnel-protocol", "geneve"}}), "tunnel-protocol \"geneve\" cannot be used: use one of vxlan");
}

TEST(AgentOptions, say_what_is_reached_without_masquerade) {
  const auto o = parse_options({{"ipv4-native-routing-cidr", "10.0.0.0/8"},
                                {"ipv6-native-routing-cidr", ""},
                                {"auto-direct-node-routes", "false"}});
  ASSERT_TRUE(o);
  EXPECT_EQ(o->native_routing_cidr4, *Prefix::parse("10.0.0.0/8"));
  EXPECT_FALSE(o->native_routing_cidr6);
  EXPECT_FALSE(o->auto_direct_node_routes);
  EXPECT_EQ(refusal({{"ipv4-native-routing-cidr", "fd00::/8"}}),
            "ipv4-native-routing-cidr \"fd00::/8\" cannot be used: use an IPv4 prefix such as 10.0.0.0/8");
}

TEST(AgentOptions, limit_which_labels_make_an_identity) {
  const auto o = parse_options({{"labels", "k8s:app !k8s:build"}});
  ASSERT_TRUE(o);
  EXPECT_TRUE(o->labels.keeps("k8s", "app"));
  EXPECT_FALSE(o->labels.keeps("k8s", "tier"));
  EXPECT_NE(refusal({{"labels", "k8s:[x"}}).find("rule \"k8s:[x\" is not a regular expression"), std::string::npos)
      << refusal({{"labels", "k8s:[x"}});
}

TEST(AgentOptions, every_key_of_the_charts_configuration_is_known) {
  const auto text = read_file(WEFT_SOURCE_DIR "/charts/weft/templates/configmap.yaml");
  ASSERT_TRUE(text) << text.error().message;
  std::map<std::string, std::string> keys;
  std::istringstream lines(*text);
  bool config = false;
  for (std::string line; std::getline(lines, line);) {
    config = config || line.find("define \"weft.config\"") != std::string::npos;
    const auto colon = line.find(": ");
    if (config && colon != std::string::npos && !line.starts_with("{") && !line.starts_with(" "))
      keys[line.substr(0, colon)] = "";
  }
  ASSERT_GT(keys.size(), 30u);
  for (const auto& [key, value] : keys) {
    std::vector<std::string> unknown;
    (void)parse_options({{key, value}}, &unknown);
    EXPECT_TRUE(unknown.empty()) << key << ": no process reads it";
  }
}

TEST(AgentOptions, do_not_wonder_about_what_other_processes_read) {
  // One ConfigMap is for all of them; each asks for its keys by name.
  for (const char* source : {"/apps/operator/options.cpp", "/apps/clustermesh/options.cpp"}) {
    const auto text = read_file(std::string(WEFT_SOURCE_DIR) + source);
    ASSERT_TRUE(text) << text.error().message;
    std::size_t keys = 0;
    const std::regex key("(?:value_of\\(o|\\(values), \"([a-z0-9-]+)\"");
    for (std::sregex_iterator it(text->begin(), text->end(), key), end; it != end; ++it, ++keys) {
      std::vector<std::string> unknown;
      (void)parse_options({{(*it)[1].str(), ""}}, &unknown);
      EXPECT_TRUE(unknown.empty()) << source << ": " << (*it)[1];
    }
    EXPECT_GT(keys, 4u) << source;
  }
}

TEST(AgentOptions, keep_unknown_keys_aside) {
  std::vector<std::string> unknown;
  EXPECT_TRUE(parse_options({{"from-the-future", "1"}}, &unknown));
  EXPECT_EQ(unknown, std::vector<std::string>{"from-the-future"});
}

TEST(AgentOptions, read_go_durations) {
  EXPECT_EQ(parse_options({{"clustermesh-cache-ttl", "1m30s"}})->clustermesh_cache_ttl, std::chrono::seconds(90));
  EXPECT_EQ(parse_options({{"clustermesh-cache-ttl", "0s"}})->clustermesh_cache_ttl, std::chrono::seconds(0));
}

}  // namespace
}  // namespace weft::agent
