// Short words for looking into JSON values; objects of the API are boost::json values throughout.
#pragma once

#include <boost/json.hpp>

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::lab::api {

namespace json = boost::json;

/// The value at a path of keys, or nullptr.
const json::value* find(const json::value& v, std::initializer_list<std::string_view> path);
json::value* find(json::value& v, std::initializer_list<std::string_view> path);
/// The object at a path of keys, made where it is missing (or is something else).
json::object& make_object(json::value& v, std::initializer_list<std::string_view> path);

/// Text at a path; empty if it is not there or not a string.
std::string text(const json::value& v, std::initializer_list<std::string_view> path);
/// A number at a path; `otherwise` if it is not there or not a number.
std::int64_t number(const json::value& v, std::initializer_list<std::string_view> path, std::int64_t otherwise = 0);
bool flag(const json::value& v, std::initializer_list<std::string_view> path, bool otherwise = false);
/// The array at a path; an empty one if it is not there.
const json::array& list(const json::value& v, std::initializer_list<std::string_view> path);
const json::object& object(const json::value& v, std::initializer_list<std::string_view> path);

/// A number of any JSON kind that is whole, as int64.
bool as_whole(const json::value& v, std::int64_t& out);
/// Equality that does not care whether a number is written 1 or 1.0, or about the order of keys.
bool same(const json::value& a, const json::value& b);

/// Reads JSON, or YAML if it is not JSON (one document). Errors say where.
Result<json::value> parse_json(std::string_view text);
Result<json::value> parse_yaml(const std::string& text);
/// How a value is shown in messages: strings in quotes, the rest as JSON.
std::string show(const json::value& v);

}  // namespace weft::lab::api
