#include "apps/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace weft::cli {

namespace {

/// Columns on a terminal: escape sequences take none, wide emoji two, other characters one.
std::size_t width(std::string_view s) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c == 0x1b) {
      while (i < s.size() && s[i] != 'm') ++i;
      ++i;
      continue;
    }
    const std::size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    n += len == 4 ? 2 : 1;
    i += len;
  }
  return n;
}

}  // namespace

bool colours_wanted() {
  const char* no = std::getenv("NO_COLOR");
  return ::isatty(1) == 1 && !(no && *no);
}

std::string paint(std::string_view text, Colour colour, bool colours) {
  if (!colours || colour == Colour::none) return std::string(text);
  const char* code = "0";
  switch (colour) {
    case Colour::green: code = "32"; break;
    case Colour::yellow: code = "33"; break;
    case Colour::red: code = "31"; break;
    case Colour::dim: code = "2"; break;
    case Colour::none: break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows,
                  std::string_view indent) {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  std::vector<std::string> names;
  for (const auto& h : head) {
    right.push_back(h.starts_with('>'));
    names.push_back(right.back() ? h.substr(1) : h);
    widths.push_back(width(names.back()));
  }
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text(indent);
    for (std::size_t i = 0; i < cells.size() && i < widths.size(); ++i) {
      if (i > 0) text += "  ";
      const std::string fill(widths[i] - width(cells[i]), ' ');
      text += right[i] ? fill + cells[i] : cells[i] + fill;
    }
    while (text.ends_with(' ')) text.pop_back();
    out += text + "\n";
  };
  line(names);
  for (const auto& row : rows) line(row);
  return out;
}

std::string age(std::chrono::nanoseconds d) {
  auto s = std::chrono::duration_cast<std::chrono::seconds>(d).count();
  if (s < 0) s = 0;
  if (s < 120) return fmt::format("{}s", s);
  if (s < 600) return s % 60 == 0 ? fmt::format("{}m", s / 60) : fmt::format("{}m{}s", s / 60, s % 60);
  if (s < 7200) return fmt::format("{}m", s / 60);
  if (s < 48 * 3600) return fmt::format("{}h", s / 3600);
  return fmt::format("{}d", s / 86400);
}

Progress::Progress() : terminal_(::isatty(2) == 1) {}
Progress::~Progress() { clear(); }

void Progress::show(const std::string& text, std::chrono::nanoseconds elapsed) {
  if (!terminal_) {
    if (text != last_) std::fprintf(stderr, "⌛ %s\n", text.c_str());
    last_ = text;
    return;
  }
  winsize size{};
  const std::size_t columns = ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
  std::string line = fmt::format("⌛ {} ({})", text, age(elapsed));
  while (width(line) > columns) {
    line.pop_back();
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) line.pop_back();
  }
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void Progress::clear() {
  if (terminal_ && shown_) std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace weft::cli
