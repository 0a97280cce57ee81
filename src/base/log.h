// Structured logging: a message and key=value fields, as text for people or as JSON lines.
// The backend (spdlog) stays in log.cpp, so that this header costs nothing to include.
#pragma once

#include <fmt/core.h>

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weft::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

/// Where lines go (standard error), from which level, and in which form. Call once in main().
void configure(Level level, Format format);
bool enabled(Level level);

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <class T>
    requires(std::integral<T> || std::floating_point<T>) && (!std::same_as<T, bool>)
  Field(std::string_view k, T v) : key(k), value(fmt::format("{}", v)) {}
};
using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view message, Fields fields);

inline void debug(std::string_view m, Fields f = {}) {
  if (enabled(Level::debug)) write(Level::debug, m, f);
}
inline void info(std::string_view m, Fields f = {}) {
  if (enabled(Level::info)) write(Level::info, m, f);
}
inline void warn(std::string_view m, Fields f = {}) { write(Level::warn, m, f); }
inline void error(std::string_view m, Fields f = {}) { write(Level::error, m, f); }

/// A broken invariant: says what and where, then aborts.
[[noreturn]] void fatal(std::string_view what, const char* file, int line);

}  // namespace weft::log

#define WEFT_CHECK(condition)                                             \
  do {                                                                    \
    if (!(condition)) ::weft::log::fatal(#condition, __FILE__, __LINE__); \
  } while (false)
