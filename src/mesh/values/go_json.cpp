#include "mesh/values/go_json.h"

namespace weft::mesh {
namespace {

// The length of the valid UTF-8 sequence at `s`, or 0.
std::size_t utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = byte(0);
  const std::size_t n = c < 0x80                ? 1
                        : c >= 0xc2 && c < 0xe0 ? 2
                        : c >= 0xe0 && c < 0xf0 ? 3
                        : c >= 0xf0 && c < 0xf5 ? 4
                                                : 0;
  if (n == 0 || s.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (n == 3 && ((c == 0xe0 && byte(1) < 0xa0) || (c == 0xed && byte(1) >= 0xa0))) return 0;
  if (n == 4 && ((c == 0xf0 && byte(1) < 0x90) || (c == 0xf4 && byte(1) >= 0x90))) return 0;
  return n;
}

}  // namespace

void GoJson::string(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  comma();
  out_.push_back('"');
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x80) {
      ++i;
      switch (c) {
        case '"': out_ += "\\\""; break;
        case '\\': out_ += "\\\\"; break;
        case '\n': out_ += "\\n"; break;
        case '\r': out_ += "\\r"; break;
        case '\t': out_ += "\\t"; break;
        case '\b': out_ += "\\b"; break;
        case '\f': out_ += "\\f"; break;
        default:
          if (u < 0x20 || c == '<' || c == '>' || c == '&') {
            out_ += "\\u00";
            out_.push_back(kHex[u >> 4]);
            out_.push_back(kHex[u & 15]);
          } else {
            out_.push_back(c);
          }
      }
      continue;
    }
    const std::size_t n = utf8_length(text.substr(i));
    if (n == 0) {
      out_ += "\\ufffd";
      ++i;
      continue;
    }
    const auto sequence = text.substr(i, n);
    if (sequence == "\xe2\x80\xa8") {
      out_ += "\\u2028";
    } else if (sequence == "\xe2\x80\xa9") {
      out_ += "\\u2029";
    } else {
      out_ += sequence;
    }
    i += n;
  }
  out_.push_back('"');
}

void GoJson::labels(const std::map<std::string, std::string>& map) {
  open('{');
  for (const auto& [name, value] : map) field(name, value);
  close('}');
}

}  // namespace weft::mesh
