#include "lab/apiserver/protobuf.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"

namespace weft::lab::api {

extern const char* const kProtobufTable;

namespace {

struct Field {
  std::string name;
  char type = 's';  // s, y, i, b, @
  bool repeated = false, map = false;
  std::string message;
};
using Message = std::map<std::uint64_t, Field>;

const std::map<std::string, Message>& table() {
  static const auto all = [] {
    std::map<std::string, Message> out;
    std::string_view text = kProtobufTable;
    while (!text.empty()) {
      const auto end = std::min(text.find('\n'), text.size());
      auto line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.empty() || line[0] == '#') continue;
      Message* message = nullptr;
      while (!line.empty()) {
        const auto stop = std::min(line.find(' '), line.size());
        const auto word = line.substr(0, stop);
        line.remove_prefix(std::min(stop + 1, line.size()));
        if (message == nullptr) {
          message = &out[std::string(word)];
          continue;
        }
        const auto a = word.find(':'), b = word.rfind(':');
        WEFT_CHECK(a != b);
        Field f;
        f.name = std::string(word.substr(0, a));
        auto type = word.substr(b + 1);
        f.repeated = type.starts_with('*');
        f.map = type.starts_with('%');
        if (f.repeated || f.map) type.remove_prefix(1);
        f.type = type[0];
        if (f.type == '@') f.message = std::string(type.substr(1));
        (*message)[std::stoull(std::string(word.substr(a + 1, b - a - 1)))] = std::move(f);
      }
    }
    return out;
  }();
  return all;
}

// Parts of an object that Go embeds: their fields stand in the object itself.
bool is_inline(const std::string& message, const std::string& field) {
  return (message == "core.v1.Volume" && field == "volumeSource") ||
         (message == "core.v1.Probe" && field == "handler") ||
         (message == "core.v1.EphemeralContainer" && field == "ephemeralContainerCommon") ||
         field == "localObjectReference";
}

// Numbers and flags that mean "unset" when they are zero: the wire cannot tell, JSON leaves them out.
bool zero_is_unset(const std::string& field) {
  static const std::set<std::string> names{"hostNetwork",
                                           "hostPID",
                                           "hostIPC",
                                           "stdin",
                                           "stdinOnce",
                                           "tty",
                                           "readOnly",
                                           "minReadySeconds",
                                           "paused",
                                           "nodePort",
                                           "hostPort",
                                           "healthCheckNodePort",
                                           "publishNotReadyAddresses",
                                           "initialDelaySeconds",
                                           "timeoutSeconds",
                                           "periodSeconds",
                                           "successThreshold",
                                           "failureThreshold",
                                           "observedGeneration",
                                           "generation",
                                           "unschedulable",
                                           "count",
                                           "updatedReplicas",
                                           "readyReplicas",
                                           "availableReplicas",
                                           "unavailableReplicas",
                                           "deletionGracePeriodSeconds",
                                           "globalDefault",
                                           "signal",
                                           "kubeletPort",
                                           "limit"};
  return names.contains(field);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : in_(bytes) {}
  bool done() const { return in_.empty(); }

  struct Item {
    std::uint64_t number = 0;
    unsigned wire = 0;
    std::uint64_t value = 0;
    std::string_view bytes;
  };
  Result<Item> next() {
    Item out;
    auto key = varint();
    if (!key) return std::unexpected(key.error());
    out.number = *key >> 3;
    out.wire = static_cast<unsigned>(*key & 7);
    if (out.wire == 0) {
      auto v = varint();
      if (!v) return std::unexpected(v.error());
      out.value = *v;
      return out;
    }
    std::uint64_t n = out.wire == 1 ? 8 : out.wire == 5 ? 4 : 0;
    if (out.wire == 2) {
      auto length = varint();
      if (!length) return std::unexpected(length.error());
      n = *length;
    } else if (n == 0) {
      return fail(Errc::invalid, fmt::format("protobuf: wire type {} is not used", out.wire));
    }
    if (n > in_.size()) return fail(Errc::invalid, "protobuf: cut short");
    out.bytes = in_.substr(0, n);
    in_.remove_prefix(n);
    return out;
  }

 private:
  Result<std::uint64_t> varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) return fail(Errc::invalid, "protobuf: cut short");
      const auto c = static_cast<unsigned char>(in_.front());
      in_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(c & 0x7f) << shift;
      if (c < 0x80) return out;
    }
    return fail(Errc::invalid, "protobuf: a number longer than 64 bits");
  }
  std::string_view in_;
};

json::value string_of(std::string_view s) { return json::value(json::string_view(s.data(), s.size())); }

Result<json::value> message(const std::string& type, std::string_view bytes, int depth);

// Types that JSON writes as something else than an object.
Result<json::value> special(const std::string& type, std::string_view bytes) {
  std::uint64_t numbers[4] = {0, 0, 0, 0};
  std::string_view texts[4];
  for (Reader in(bytes); !in.done();) {
    auto item = in.next();
    if (!item) return std::unexpected(item.error());
    if (item->number < 4) numbers[item->number] = item->value, texts[item->number] = item->bytes;
  }
  if (type == "resource.Quantity") return string_of(texts[1]);
  if (type == "intstr.IntOrString")
    return numbers[1] == 1 ? string_of(texts[3])
                           : json::value(static_cast<std::int64_t>(static_cast<std::int32_t>(numbers[2])));
  if (type == "meta.v1.FieldsV1" || type == "runtime.RawExtension")
    return texts[1].empty() ? json::value(nullptr) : parse_json(texts[1]);
  const auto seconds = static_cast<std::int64_t>(numbers[1]);
  if (seconds <= 0) return json::value(nullptr);
  const auto t = Wall::time_point(
      std::chrono::duration_cast<Wall::duration>(std::chrono::seconds(seconds) + std::chrono::nanoseconds(numbers[2])));
  return json::value(type == "meta.v1.MicroTime" ? rfc3339_micro(t) : rfc3339(t));
}

Result<json::value> one(const Field& f, const Reader::Item& item, int depth) {
  switch (f.type) {
    case 'i': return json::value(static_cast<std::int64_t>(item.value));
    case 'b': return json::value(item.value != 0);
    case 'y': return json::value(base64_encode(item.bytes));
    case '@': return message(f.message, item.bytes, depth + 1);
    default: return string_of(item.bytes);
  }
}

Result<json::value> message(const std::string& type, std::string_view bytes, int depth) {
  if (depth > 64) return fail(Errc::invalid, "protobuf: nested too deeply");
  static const std::set<std::string> specials{"meta.v1.Time",       "meta.v1.MicroTime", "resource.Quantity",
                                              "intstr.IntOrString", "meta.v1.FieldsV1",  "runtime.RawExtension"};
  if (specials.contains(type)) return special(type, bytes);
  const auto known = table().find(type);
  if (known == table().end()) return fail(Errc::unsupported, fmt::format("{} in protobuf form", type));
  json::object out;
  for (Reader in(bytes); !in.done();) {
    auto item = in.next();
    if (!item) return std::unexpected(item.error());
    const auto it = known->second.find(item->number);
    if (it == known->second.end()) continue;  // newer than our table
    const Field& f = it->second;
    if (f.map) {
      std::string_view key;
      Reader::Item value;
      for (Reader entry(item->bytes); !entry.done();) {
        auto part = entry.next();
        if (!part) return std::unexpected(part.error());
        if (part->number == 1) key = part->bytes;
        if (part->number == 2) value = *part;
      }
      auto v = one(f, value, depth);
      if (!v) return v;
      auto& map = out[f.name];
      if (!map.is_object()) map.emplace_object();
      map.get_object()[json::string_view(key.data(), key.size())] = std::move(*v);
      continue;
    }
    auto v = one(f, *item, depth);
    if (!v) return v;
    if (f.repeated) {
      auto& list = out[f.name];
      if (!list.is_array()) list.emplace_array();
      list.get_array().push_back(std::move(*v));
      continue;
    }
    if (is_inline(type, f.name)) {
      if (v->is_object())
        for (auto& [k, inner] : v->get_object()) out[k] = std::move(inner);
      continue;
    }
    if (v->is_string() && v->get_string().empty()) continue;
    if (zero_is_unset(f.name) && (*v == json::value(std::int64_t{0}) || *v == json::value(false))) continue;
    if (v->is_null()) continue;
    if (f.name == "status" && v->is_object() && v->get_object().empty()) continue;
    out[f.name] = std::move(*v);
  }
  return out;
}

// "apps/v1" → "apps.v1", "rbac.authorization.k8s.io/v1" → "rbac.v1", "v1" → "core.v1".
std::string package_of(const std::string& api_version) {
  const auto slash = api_version.find('/');
  if (slash == std::string::npos) return "core." + api_version;
  const auto group = api_version.substr(0, slash);
  return group.substr(0, group.find('.')) + "." + api_version.substr(slash + 1);
}

}  // namespace

Result<json::value> decode_protobuf(std::string_view body) {
  constexpr std::string_view kMagic("k8s\0", 4);
  if (!body.starts_with(kMagic)) return fail(Errc::invalid, "protobuf: does not start with k8s");
  std::string api_version, kind;
  std::string_view raw;
  for (Reader in(body.substr(4)); !in.done();) {
    auto item = in.next();
    if (!item) return std::unexpected(item.error());
    if (item->number == 2) raw = item->bytes;
    if (item->number != 1) continue;
    for (Reader meta(item->bytes); !meta.done();) {
      auto part = meta.next();
      if (!part) return std::unexpected(part.error());
      if (part->number == 1) api_version = std::string(part->bytes);
      if (part->number == 2) kind = std::string(part->bytes);
    }
  }
  const std::string type = kind == "DeleteOptions" ? "meta.v1.DeleteOptions" : package_of(api_version) + "." + kind;
  auto out = message(type, raw, 0);
  if (!out) return out;
  out->get_object()["apiVersion"] = api_version;
  out->get_object()["kind"] = kind;
  return out;
}

}  // namespace weft::lab::api
