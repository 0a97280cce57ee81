#include "lab/up/yaml_json.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace weft::lab {
namespace json = boost::json;
namespace {

json::value scalar(const YAML::Node& n) {
  const std::string& text = n.Scalar();
  if (n.Tag() == "!") return json::value(json::string(text));  // it was quoted
  if (text == "true") return true;
  if (text == "false") return false;
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  std::int64_t integer = 0;
  if (text.find_first_not_of("+-0123456789") == std::string::npos && YAML::convert<std::int64_t>::decode(n, integer))
    return integer;
  double number = 0;
  if (text.find_first_not_of("+-.eE0123456789") == std::string::npos && YAML::convert<double>::decode(n, number))
    return number;
  return json::value(json::string(text));
}

json::value convert(const YAML::Node& n) {
  if (n.IsMap()) {
    json::object o;
    for (const auto& kv : n) o[kv.first.as<std::string>()] = convert(kv.second);
    return o;
  }
  if (n.IsSequence()) {
    json::array a;
    for (const auto& item : n) a.push_back(convert(item));
    return a;
  }
  return n.IsScalar() ? scalar(n) : json::value(nullptr);
}

}  // namespace

Result<std::vector<json::object>> json_documents(const std::string& yaml, const std::string& file) {
  try {
    std::vector<json::object> out;
    for (const auto& document : YAML::LoadAll(yaml)) {
      if (!document.IsDefined() || document.IsNull()) continue;
      auto value = convert(document);
      if (!value.is_object())
        return fail(Errc::invalid, file + ": a document is not an object; write apiVersion, kind and metadata");
      out.push_back(std::move(value.get_object()));
    }
    return out;
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid, fmt::format("{}:{}: not YAML: {}", file, e.mark.line + 1, e.msg));
  }
}

}  // namespace weft::lab
