// Selectors, tables, JSONPath, continue tokens, tokens, protobuf, Accept headers.
#include <gmock/gmock.h>

#include "base/clock.h"
#include "lab/apiserver/api.h"
#include "lab/apiserver/jsonpath.h"
#include "lab/apiserver/metadata.h"
#include "lab/apiserver/protobuf.h"
#include "lab/apiserver/selector.h"
#include "lab/apiserver/strategy.h"
#include "lab/apiserver/table.h"
#include "lab/apiserver/tests/text_json.h"
#include "lab/pki/pki.h"

namespace weft::lab::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

bool selects(const std::string& selector, const std::string& labels) {
  const auto s = LabelSelector::parse(selector);
  EXPECT_TRUE(s) << selector << ": " << (s ? "" : s.error().message);
  return s && s->matches(j(R"({"metadata":{"labels":)" + labels + "}}"));
}

TEST(label_selector, matches_as_kubernetes_does) {
  EXPECT_TRUE(selects("", "{}"));
  EXPECT_TRUE(selects("app=cart,tier==front", R"({"app":"cart","tier":"front"})"));
  EXPECT_FALSE(selects("app=cart,tier!=front", R"({"app":"cart","tier":"front"})"));
  EXPECT_TRUE(selects("tier!=front", R"({"app":"cart"})"));
  EXPECT_TRUE(selects("app in (a, cart),!old,new", R"({"app":"cart","new":""})"));
  EXPECT_FALSE(selects("app in (a,b)", "{}"));
  EXPECT_TRUE(selects("app notin (a,b)", "{}"));
  EXPECT_FALSE(selects("!old", R"({"old":""})"));
  EXPECT_TRUE(selects("a.b/c-d=", R"({"a.b/c-d":""})"));
}

TEST(label_selector, nonsense_is_a_bad_request) {
  for (const char* bad : {"app in cart", "=x", "a=b=c", "app in (a", "a,,b", "-a=b", "app ~ x"}) {
    const auto s = LabelSelector::parse(bad);
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().code, 400) << bad;
  }
}

TEST(field_selector, offers_the_fields_of_the_kind_and_no_others) {
  const auto s = FieldSelector::parse("spec.nodeName=n1,status.phase!=Failed", "", "pods");
  ASSERT_TRUE(s);
  EXPECT_TRUE(s->matches(j(R"({"spec":{"nodeName":"n1"},"status":{"phase":"Running"}})")));
  EXPECT_FALSE(s->matches(j(R"({"spec":{"nodeName":"n1"},"status":{"phase":"Failed"}})")));
  EXPECT_FALSE(s->matches(j(R"({"spec":{"nodeName":"n2"}})")));
  EXPECT_TRUE(FieldSelector::parse("type=helm.sh/release.v1", "", "secrets"));
  EXPECT_TRUE(FieldSelector::parse("involvedObject.name=x", "", "events"));
  EXPECT_EQ(FieldSelector::parse("metadata.name=x", "a.b", "cs")->name(), "x");
  ASSERT_FALSE(FieldSelector::parse("spec.nodeName=n1", "", "services"));
  EXPECT_THAT(FieldSelector::parse("spec.x=n1", "", "pods").error().message,
              HasSubstr("field label not supported: spec.x"));
}

TEST(selector, a_selector_object_as_text) {
  EXPECT_EQ(
      selector_text(j(
          R"({"matchLabels":{"b":"2","a":"1"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["x","y"]},{"key":"d","operator":"Exists"}]})")),
      "a=1,b=2,c notin (x,y),d");
}

TEST(continue_token, comes_back_as_it_went_and_garbage_is_refused) {
  const auto c = decode_continue(encode_continue({42, "ns/name"}));
  ASSERT_TRUE(c);
  EXPECT_EQ(c->revision, 42);
  EXPECT_EQ(c->start, "ns/name");
  EXPECT_EQ(decode_continue("nonsense").error().code, 400);
  EXPECT_EQ(decode_continue(encode_continue({0, "x"})).error().code, 400);
}

std::string path_text(const std::string& path, const std::string& object) {
  const auto p = JsonPath::parse(path);
  if (!p) return "error: " + p.error().message;
  std::string out;
  const auto v = j(object);
  for (const auto* f : p->find(v)) out += (out.empty() ? "" : " ") + show(*f);
  return out;
}

TEST(json_path, keys_indices_wildcards_and_filters) {
  const std::string o = R"({"a":{"b.c":1,"l":[{"k":"x","v":1},{"k":"y","v":2}]}})";
  EXPECT_EQ(path_text(".a['b.c']", o), "1");
  EXPECT_EQ(path_text(".a.b\\.c", o), "1");
  EXPECT_EQ(path_text(".a.l[1].v", o), "2");
  EXPECT_EQ(path_text(".a.l[-1].k", o), "\"y\"");
  EXPECT_EQ(path_text(".a.l[*].v", o), "1 2");
  EXPECT_EQ(path_text(R"(.a.l[?(@.k=="y")].v)", o), "2");
  EXPECT_EQ(path_text("{.a.l[?(@.k!='y')].v}", o), "1");
  EXPECT_EQ(path_text(".none.x", o), "");
  EXPECT_THAT(path_text("a.b", o), HasSubstr("must start with '.'"));
  EXPECT_THAT(path_text(".a[", o), HasSubstr("no ']'"));
}

TEST(table, ages_are_said_as_kubectl_says_them) {
  using std::chrono::seconds;
  EXPECT_EQ(human_duration(seconds(5)), "5s");
  EXPECT_EQ(human_duration(seconds(119)), "119s");
  EXPECT_EQ(human_duration(seconds(200)), "3m20s");
  EXPECT_EQ(human_duration(seconds(3600)), "60m");
  EXPECT_EQ(human_duration(seconds(4 * 3600 + 60)), "4h1m");
  EXPECT_EQ(human_duration(seconds(30 * 3600)), "30h");
  EXPECT_EQ(human_duration(seconds(3 * 86400 + 3600)), "3d1h");
  EXPECT_EQ(human_duration(seconds(400LL * 86400)), "400d");
  EXPECT_EQ(human_duration(seconds(3LL * 365 * 86400)), "3y");
}

std::vector<std::string> row(const char* kind, const std::string& object) {
  std::vector<std::string> out;
  const auto v = j(object);
  for (const auto& c : builtin_columns("", kind))
    if (c.name != "Age") {
      const auto cell = c.cell(v);
      out.push_back(cell.is_string() ? std::string(cell.get_string()) : show(cell));
    }
  return out;
}

TEST(table, services_look_as_on_a_real_cluster) {
  EXPECT_THAT(
      row("Service",
          R"({"metadata":{"name":"web"},"spec":{"type":"NodePort","clusterIPs":["10.96.0.7"],"ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}}})"),
      ElementsAre("web", "NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP", "a=1,b=2"));
  EXPECT_THAT(row("Service", R"({"metadata":{"name":"lb"},"spec":{"type":"LoadBalancer","clusterIP":"10.96.0.8"}})"),
              ElementsAre("lb", "LoadBalancer", "10.96.0.8", "<pending>", "<none>", "<none>"));
}

TEST(table, pods_tell_the_most_telling_state) {
  const std::string spec = R"("metadata":{"name":"p"},"spec":{"nodeName":"n1","containers":[{"name":"c"}]})";
  EXPECT_THAT(
      row("Pod",
          "{" + spec +
              R"(,"status":{"phase":"Running","podIPs":[{"ip":"10.1.0.5"}],"containerStatuses":[{"name":"c","ready":true,"restartCount":2,"state":{"running":{}}}]}})"),
      ElementsAre("p", "1/1", "Running", "2", "10.1.0.5", "n1", "<none>", "<none>"));
  EXPECT_EQ(
      row("Pod",
          "{" + spec +
              R"(,"status":{"phase":"Running","containerStatuses":[{"name":"c","ready":false,"restartCount":0,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})")
          [2],
      "CrashLoopBackOff");
  EXPECT_EQ(
      row("Pod",
          R"({"metadata":{"name":"p","deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Running"}})")
          [2],
      "Terminating");
  EXPECT_EQ(
      row("Pod",
          "{" + spec +
              R"(,"status":{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":3}}}]}})")
          [2],
      "ExitCode:3");
}

TEST(table, custom_columns_follow_their_paths) {
  const auto columns = custom_columns(
      j(R"([{"name":"Size","type":"integer","jsonPath":".spec.size"},{"name":"IPs","type":"string","jsonPath":".spec.ips[*]"},{"name":"Ready","type":"boolean","jsonPath":".status.ready","priority":1}])")
          .as_array());
  ASSERT_EQ(columns.size(), 4u);
  const auto v = j(R"({"metadata":{"name":"x"},"spec":{"size":3,"ips":["a","b"]}})");
  EXPECT_EQ(columns[0].cell(v), json::value("x"));
  EXPECT_EQ(columns[1].cell(v), json::value(3));
  EXPECT_EQ(columns[2].cell(v), json::value("a b"));
  EXPECT_TRUE(columns[3].cell(v).is_null());
  EXPECT_EQ(columns[3].priority, 1);
  EXPECT_EQ(custom_columns({}).back().name, "Age");
}

TEST(accept, the_first_form_that_we_offer_is_taken) {
  EXPECT_EQ(parse_accept("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")->as, Form::As::table);
  EXPECT_EQ(parse_accept("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/"
                         "json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
                ->as,
            Form::As::partial);
  EXPECT_EQ(parse_accept("application/vnd.kubernetes.protobuf,application/json")->as, Form::As::object);
  EXPECT_EQ(
      parse_accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")->discovery,
      "v2");
  EXPECT_EQ(parse_accept("*/*")->as, Form::As::object);
  EXPECT_EQ(parse_accept("application/vnd.kubernetes.protobuf").error().code, 406);
}

TEST(tokens, a_token_is_verified_until_it_expires_and_not_when_changed) {
  const auto key = make_signing_key();
  const auto signer = TokenSigner::make(key->key, "https://issuer");
  ASSERT_TRUE(signer) << signer.error().message;
  const auto now = Wall::now();
  TokenSigner::Claims c;
  c.ns = "kube-system";
  c.account = "weft";
  c.uid = "u1";
  c.audiences = {"https://issuer"};
  c.issued = now;
  c.expires = now + std::chrono::hours(1);
  const auto token = signer->sign(c);
  const auto back = signer->verify(token, now);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->account, "weft");
  EXPECT_EQ(back->uid, "u1");
  EXPECT_FALSE(signer->verify(token, now + std::chrono::hours(2)));
  auto forged = token;
  forged[token.find('.') + 5] ^= 1;
  EXPECT_FALSE(signer->verify(forged, now));
  const auto other = TokenSigner::make(make_signing_key()->key, "https://issuer");
  EXPECT_FALSE(other->verify(token, now));
  EXPECT_FALSE(signer->verify("a.b.c", now));
  EXPECT_FALSE(TokenSigner::make("no key", "x"));
}

// What `kubectl create namespace foo` sends: envelope, then Namespace{metadata{name, creationTimestamp{}}, spec{},
// status{}}.
TEST(protobuf, a_namespace_is_read) {
  using namespace std::string_literals;
  const std::string raw =
      "\x0a\x07\x0a\x03"
      "foo\x42\x00\x12\x00\x1a\x00"s;
  std::string body = "k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12"s;
  body.push_back(static_cast<char>(raw.size()));
  body.append(raw);
  const auto v = decode_protobuf(body);
  ASSERT_TRUE(v) << v.error().message;
  EXPECT_EQ(text(*v, {"kind"}), "Namespace");
  EXPECT_EQ(text(*v, {"metadata", "name"}), "foo");
  EXPECT_EQ(find(*v, {"status"}), nullptr);
}

TEST(protobuf, broken_bytes_and_unknown_kinds_are_errors) {
  using namespace std::string_literals;
  EXPECT_FALSE(decode_protobuf("json"));
  EXPECT_FALSE(decode_protobuf("k8s\0\x0a\xff"s));
  const auto unknown = decode_protobuf("k8s\0\x0a\x0b\x0a\x02v1\x12\x05Thing\x12\x00"s);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::unsupported);
}

FieldErrors problems(const Kinds& kinds, const char* group, const char* version, const char* plural, json::value v,
                     const json::value* old = nullptr) {
  const auto k = kinds.find(group, version, plural);
  apply_defaults(*k->schema, v, false);
  prepare(*k, v, old);
  FieldErrors errors;
  check(*k, v, old, errors);
  return errors;
}

TEST(strategy, a_selector_that_misses_its_template_is_refused) {
  const Kinds kinds;
  const auto e = problems(
      kinds, "apps", "v1", "deployments",
      j(R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"1"}},"template":{"metadata":{"labels":{"a":"2"}},"spec":{"containers":[{"name":"c","image":"x"}]}}}})"));
  ASSERT_EQ(e.size(), 1u);
  EXPECT_EQ(e[0].field, "spec.template.metadata.labels");
}

TEST(strategy, names_labels_and_mounts_are_checked) {
  const Kinds kinds;
  const auto e = problems(
      kinds, "", "v1", "pods",
      j(R"({"metadata":{"name":"Bad_Name","labels":{"a":"-x"}},"spec":{"containers":[{"name":"c","image":"x","volumeMounts":[{"name":"nope","mountPath":"/x"}]}]}})"));
  ASSERT_EQ(e.size(), 3u);
  EXPECT_EQ(e[0].field, "metadata.name");
  EXPECT_EQ(e[1].field, "metadata.labels");
  EXPECT_EQ(e[2].message, "Not found: \"nope\"");
}

TEST(strategy, endpoint_slices_hold_addresses_of_their_type_that_can_be_reached) {
  const Kinds kinds;
  EXPECT_EQ(problems(kinds, "discovery.k8s.io", "v1", "endpointslices",
                     j(R"({"metadata":{"name":"s"},"addressType":"IPv4","endpoints":[{"addresses":["10.1.0.1"]}]})"))
                .size(),
            0u);
  EXPECT_EQ(
      problems(
          kinds, "discovery.k8s.io", "v1", "endpointslices",
          j(R"({"metadata":{"name":"s"},"addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]},{"addresses":["127.0.0.1"]}]})"))
          .size(),
      2u);
}

TEST(strategy, secrets_take_text_and_keep_their_type) {
  const Kinds kinds;
  auto v = j(R"({"metadata":{"name":"s"},"stringData":{"a":"b"}})");
  prepare(*kinds.find("", "v1", "secrets"), v, nullptr);
  EXPECT_EQ(text(v, {"data", "a"}), "Yg==");
  EXPECT_EQ(find(v, {"stringData"}), nullptr);
  const auto old = j(R"({"metadata":{"name":"s"},"type":"Opaque"})");
  EXPECT_EQ(problems(kinds, "", "v1", "secrets", j(R"({"metadata":{"name":"s"},"type":"other"})"), &old).size(), 1u);
}

}  // namespace
}  // namespace weft::lab::api
