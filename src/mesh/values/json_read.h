// Reading the mesh's JSON: each getter fails with the field's name when the type is wrong. Internal to mesh.
#pragma once

#include <fmt/format.h>

#include <boost/json.hpp>
#include <limits>
#include <string>
#include <string_view>

#include "base/net.h"
#include "model/names.h"

namespace weft::mesh {

namespace json = boost::json;

/// Holds a document; values point into it.
class Document {
 public:
  static Result<const json::object*> parse(std::string_view text, Document& into);

 private:
  unsigned char buffer_[4096];
  json::monotonic_resource memory_{buffer_, sizeof buffer_};
  json::value root_ = json::value(json::storage_ptr(&memory_));
};

/// Null and absent read as null pointers.
const json::value* find(const json::object& o, std::string_view name);
Result<std::string> get_text(const json::object& o, std::string_view name);  // empty when absent
Result<std::uint64_t> get_number(const json::object& o, std::string_view name, std::uint64_t max);
Result<bool> get_flag(const json::object& o, std::string_view name, bool otherwise);
Result<Labels> get_labels(const json::object& o, std::string_view name);
Result<const json::object*> get_object(const json::object& o, std::string_view name);  // null when absent
Result<const json::array*> get_array(const json::object& o, std::string_view name);    // null when absent
/// Empty text and absence are no address.
Result<std::optional<Address>> get_address(const json::object& o, std::string_view name);
/// {"IP","Mask"}, or "10.1.0.0/24" as later Cilium releases write.
Result<Prefix> to_prefix(const json::value& v);
/// The length of a netmask of 4 or 16 bytes whose ones come first.
Result<unsigned> mask_length(std::string_view base64, Family family);

}  // namespace weft::mesh

/// auto name = value of the Result `expr`, or return its error.
#define WEFT_READ(name, expr)                                                   \
  auto name##_result = (expr);                                                  \
  if (!name##_result) return std::unexpected(std::move(name##_result).error()); \
  auto name = std::move(*name##_result)
