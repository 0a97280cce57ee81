#include "base/clock.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <ctime>

namespace weft {
namespace {

constexpr int kFirstYear = 1700, kLastYear = 2200;

int year_of(Wall::time_point t) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(t));
  return static_cast<int>(day.year());
}

}  // namespace

std::string rfc3339(Wall::time_point t) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(Wall::to_time_t(std::chrono::floor<std::chrono::seconds>(t))));
}

std::string rfc3339_micro(Wall::time_point t) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(t);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(t - whole).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(Wall::to_time_t(whole)), micros);
}

Wall::time_point parse_rfc3339(const std::string& text) {
  std::tm tm{};
  int consumed = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                  &tm.tm_min, &tm.tm_sec, &consumed) != 6)
    return {};
  const auto within = [](int value, int least, int most) { return value >= least && value <= most; };
  // What a count of nanoseconds since 1970 can say, with room for an offset.
  if (!within(tm.tm_year, kFirstYear, kLastYear) || !within(tm.tm_mon, 1, 12) || !within(tm.tm_mday, 1, 31) ||
      !within(tm.tm_hour, 0, 23) || !within(tm.tm_min, 0, 59) || !within(tm.tm_sec, 0, 60))
    return {};
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  Wall::time_point t = Wall::from_time_t(timegm(&tm));
  std::size_t at = static_cast<std::size_t>(consumed);
  if (at < text.size() && text[at] == '.') {
    double scale = 1e9 / 10;
    double nanos = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      nanos += (text[at] - '0') * scale;
    t += std::chrono::duration_cast<Wall::duration>(std::chrono::nanoseconds(static_cast<long long>(nanos)));
  }
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    int hours = 0;
    int minutes = 0;
    if (std::sscanf(text.c_str() + at + 1, "%2d:%2d", &hours, &minutes) == 2) {
      if (!within(hours, 0, 23) || !within(minutes, 0, 59)) return {};
      const auto offset = std::chrono::minutes(hours * 60 + minutes);
      t += text[at] == '+' ? -offset : offset;
    }
  }
  // A leap second or an offset may have led out of the years: what is given back can be written and read again.
  return within(year_of(t), kFirstYear, kLastYear) ? t : Wall::time_point{};
}

}  // namespace weft
