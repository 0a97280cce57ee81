#include "tests/interop/harness/speaker.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "tests/interop/harness/speakers.h"

namespace weft::interop {

namespace json = boost::json;

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::frr: return "frr";
    case Kind::bird: return "bird";
    case Kind::gobgp: return "gobgp";
    case Kind::openbgpd: return "openbgpd";
    case Kind::exabgp: return "exabgp";
    case Kind::weft: return "weft";
  }
  return "?";
}

std::string RouteView::to_string() const {
  const auto number = [](const std::optional<std::uint32_t>& n) { return n ? std::to_string(*n) : "-"; };
  return fmt::format("{} via {} path [{}] origin {} med {} pref {} communities [{}] large [{}] ext [{}]{}", prefix,
                     fmt::join(next_hops, ","), fmt::join(as_path, " "), origin, number(med), number(local_pref),
                     fmt::join(communities, " "), fmt::join(large_communities, " "), fmt::join(ext_communities, " "),
                     stale ? " stale" : "");
}

void Speaker::tell(const std::string& line) { throw std::runtime_error(name() + " takes no such line: " + line); }

void Speaker::stop_bfd() { throw std::runtime_error(name() + " has no BFD of its own here"); }
void Speaker::start_bfd() { throw std::runtime_error(name() + " has no BFD of its own here"); }
void Speaker::without_bfd(const std::string&) { throw std::runtime_error(name() + " has no BFD of its own here"); }

const PeerSpec& Speaker::peer_spec(const std::string& name) const {
  for (const auto& p : spec_.peers)
    if (p.name == name) return p;
  throw std::runtime_error(host_.name() + ": no peer called " + name);
}

std::unique_ptr<Speaker> make_speaker(Kind kind, Host& host, SpeakerSpec spec) {
  switch (kind) {
    case Kind::frr: return make_frr(host, std::move(spec));
    case Kind::bird: return make_bird(host, std::move(spec));
    case Kind::gobgp: return make_gobgp(host, std::move(spec));
    case Kind::openbgpd: return make_openbgpd(host, std::move(spec));
    case Kind::exabgp: return make_exabgp(host, std::move(spec));
    case Kind::weft: return make_weft(host, std::move(spec));
  }
  throw std::runtime_error("no such speaker");
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::vector<std::string> words(std::string_view text, std::string_view separators) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto begin = text.find_first_not_of(separators, from);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find_first_of(separators, begin), text.size());
    out.emplace_back(text.substr(begin, end - begin));
    from = end;
  }
  return out;
}

json::value parse_json(const std::string& text, const std::string& what) {
  boost::system::error_code ec;
  auto v = json::parse(text, ec);
  if (ec) throw std::runtime_error(what + ": not JSON (" + ec.message() + "): " + text.substr(0, 2000));
  return v;
}

const json::value* at(const json::value& v, std::initializer_list<std::string_view> path) {
  const json::value* here = &v;
  for (const auto key : path) {
    const auto* object = here->if_object();
    here = object != nullptr ? object->if_contains(key) : nullptr;
    if (here == nullptr) return nullptr;
  }
  return here;
}

std::string text_at(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  const auto* text = found != nullptr ? found->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

std::int64_t number_at(const json::value& v, std::initializer_list<std::string_view> path, std::int64_t otherwise) {
  const auto* found = at(v, path);
  if (found == nullptr || !found->is_number()) return otherwise;
  return found->to_number<std::int64_t>();
}

std::vector<std::uint32_t> as_numbers(const std::string& text) {
  std::vector<std::uint32_t> out;
  for (const auto& word : words(text, " \t{}(),"))
    if (std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c); }))
      out.push_back(static_cast<std::uint32_t>(std::stoul(word)));
  return out;
}

bool is_v6(const std::string& text) { return text.find(':') != std::string::npos; }

}  // namespace weft::interop
