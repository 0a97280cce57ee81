// Reading fields of JSON objects with errors that name the field: only for protocol.cpp and its neighbour.
#pragma once

#include <fmt/format.h>

#include <boost/json.hpp>
#include <limits>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/net.h"
#include "base/result.h"

namespace weft::bfd::fields {

namespace json = boost::json;

/// Collects the first error, so that a reader is a list of fields and one question at the end.
class Reader {
 public:
  Reader(const json::value& value, std::string_view what) : what_(what) {
    object_ = value.if_object();
    if (object_ == nullptr) refuse("is not an object");
  }

  template <class T>
  void integer(std::string_view name, T& out) {
    const json::value* v = find(name);
    if (v == nullptr) return;
    json::error_code ec;
    const auto n = v->to_number<T>(ec);
    if (ec) return refuse(fmt::format("{} is not a number in range", name));
    out = n;
  }
  void boolean(std::string_view name, bool& out) {
    const json::value* v = find(name);
    if (v == nullptr) return;
    if (!v->is_bool()) return refuse(fmt::format("{} is not true or false", name));
    out = v->get_bool();
  }
  void text(std::string_view name, std::string& out) {
    const json::value* v = find(name);
    if (v == nullptr) return;
    if (!v->is_string()) return refuse(fmt::format("{} is not a string", name));
    out = std::string(v->get_string());
  }
  template <class Rep, class Period>
  void duration(std::string_view name, std::chrono::duration<Rep, Period>& out) {
    std::int64_t n = out.count();
    integer(name, n);
    out = std::chrono::duration<Rep, Period>(n);
  }
  /// One of the values of an enumeration, by their to_string().
  template <class E>
  void word(std::string_view name, E& out, std::initializer_list<E> values) {
    std::string s;
    if (find(name) == nullptr) return;
    text(name, s);
    for (const E e : values) {
      if (to_string(e) != s) continue;
      out = e;
      return;
    }
    refuse(fmt::format("{} \"{}\" is not known", name, s));
  }
  const json::value* find(std::string_view name) const {
    return object_ == nullptr ? nullptr : object_->if_contains(json::string_view(name.data(), name.size()));
  }
  void refuse(std::string_view why) {
    if (error_.empty()) error_ = fmt::format("{}: {}", what_, why);
  }
  Result<> done() const {
    if (!error_.empty()) return fail(Errc::invalid, error_);
    return {};
  }

 private:
  const json::object* object_ = nullptr;
  std::string what_;
  std::string error_;
};

}  // namespace weft::bfd::fields
