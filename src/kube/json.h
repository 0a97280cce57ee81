// Looking into an object without tripping: what is absent or of another type reads as empty.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/names.h"

namespace weft::kube {

namespace json = boost::json;

const json::object& object_at(const json::object& o, std::string_view key);
const json::array& array_at(const json::object& o, std::string_view key);
/// Empty when it is not a text.
std::string text_at(const json::object& o, std::string_view key);
std::optional<std::int64_t> number_at(const json::object& o, std::string_view key);
std::optional<bool> bool_at(const json::object& o, std::string_view key);
/// A map of texts; entries of other types are left out.
Labels labels_at(const json::object& o, std::string_view key);
std::vector<std::string> texts_at(const json::object& o, std::string_view key);
json::object to_json(const Labels& labels);

/// An object as the API server sends it. A CRD's schema nests deeper than Boost's 32 levels.
json::value parse_json(std::string_view text, boost::system::error_code& ec);

/// metadata, empty when there is none.
const json::object& metadata(const json::object& object);
/// A text of the metadata; empty when it is not there.
std::string meta_text(const json::object& object, std::string_view key);
/// metadata of an object about to be written, created if absent.
json::object& metadata_of(json::object& object);
/// metadata.namespace and metadata.name.
ObjectName name_of(const json::object& object);
/// metadata.uid, metadata.resourceVersion.
std::string uid_of(const json::object& object);
std::string version_of(const json::object& object);
/// metadata.creationTimestamp; the epoch when absent.
Wall::time_point created_at(const json::object& object);

}  // namespace weft::kube
