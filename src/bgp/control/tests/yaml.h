// Objects of tests, written as people write them.
#pragma once

#include <boost/json.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include "bgp/control/parse.h"
#include "bgp/control/plan.h"
#include "manifest/manifest.h"

namespace weft::bgp::control {

inline json::object yaml(const std::string& text) {
  auto objects = parse_manifest(text);
  if (!objects || objects->empty()) throw std::runtime_error(objects ? "no object" : objects.error().message);
  return objects->front().as_object();
}

/// One row, as a reflector makes it.
template <class Spec>
ObjectPtr<Spec> row(Parsed<Spec> (*parse)(const json::object&), const std::string& text) {
  Keeper<Spec> keeper(parse);
  return std::make_shared<const Object<Spec>>(keeper(yaml(text)));
}

inline Address addr(const char* text) { return Address::parse(text).value(); }
inline Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

/// The texts of findings, one a line.
inline std::string lines(const Findings& findings) {
  std::string out;
  for (const auto& f : findings) out += f.to_string() + "\n";
  return out;
}

}  // namespace weft::bgp::control
