#include "api/problem.h"

#include <boost/json.hpp>

namespace weft::api {

std::string Problem::to_string() const {
  std::string out = kind;
  if (!object.empty()) out += (out.empty() ? "" : " ") + object;
  return out.empty() ? why : out + ": " + why;
}

json::object to_json(const Problem& p) { return {{"kind", p.kind}, {"object", p.object}, {"why", p.why}}; }

json::array to_json(const std::vector<Problem>& problems) {
  json::array out;
  for (const Problem& p : problems) out.push_back(to_json(p));
  return out;
}

std::vector<Problem> problems_from_json(const json::value& v) {
  std::vector<Problem> out;
  if (!v.is_array()) return out;
  for (const json::value& e : v.get_array()) {
    const auto* o = e.if_object();
    if (!o) continue;
    const auto text = [&](const char* key) {
      const auto* s = o->if_contains(key);
      return s && s->is_string() ? std::string(s->get_string()) : std::string();
    };
    out.push_back({text("kind"), text("object"), text("why")});
  }
  return out;
}

}  // namespace weft::api
