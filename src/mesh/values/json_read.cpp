#include "mesh/values/json_read.h"

#include <bit>

#include "base/encoding.h"

namespace weft::mesh {
namespace {
std::unexpected<Error> wrong(std::string_view name, std::string_view wanted) {
  return fail(Errc::invalid, fmt::format("field {} is not {}", name, wanted));
}
std::string_view view(const json::string& s) { return {s.data(), s.size()}; }
}  // namespace

Result<const json::object*> Document::parse(std::string_view text, Document& into) {
  boost::system::error_code ec;
  into.root_ = json::parse({text.data(), text.size()}, ec, json::storage_ptr(&into.memory_));
  if (ec) return fail(Errc::invalid, "not JSON: " + ec.message());
  if (!into.root_.is_object()) return fail(Errc::invalid, "not a JSON object");
  return &into.root_.get_object();
}

const json::value* find(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains({name.data(), name.size()});
  return v && !v->is_null() ? v : nullptr;
}

Result<std::string> get_text(const json::object& o, std::string_view name) {
  const auto* v = find(o, name);
  if (!v) return std::string();
  if (!v->is_string()) return wrong(name, "a text");
  return std::string(view(v->get_string()));
}

Result<std::uint64_t> get_number(const json::object& o, std::string_view name, std::uint64_t max) {
  const auto* v = find(o, name);
  if (!v) return 0;
  std::uint64_t n = 0;
  if (v->is_int64() && v->get_int64() >= 0) {
    n = static_cast<std::uint64_t>(v->get_int64());
  } else if (v->is_uint64()) {
    n = v->get_uint64();
  } else {
    return wrong(name, "a whole number");
  }
  if (n > max) return fail(Errc::invalid, fmt::format("field {} is {}: at most {} is allowed", name, n, max));
  return n;
}

Result<bool> get_flag(const json::object& o, std::string_view name, bool otherwise) {
  const auto* v = find(o, name);
  if (!v) return otherwise;
  if (!v->is_bool()) return wrong(name, "true or false");
  return v->get_bool();
}

Result<Labels> get_labels(const json::object& o, std::string_view name) {
  WEFT_READ(map, get_object(o, name));
  Labels out;
  if (!map) return out;
  for (const auto& kv : *map) {
    if (!kv.value().is_string())
      return wrong(fmt::format("{}.{}", name, std::string_view(kv.key().data(), kv.key().size())), "a text");
    out.emplace(std::string(kv.key().data(), kv.key().size()), std::string(view(kv.value().get_string())));
  }
  return out;
}

Result<const json::object*> get_object(const json::object& o, std::string_view name) {
  const auto* v = find(o, name);
  if (!v) return nullptr;
  if (!v->is_object()) return wrong(name, "an object");
  return &v->get_object();
}

Result<const json::array*> get_array(const json::object& o, std::string_view name) {
  const auto* v = find(o, name);
  if (!v) return nullptr;
  if (!v->is_array()) return wrong(name, "a list");
  return &v->get_array();
}

Result<std::optional<Address>> get_address(const json::object& o, std::string_view name) {
  WEFT_READ(text, get_text(o, name));
  if (text.empty()) return std::optional<Address>();
  auto a = Address::parse(text);
  if (!a) return std::unexpected(a.error().in(fmt::format("field {}", name)));
  return *a;
}

Result<unsigned> mask_length(std::string_view base64, Family family) {
  auto bytes = base64_decode(base64);
  if (!bytes) return std::unexpected(bytes.error().in("field Mask"));
  // Go keeps an IPv4 mask in 4 bytes, or in 16 with the first 12 all ones.
  std::string_view mask = *bytes;
  if (family == Family::v4 && mask.size() == 16) {
    if (mask.substr(0, 12) != std::string(12, '\xff'))
      return fail(Errc::invalid, "field Mask is not one of an IPv4 network");
    mask.remove_prefix(12);
  }
  if (mask.size() != (family == Family::v4 ? 4u : 16u))
    return fail(Errc::invalid, fmt::format("field Mask has {} bytes, which does not fit an {} address", mask.size(),
                                           to_string(family)));
  unsigned ones = 0;
  bool ended = false;
  for (const char c : mask) {
    const auto b = static_cast<unsigned char>(c);
    const auto n = static_cast<unsigned>(std::countl_one(b));
    if ((ended && b != 0) || std::popcount(b) != static_cast<int>(n))
      return fail(Errc::invalid, "field Mask is not a run of ones");
    ones += n;
    if (n < 8) ended = true;
  }
  return ones;
}

Result<Prefix> to_prefix(const json::value& v) {
  if (v.is_string()) return Prefix::parse(view(v.get_string()));
  if (!v.is_object()) return fail(Errc::invalid, "a CIDR is neither an object of IP and Mask nor a text");
  WEFT_READ(ip, get_address(v.get_object(), "IP"));
  if (!ip) return fail(Errc::invalid, "field IP of a CIDR is empty");
  WEFT_READ(mask, get_text(v.get_object(), "Mask"));
  WEFT_READ(length, mask_length(mask, ip->family()));
  return Prefix(*ip, length);
}

}  // namespace weft::mesh
