#include "pods/cni.h"

#include <gtest/gtest.h>

namespace weft::pods {
namespace {

json::value request(const std::string& text) { return json::parse(text); }

const std::string kAdd = R"({"command":"ADD","containerId":"c0ffee","netns":"/run/netns/a","ifname":"eth0",
  "args":{"K8S_POD_NAMESPACE":"shop","K8S_POD_NAME":"cart-1","K8S_POD_UID":"u-1","IgnoreUnknown":"1"},
  "config":{"cniVersion":"1.0.0","name":"weft","type":"weft-cni"}})";

TEST(CniRequest, add_carries_the_pod) {
  const auto r = parse_cni_request(request(kAdd));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->command, CniCommand::add);
  EXPECT_EQ(r->container_id, "c0ffee");
  EXPECT_EQ(r->netns, "/run/netns/a");
  EXPECT_EQ(r->pod_namespace + "/" + r->pod_name + "/" + r->pod_uid, "shop/cart-1/u-1");
}

TEST(CniRequest, refusals_name_the_variable_and_the_mend) {
  const auto refuse = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    const auto r = parse_cni_request(request(text));
    return r ? std::string("accepted")
             : std::to_string(static_cast<unsigned>(r.error().code)) + " " +
                   r.error().message.substr(0, r.error().message.find(':'));
  };
  EXPECT_EQ(refuse(kAdd, "1.0.0", "0.2.0"), "1 cniVersion \"0.2.0\"");
  EXPECT_EQ(refuse(kAdd, "c0ffee", "../../etc/passwd"), "4 CNI_CONTAINERID \"../../etc/passwd\"");
  EXPECT_EQ(refuse(kAdd, "c0ffee", ""), "4 CNI_CONTAINERID \"\"");
  EXPECT_EQ(refuse(kAdd, "eth0", "a/b"), "4 CNI_IFNAME \"a/b\"");
  EXPECT_EQ(refuse(kAdd, "/run/netns/a", ""), "4 CNI_NETNS");
  EXPECT_EQ(refuse(kAdd, "ADD", "MOVE"), "4 CNI_COMMAND \"MOVE\"");
  EXPECT_EQ(refuse(kAdd, "\"ADD\"", "\"GC\""), "7 cni.dev/valid-attachments");
  EXPECT_FALSE(parse_cni_request(json::value(7)));
  EXPECT_FALSE(parse_cni_request(request(R"({"command":"ADD"})")));
}

TEST(CniRequest, del_needs_no_namespace) {
  EXPECT_TRUE(parse_cni_request(
      request(R"({"command":"DEL","containerId":"a","netns":"","ifname":"eth0","config":{"cniVersion":"0.4.0"}})")));
}

TEST(CniRequest, gc_and_check_read_their_fields) {
  const auto gc = parse_cni_request(request(
      R"({"command":"GC","config":{"cniVersion":"1.1.0","cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}})"));
  ASSERT_TRUE(gc) << gc.error().message;
  EXPECT_EQ(gc->valid_attachments, (std::vector<std::pair<std::string, std::string>>{{"a", "eth0"}}));
  const auto check = parse_cni_request(request(R"({"command":"CHECK","containerId":"a","netns":"/x","ifname":"eth0",
    "config":{"cniVersion":"1.0.0","prevResult":{"ips":[{"address":"10.1.0.2/32"},{"address":"fd00::2/128"}]}}})"));
  ASSERT_TRUE(check) << check.error().message;
  EXPECT_EQ(check->previous_ips->size(), 2u);
  EXPECT_EQ(check->previous_ips->at(1).to_string(), "fd00::2");
}

TEST(CniResult, has_the_shape_of_the_version_asked_for) {
  CniResult r;
  r.interfaces = {{"lxcabc", *Mac::parse("02:00:00:00:00:01"), "", 1450},
                  {"eth0", *Mac::parse("02:00:00:00:00:02"), "/run/netns/a", 1450}};
  r.pod_interface = 1;
  r.ips = {{*Address::parse("10.1.0.2"), *Address::parse("10.1.0.1")},
           {*Address::parse("fd00:1::2"), *Address::parse("fd00:1::1")}};
  EXPECT_EQ(
      json::serialize(to_json(r, "1.0.0")),
      R"({"cniVersion":"1.0.0","interfaces":[{"name":"lxcabc","mac":"02:00:00:00:00:01"},)"
      R"({"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/run/netns/a"}],)"
      R"("ips":[{"interface":1,"address":"10.1.0.2/32","gateway":"10.1.0.1"},{"interface":1,"address":"fd00:1::2/128","gateway":"fd00:1::1"}],)"
      R"("routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.1"},{"dst":"::/0","gw":"fd00:1::1"}],"dns":{}})");
  EXPECT_EQ(to_json(r, "0.4.0").at("ips").at(1).at("version"), "6");
  EXPECT_EQ(to_json(r, "1.1.0").at("interfaces").at(1).at("mtu"), 1450u);
}

TEST(CniError, is_told_from_a_result) {
  EXPECT_TRUE(is_cni_error(to_json(CniError{CniCode::try_again_later, "no agent", ""}, "1.0.0")));
  EXPECT_FALSE(is_cni_error(json::object{}));
}

}  // namespace
}  // namespace weft::pods
