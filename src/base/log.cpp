#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>

namespace weft::log {
namespace {

struct State {
  Level level = Level::info;
  Format format = Format::text;
  std::shared_ptr<spdlog::logger> logger;
};

State& state() {
  static State s = [] {
    State made;
    made.logger = spdlog::stderr_logger_mt("weft");
    made.logger->set_level(spdlog::level::trace);
    made.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return s;
}

std::string quote(std::string_view in, bool always) {
  bool plain = !always && !in.empty();
  std::string out = "\"";
  for (const char c : in) {
    const auto u = static_cast<unsigned char>(c);
    if (c == ' ' || c == '=' || c == '"' || c == '\\' || u < 0x20) plain = false;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (u < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(u));
    } else {
      out += c;
    }
  }
  return plain ? std::string(in) : out + '"';
}

std::string_view level_name(Level l) {
  switch (l) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "info";
}

}  // namespace

void configure(Level level, Format format) {
  state().level = level;
  state().format = format;
  if (format == Format::json)
    state().logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})", spdlog::pattern_time_type::utc);
}

bool enabled(Level level) { return level >= state().level; }

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  std::string line;
  if (state().format == Format::json) {
    line = fmt::format("\"level\":\"{}\",\"msg\":{}", level_name(level), quote(message, true));
    for (const Field& f : fields) line += fmt::format(",{}:{}", quote(f.key, true), quote(f.value, true));
  } else {
    line = message;
    for (const Field& f : fields) line += fmt::format(" {}={}", f.key, quote(f.value, false));
  }
  auto& logger = *state().logger;
  switch (level) {
    case Level::debug: logger.debug("{}", line); break;
    case Level::info: logger.info("{}", line); break;
    case Level::warn: logger.warn("{}", line); break;
    case Level::error: logger.error("{}", line); break;
  }
  logger.flush();
}

void fatal(std::string_view what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %.*s\n", file, line, static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace weft::log
