#include "apps/cli/output.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <cstdio>

#include "manifest/manifest.h"

namespace weft::cli {

namespace json = boost::json;

namespace {

void write(const json::value& v, std::string& out, std::size_t depth) {
  const std::string inner(2 * (depth + 1), ' ');
  if (const auto* o = v.if_object(); o && !o->empty()) {
    out += "{\n";
    bool first = true;
    for (const auto& [key, value] : *o) {
      if (!first) out += ",\n";
      first = false;
      out += inner + json::serialize(json::string(key)) + ": ";
      write(value, out, depth + 1);
    }
    out += "\n" + std::string(2 * depth, ' ') + "}";
  } else if (const auto* a = v.if_array(); a && !a->empty()) {
    out += "[\n";
    bool first = true;
    for (const auto& value : *a) {
      if (!first) out += ",\n";
      first = false;
      out += inner;
      write(value, out, depth + 1);
    }
    out += "\n" + std::string(2 * depth, ' ') + "]";
  } else if (v.is_double()) {
    out += fmt::format("{}", v.as_double());
  } else {
    out += json::serialize(v);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  write(value, out, 0);
  return out;
}

std::string to_text(const json::value& value, OutputFormat format) {
  return format == OutputFormat::yaml ? to_yaml(value) : pretty(value) + "\n";
}

void print(const json::value& value, OutputFormat format) {
  auto text = to_text(value, format);
  if (!text.ends_with('\n')) text += '\n';
  std::fputs(text.c_str(), stdout);
}

void add_output_option(CLI::App& cmd, OutputFormat& format) {
  static const std::map<std::string, OutputFormat> names{{"text", OutputFormat::text},
                                                         {"summary", OutputFormat::text},
                                                         {"table", OutputFormat::text},
                                                         {"json", OutputFormat::json},
                                                         {"yaml", OutputFormat::yaml}};
  cmd.add_option("-o,--output", format, "How to print: text, json or yaml")
      ->transform(CLI::CheckedTransformer(names, CLI::ignore_case).description(""))
      ->default_str("text");
}

}  // namespace weft::cli
