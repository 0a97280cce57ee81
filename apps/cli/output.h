// -o json | yaml, and text for people.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>

namespace CLI {
class App;
}

namespace weft::cli {

enum class OutputFormat { text, json, yaml };

/// Adds -o,--output with the names of the formats; "summary" and "table" are text too.
void add_output_option(CLI::App& cmd, OutputFormat& format);
std::string to_text(const boost::json::value& value, OutputFormat format);
/// To standard output. `format` is not text.
void print(const boost::json::value& value, OutputFormat format);
/// JSON with line breaks and two blanks of indentation.
std::string pretty(const boost::json::value& value);

}  // namespace weft::cli
