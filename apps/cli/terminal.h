// What people see: results on standard output, progress on standard error, colours only where somebody looks.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

enum class Colour { none, green, yellow, red, dim };

/// `text` in a colour, or as it is when `colours` is false.
std::string paint(std::string_view text, Colour colour, bool colours);
/// Standard output is a terminal and NO_COLOR is not set.
bool colours_wanted();

/// Columns aligned by what a terminal shows (UTF-8, colours do not count), two spaces between, no trailing blanks.
/// Columns whose heading begins with '>' are aligned to the right.
std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows,
                  std::string_view indent = "");

/// "2s", "5m12s", "3h", "4d": the largest two units that matter.
std::string age(std::chrono::nanoseconds d);

/// One line of progress, rewritten on a terminal, printed once per text elsewhere. Disappears on a terminal at the end.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `elapsed` shows on a terminal only, since it changes all the time.
  void show(const std::string& text, std::chrono::nanoseconds elapsed);
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
  std::string last_;
};

}  // namespace weft::cli
