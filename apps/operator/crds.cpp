#include "apps/operator/crds.h"

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "bgp/control/kinds.h"
#include "kube/json.h"
#include "manifest/manifest.h"

namespace weft::op {

// Generated from charts/weft/crds by EmbedCrds.cmake.
struct EmbeddedFile {
  const char* name;
  const char* text;
};
extern const EmbeddedFile kEmbeddedCrds[];
extern const std::size_t kEmbeddedCrdCount;

namespace {

using kube::kCustomResourceDefinitions;

Result<> add(std::vector<json::object>& out, std::string_view text, const std::string& name) {
  auto documents = parse_manifest(text);
  if (!documents) return fail(documents.error().in(name));
  for (auto& d : *documents) {
    if (!d.is_object() || kube::text_at(d.get_object(), "kind") != "CustomResourceDefinition")
      return fail(Errc::invalid, name + ": holds something else than a CustomResourceDefinition");
    out.push_back(std::move(d.get_object()));
  }
  return {};
}

// Keys in order, so that the same spec has the same digest whoever wrote it down.
std::string canonical(const json::value& v) {
  if (v.is_object()) {
    std::map<std::string, std::string> members;
    for (const auto& [k, m] : v.get_object()) members[std::string(k)] = canonical(m);
    std::string out = "{";
    for (const auto& [k, m] : members) out += json::serialize(json::string(k)) + ":" + m + ",";
    return out + "}";
  }
  if (v.is_array()) {
    std::string out = "[";
    for (const auto& m : v.get_array()) out += canonical(m) + ",";
    return out + "]";
  }
  return json::serialize(v);
}
std::string digest(const json::object& crd) {
  return hex_encode(sha256(canonical(kube::object_at(crd, "spec")))).substr(0, 16);
}

// Paths of `wanted` that a schema would prune; where it keeps what it does not know, none.
void missing_fields(const json::object& wanted, const json::object& existing, const std::string& path,
                    std::vector<std::string>& out) {
  if (kube::bool_at(existing, "x-kubernetes-preserve-unknown-fields").value_or(false) ||
      existing.contains("additionalProperties"))
    return;
  const auto& known = kube::object_at(existing, "properties");
  for (const auto& [name, schema] : kube::object_at(wanted, "properties")) {
    const std::string field = (path.empty() ? "" : path + ".") + std::string(name);
    if (!known.contains(name)) {
      out.push_back(field);
    } else if (schema.is_object()) {
      missing_fields(schema.get_object(), kube::object_at(known, name), field, out);
    }
  }
  if (wanted.contains("items"))
    missing_fields(kube::object_at(wanted, "items"), kube::object_at(existing, "items"), path + "[]", out);
}

// What a definition has not of the version that Weft reads and writes, which is the one that ours stores.
std::string lacking(const json::object& existing, const json::object& wanted) {
  const auto find = [](const json::object& crd, const auto& fits) -> const json::object* {
    for (const auto& v : kube::array_at(kube::object_at(crd, "spec"), "versions"))
      if (v.is_object() && fits(v.get_object())) return &v.get_object();
    return nullptr;
  };
  const auto* ours = find(wanted, [](const auto& v) { return kube::bool_at(v, "storage").value_or(false); });
  if (ours == nullptr) return {};
  const std::string name = kube::text_at(*ours, "name");
  const auto* theirs = find(existing, [&](const auto& v) {
    return kube::text_at(v, "name") == name && kube::bool_at(v, "served").value_or(false);
  });
  if (theirs == nullptr) return "a served " + name;
  std::string out;
  if (kube::object_at(*ours, "subresources").contains("status") &&
      !kube::object_at(*theirs, "subresources").contains("status"))
    out = "subresource status of " + name;
  std::vector<std::string> fields;
  const auto schema = [](const json::object& v) -> const json::object& {
    return kube::object_at(kube::object_at(kube::object_at(v, "schema"), "openAPIV3Schema"), "properties");
  };
  for (const char* part : {"spec", "status"})
    missing_fields(kube::object_at(schema(*ours), part), kube::object_at(schema(*theirs), part), part, fields);
  if (fields.empty()) return out;
  if (!out.empty()) out += ", ";
  out += fields.front();
  if (fields.size() > 1) out += " and " + std::to_string(fields.size() - 1) + " other field(s)";
  return out + " of " + name;
}

std::vector<unsigned> version_numbers(const std::string& text) {
  std::vector<unsigned> out;
  unsigned n = 0;
  bool digits = false;
  for (const char c : text + ".") {
    if (std::isdigit(static_cast<unsigned char>(c))) {
      n = n * 10 + static_cast<unsigned>(c - '0');
      digits = true;
    } else if (digits) {
      out.push_back(n);
      n = 0;
      digits = false;
      if (c != '.') break;
    }
  }
  return out;
}

json::object annotated(json::object crd) {
  const auto sum = digest(crd);
  auto& annotations = kube::metadata_of(crd)["annotations"];
  if (!annotations.is_object()) annotations.emplace_object();
  annotations.get_object()[kCrdVersionAnnotation] = WEFT_VERSION;
  annotations.get_object()[kCrdDigestAnnotation] = sum;
  return crd;
}

// One definition as wanted; a race with another writer is tried again.
Task<Result<>> install_one(kube::Client& client, const json::object& wanted) {
  const std::string name = kube::name_of(wanted).name;
  const std::string ours = WEFT_VERSION;
  for (int tries = 0;; ++tries) {
    auto existing = co_await client.get(kCustomResourceDefinitions, "", name);
    if (!existing && existing.error().code != Errc::not_found) co_return fail(existing.error());
    const auto decision = decide_crd(existing ? &*existing : nullptr, wanted, ours);
    if (decision.move == CrdMove::leave) {
      if (decision.lacks.empty()) {
        log::debug("CRD left as it is", {{"name", name}, {"because", decision.why}});
      } else {
        log::warn(
            "CRD left as it is, and it lacks what Weft needs",
            {{"name", name}, {"because", decision.why}, {"lacks", decision.lacks}, {"mend", bgp::control::kCrdMend}});
      }
      co_return Result<>{};
    }
    json::object next = annotated(wanted);
    Result<json::object> done;
    if (decision.move == CrdMove::create) {
      done = co_await client.create(kCustomResourceDefinitions, "", next);
    } else {
      json::object merged = *existing;
      merged["spec"] = next.at("spec");
      auto& meta = kube::metadata_of(merged);
      auto& annotations = meta["annotations"];
      if (!annotations.is_object()) annotations.emplace_object();
      for (const auto& [k, v] : next.at("metadata").at("annotations").get_object()) annotations.get_object()[k] = v;
      done = co_await client.update(kCustomResourceDefinitions, "", merged);
    }
    if (done) {
      log::info("CRD written", {{"name", name}, {"because", decision.why}});
      co_return Result<>{};
    }
    const bool race = done.error().code == Errc::conflict || done.error().code == Errc::exists;
    if (!race || tries >= 5) co_return fail(done.error());
  }
}

}  // namespace

Result<std::vector<json::object>> built_in_crds() {
  std::vector<json::object> out;
  for (std::size_t i = 0; i < kEmbeddedCrdCount; ++i) WEFT_TRY(add(out, kEmbeddedCrds[i].text, kEmbeddedCrds[i].name));
  return out;
}

Result<std::vector<json::object>> crds_from(const std::string& dir) {
  std::vector<json::object> out;
  std::error_code ec;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ec))
    if (entry.path().extension() == ".yaml" || entry.path().extension() == ".yml")
      files.push_back(entry.path().string());
  if (ec) return fail(Errc::not_found, "crd-dir " + dir + ": " + ec.message());
  std::sort(files.begin(), files.end());
  for (const auto& f : files) {
    auto text = read_file(f);
    if (!text) return fail(text.error());
    WEFT_TRY(add(out, *text, f));
  }
  if (out.empty()) return fail(Errc::not_found, "crd-dir " + dir + " holds no *.yaml");
  return out;
}

CrdDecision decide_crd(const json::object* existing, const json::object& wanted, const std::string& our_version) {
  if (!existing) return {CrdMove::create, "it does not exist"};
  const auto labels = kube::labels_at(kube::metadata(*existing), "labels");
  if (const auto it = labels.find("io.cilium.k8s.crd.schema.version"); it != labels.end())
    return {CrdMove::leave, "Cilium's own, schema version " + it->second, lacking(*existing, wanted)};
  const auto annotations = kube::labels_at(kube::metadata(*existing), "annotations");
  const auto sum = annotations.find(kCrdDigestAnnotation);
  if (sum != annotations.end() && sum->second == digest(wanted)) return {CrdMove::leave, "it is the same"};
  const auto version = annotations.find(kCrdVersionAnnotation);
  if (version != annotations.end() && version_numbers(version->second) > version_numbers(our_version))
    return {CrdMove::leave, "it was written by the newer version " + version->second};
  return {CrdMove::update, sum == annotations.end() ? "it was not written by the operator yet" : "its schema changed"};
}

bool crd_established(const json::object& crd) {
  for (const auto& c : kube::array_at(kube::object_at(crd, "status"), "conditions"))
    if (c.is_object() && kube::text_at(c.get_object(), "type") == "Established")
      return kube::text_at(c.get_object(), "status") == "True";
  return false;
}

Task<Result<>> install_crds(kube::Client& client, const std::vector<json::object>& crds, std::chrono::seconds limit) {
  const auto end = Steady::now() + limit;
  for (const auto& crd : crds) {
    auto r = co_await install_one(client, crd);
    if (!r) co_return r;
  }
  std::set<std::string> waiting;
  for (const auto& crd : crds) waiting.insert(kube::name_of(crd).name);
  while (!waiting.empty()) {
    // By name: what others define is none of our business, and may be large.
    const std::vector<std::string> asked(waiting.begin(), waiting.end());
    for (const auto& name : asked) {
      auto crd = co_await client.get(kCustomResourceDefinitions, "", name);
      if (!crd && crd.error().code != Errc::not_found) co_return fail(crd.error());
      if (crd && crd_established(*crd)) waiting.erase(name);
    }
    if (waiting.empty()) break;
    if (Steady::now() > end) {
      std::string names;
      for (const auto& n : waiting) names += (names.empty() ? "" : ", ") + n;
      co_return fail(Errc::timeout,
                     "not established in time: " + names + ": see their conditions by kubectl describe crd");
    }
    co_await sleep_for(std::chrono::milliseconds(200));
  }
  co_return Result<>{};
}

}  // namespace weft::op
