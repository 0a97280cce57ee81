#include "apps/bfd/show.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>

#include "async/task.h"

namespace weft::bfd {
namespace {

using Row = std::array<std::string, 7>;

std::string ms(std::chrono::microseconds t) {
  return t.count() == 0 ? "-" : fmt::format("{:g} ms", static_cast<double>(t.count()) / 1000);
}

std::string age(Wall::time_point since) {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(Wall::now() - since).count();
  if (s < 60) return fmt::format("{}s", std::max<long>(s, 0));
  if (s < 3600) return fmt::format("{}m{}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{}h", s / 86400, s / 3600 % 24);
}

std::string discards(const DiscardCounts& counts) {
  std::string out;
  for (std::size_t i = 0; i < kDiscards; ++i)
    if (counts.by_reason[i] != 0)
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", to_string(static_cast<Discard>(i)), counts.by_reason[i]);
  return out;
}

}  // namespace

Result<Overview> ask_overview(const std::string& socket) {
  asio::io_context io;
  asio::local::stream_protocol::socket s(io);
  boost::system::error_code ec;
  s.connect(asio::local::stream_protocol::endpoint(socket), ec);
  if (ec)
    return fail(Errc::unavailable,
                fmt::format("nobody answers at {} ({}): does weft-bfd run on this node?", socket, ec.message()));
  asio::write(s, asio::buffer(encode(Request(AskOverview{}))), ec);
  std::string line;
  std::size_t n = 0;
  if (!ec) n = asio::read_until(s, asio::dynamic_buffer(line), '\n', ec);
  if (ec) return fail(Errc::unavailable, fmt::format("asking weft-bfd at {}: {}", socket, ec.message()));
  auto answer = decode_answer(std::string_view(line).substr(0, n));
  if (!answer) return fail(answer.error());
  if (auto* overview = std::get_if<Overview>(&*answer)) return std::move(*overview);
  if (const auto* refusal = std::get_if<Refusal>(&*answer)) return fail(Errc::invalid, refusal->message);
  return fail(Errc::internal, "weft-bfd answered something else");
}

std::string to_text(const Overview& o) {
  std::vector<Row> rows{{"SESSION", "STATE", "SINCE", "DETECTION", "INTERVAL", "CLIENTS", "WHY"}};
  for (const auto& [s, clients] : o.rows) {
    std::string names;
    for (const auto& c : clients) names += (names.empty() ? "" : ",") + c;
    rows.push_back({s.key.to_string(), std::string(to_string(s.state)), age(s.since), ms(s.detection_time),
                    ms(s.tx_interval), names, s.why});
  }
  std::array<std::size_t, 7> widths{};
  for (const Row& r : rows)
    for (std::size_t i = 0; i < r.size(); ++i) widths[i] = std::max(widths[i], r[i].size());
  std::string out;
  for (const Row& r : rows) {
    std::string text;
    for (std::size_t i = 0; i < r.size(); ++i) text += fmt::format("{:<{}}  ", r[i], widths[i]);
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  out += fmt::format("\nweft-bfd {} runs as {}, memory {}\n", o.daemon.version, o.daemon.scheduling, o.daemon.memory);
  out += fmt::format("{} wakeups, {} of them more than 1 ms late, the latest by {:g} ms\n", o.wakeups, o.late_1ms,
                     static_cast<double>(o.latest.count()) / 1000);
  if (const auto text = discards(o.strays); !text.empty()) out += "packets of no session: " + text + "\n";
  if (!o.daemon.without_v6.empty()) out += "IPv6 is not served: " + o.daemon.without_v6 + "\n";
  return out;
}

}  // namespace weft::bfd
