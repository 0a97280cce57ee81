#include "lab/apiserver/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/clock.h"
#include "lab/apiserver/jsonpath.h"

namespace weft::lab::api {

std::string human_duration(std::chrono::seconds d) {
  const std::int64_t s = d.count();
  if (s < -1) return "<invalid>";
  if (s < 0) return "0s";
  if (s < 120) return fmt::format("{}s", s);
  const std::int64_t m = s / 60, h = s / 3600, days = s / 86400, years = days / 365;
  const auto pair = [](std::int64_t a, const char* u, std::int64_t b, const char* v) {
    return b == 0 ? fmt::format("{}{}", a, u) : fmt::format("{}{}{}{}", a, u, b, v);
  };
  if (m < 10) return pair(m, "m", s % 60, "s");
  if (m < 180) return fmt::format("{}m", m);
  if (h < 8) return pair(h, "h", m % 60, "m");
  if (h < 48) return fmt::format("{}h", h);
  if (days < 8) return pair(days, "d", h % 24, "h");
  if (days < 2 * 365) return fmt::format("{}d", days);
  if (years < 8) return pair(years, "y", days % 365, "d");
  return fmt::format("{}y", years);
}

std::string age_of(const std::string& time) {
  if (time.empty()) return "<unknown>";
  return human_duration(std::chrono::duration_cast<std::chrono::seconds>(Wall::now() - parse_rfc3339(time)));
}

namespace {

std::string plain(const json::value& v) { return v.is_string() ? std::string(v.get_string()) : show(v); }

json::value custom_cell(const std::string& type, const JsonPath& path, const json::value& object) {
  const auto found = path.find(object);
  if (found.empty()) return nullptr;
  const json::value& v = *found[0];
  if (v.is_null()) return nullptr;
  if (type == "date") return v.is_string() ? json::value(age_of(std::string(v.get_string()))) : json::value(nullptr);
  if (type == "integer") {
    std::int64_t n = 0;
    return as_whole(v, n) ? json::value(n) : json::value(nullptr);
  }
  if (type == "number") return v.is_number() ? v : json::value(nullptr);
  if (type == "boolean") return v.is_bool() ? v : json::value(nullptr);
  std::vector<std::string> all;
  for (const auto* f : found) all.push_back(plain(*f));
  return json::value(fmt::format("{}", fmt::join(all, " ")));
}

}  // namespace

std::vector<Column> custom_columns(const json::array& printer_columns) {
  std::vector<Column> out;
  out.push_back({"Name", "string", "name", "Name of the object.", 0,
                 [](const json::value& o) { return json::value(text(o, {"metadata", "name"})); }});
  for (const auto& c : printer_columns) {
    auto path = JsonPath::parse(text(c, {"jsonPath"}));
    if (!path) continue;  // refused when the definition was made
    const auto type = text(c, {"type"});
    out.push_back({text(c, {"name"}), type, text(c, {"format"}), text(c, {"description"}),
                   static_cast<int>(number(c, {"priority"})),
                   [type, path = *path](const json::value& o) { return custom_cell(type, path, o); }});
  }
  if (printer_columns.empty())
    out.push_back({"Age", "date", "", "Time since the object was made.", 0, [](const json::value& o) {
                     return json::value(age_of(text(o, {"metadata", "creationTimestamp"})));
                   }});
  return out;
}

json::object partial_metadata(const json::value& object) {
  json::object out{{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}};
  if (const auto* meta = find(object, {"metadata"})) out["metadata"] = *meta;
  return out;
}

json::object table(const std::vector<Column>& columns, const std::vector<const json::value*>& objects,
                   const std::string& include, json::object list_meta, bool with_columns) {
  json::array definitions, rows;
  for (const auto& c : columns)
    definitions.push_back(json::object{{"name", c.name},
                                       {"type", c.type},
                                       {"format", c.format},
                                       {"description", c.description},
                                       {"priority", c.priority}});
  for (const auto* o : objects) {
    json::array cells;
    for (const auto& c : columns) cells.push_back(c.cell(*o));
    json::object row{{"cells", std::move(cells)}};
    if (include == "Object")
      row["object"] = *o;
    else if (include != "None")
      row["object"] = partial_metadata(*o);
    rows.push_back(std::move(row));
  }
  json::object out{{"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", std::move(list_meta)}};
  out["columnDefinitions"] = with_columns ? json::value(std::move(definitions)) : json::value(nullptr);
  out["rows"] = std::move(rows);
  return out;
}

}  // namespace weft::lab::api
