// Problem: what a node was asked to do and cannot, for the person who must mend it. Agents put theirs into their report
// (mesh_status.h) and answer them on /v1/problems; `weft status` collects them.
#pragma once

#include <boost/json/fwd.hpp>

#include <compare>
#include <string>
#include <vector>

namespace weft::api {

namespace json = boost::json;

struct Problem {
  std::string kind;    // of the object that must be mended: "Service", "Node", "Pod"; empty: this node itself
  std::string object;  // "shop/cart", "cluster2/node1"
  std::string why;     // field, value and mend, as the part said it that could not
  auto operator<=>(const Problem&) const = default;
  /// "Service shop/cart: frontend … is full …"
  std::string to_string() const;
};

/// {kind, object, why}
json::object to_json(const Problem&);
json::array to_json(const std::vector<Problem>&);
/// What is not such a list, or not such an object, is left out: the reader is a person.
std::vector<Problem> problems_from_json(const json::value&);

}  // namespace weft::api
