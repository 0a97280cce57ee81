#include "apps/cli/bgp_text.h"

#include <map>

#include "apps/cli/objects.h"
#include "apps/cli/terminal.h"
#include "base/clock.h"
#include "base/net.h"

namespace weft::cli {

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string number_or_dash(const json::object& o, const char* key) {
  const auto n = number(o, {key}, -1);
  return n < 0 ? "-" : std::to_string(n);
}

std::string age_of(const json::object& o, const char* key) {
  const auto n = number(o, {key}, -1);
  return n < 0 ? "-" : age(std::chrono::seconds(n));
}

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '/') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::string bgp_peers_text(const json::value& peers, bool capabilities) {
  Rows rows;
  std::string notes;
  each(peers, [&](const json::object& o) {
    std::vector<std::string> head{or_dash(text(o, {"node"})),         number_or_dash(o, "localASN"),
                                  number_or_dash(o, "peerASN"),       or_dash(text(o, {"peerAddress"})),
                                  or_dash(text(o, {"sessionState"})), age_of(o, "uptimeSeconds")};
    const std::size_t first = rows.size();
    const auto add = [&](std::vector<std::string> tail) {
      auto row = rows.size() == first ? head : std::vector<std::string>(head.size());
      row.insert(row.end(), tail.begin(), tail.end());
      rows.push_back(std::move(row));
    };
    if (capabilities) {
      for (const char* side : {"local", "remote"})
        for (const auto& c : list(o, {"capabilities", side}))
          if (c.is_string()) add({side, std::string(c.as_string())});
      if (rows.size() == first) add({"-", "-"});
    } else {
      for (const auto& f : list(o, {"families"}))
        if (const auto* family = f.if_object())
          add({text(*family, {"afi"}) + "/" + text(*family, {"safi"}), number_or_dash(*family, "received"),
               number_or_dash(*family, "advertised")});
      if (rows.size() == first) add({"-", "-", "-"});
    }
    const auto why = text(o, {"down", "words"});
    if (text(o, {"sessionState"}) != "established" && !why.empty())
      notes += fmt::format("{}: {}: {}\n", text(o, {"node"}), text(o, {"peerAddress"}), why);
    if (const auto bfd = text(o, {"bfd"}); text(o, {"sessionState"}) == "established" && !bfd.empty() && bfd != "up")
      notes +=
          fmt::format("{}: {}: BFD is asked for and not up: {}\n", text(o, {"node"}), text(o, {"peerAddress"}), bfd);
  });
  std::vector<std::string> head{"Node", "Local AS", "Peer AS", "Peer Address", "Session State", "Uptime"};
  if (capabilities) {
    head.insert(head.end(), {"Side", "Capability"});
  } else {
    head.insert(head.end(), {"Family", "Received", "Advertised"});
  }
  return table(head, rows) + (notes.empty() ? "" : "\n" + notes);
}

std::string bgp_more_text(const json::value& routes) {
  std::string out;
  each(routes, [&](const json::object& o) {
    if (const auto more = number(o, {"more"}, 0); more > 0)
      out += fmt::format("… and {} more on {}: --limit N shows more, ipv4, ipv6 or peer ADDRESS asks for less\n", more,
                         or_dash(text(o, {"node"})));
  });
  return out;
}

std::string bgp_routes_text(const json::value& routes, const std::string& kind) {
  Rows rows;
  const bool with_peer = kind != "available";
  // Of what we send, State says what is on its way; the column is there when something is.
  bool with_state = kind == "received";
  // A prefix may go out in several ways: then each row says to whom. The column is there when something is.
  std::map<std::string, unsigned> ways;
  const auto route = [](const json::object& o) {
    return text(o, {"node"}) + " " + text(o, {"instance"}) + " " + text(o, {"prefix"});
  };
  bool with_whom = false;
  if (kind == "available") each(routes, [&](const json::object& o) { with_whom |= ++ways[route(o)] > 1; });
  each(routes, [&](const json::object& o) { with_state |= kind == "advertised" && !text(o, {"note"}).empty(); });
  each(routes, [&](const json::object& o) {
    if (o.contains("more")) return;  // bgp_more_text()
    std::vector<std::string> row{or_dash(text(o, {"node"})), number_or_dash(o, "localASN")};
    if (with_peer) {
      const auto address = text(o, {"peerAddress"});
      row.push_back(or_dash(address.empty() ? text(o, {"peer"}) : address));
    }
    row.push_back(or_dash(text(o, {"prefix"})));
    row.push_back(or_dash(text(o, {"nextHop"})));
    row.push_back(age_of(o, "ageSeconds"));
    row.push_back(or_dash(text(o, {"attributes"})));
    if (with_whom) {
      std::string whom;
      for (const auto& p : list(o, {"peers"}))
        if (p.is_string()) whom += (whom.empty() ? "" : ", ") + std::string(p.as_string());
      row.push_back(or_dash(whom));
    }
    if (with_state) {
      std::string state = truth(o, "best") && kind == "received" ? "best" : "";
      if (truth(o, "stale")) state += state.empty() ? "stale" : ", stale";
      if (const auto note = text(o, {"note"}); !note.empty()) state += (state.empty() ? "" : ": ") + note;
      row.push_back(or_dash(state));
    }
    rows.push_back(std::move(row));
  });
  std::vector<std::string> head{"Node", "VRouter"};
  if (with_peer) head.emplace_back("Peer");
  head.insert(head.end(), {"Prefix", "NextHop", "Age", "Attrs"});
  if (with_whom) head.emplace_back("For");
  if (with_state) head.emplace_back("State");
  return table(head, rows) + bgp_more_text(routes);
}

std::string bgp_why_text(const json::value& reasons) {
  Rows rows;
  each(reasons, [&](const json::object& o) {
    auto service = text(o, {"service"});
    std::string because = text(o, {"because"});
    if (const auto a = text(o, {"attributes"}); !a.empty()) because += "; " + a;
    std::string answer = truth(o, "advertised") ? "yes" : "no";
    if (text(o, {"peer"}).empty() && text(o, {"prefix"}).empty()) answer = "-";  // a sentence about what is not there
    if (const auto announced = text(o, {"announced"}); !announced.empty() && announced != text(o, {"prefix"}))
      answer += ", in " + announced;
    if (const auto session = text(o, {"session"}); !session.empty()) {
      answer = "not now";
      because = session + "; once it is up: " + because;
    }
    if (const auto unsent = text(o, {"unsent"}); !unsent.empty()) {
      answer = "not sent";
      because = unsent + "; wanted by " + because;
    }
    if (const auto refused = text(o, {"refused"}); !refused.empty())
      because += "; the peer's newest configuration is refused: " + refused;
    rows.push_back({or_dash(text(o, {"node"})), or_dash(text(o, {"peer"})), service.empty() ? "(node)" : service,
                    or_dash(text(o, {"type"})), or_dash(text(o, {"prefix"})), answer, or_dash(because)});
  });
  return table({"Node", "Peer", "Service", "Type", "Prefix", "Advertised", "Because"}, rows);
}

json::array bgp_peers_of_status(const std::vector<json::object>& node_configs) {
  json::array out;
  for (const auto& config : node_configs)
    for (const auto& i : list(config, {"status", "bgpInstances"})) {
      const auto* instance = i.if_object();
      if (!instance) continue;
      for (const auto& p : list(*instance, {"peers"})) {
        const auto* peer = p.if_object();
        if (!peer) continue;
        json::object o;
        o["node"] = name_of(config);
        o["instance"] = text(*instance, {"name"});
        o["name"] = text(*peer, {"name"});
        o["localASN"] = number(*instance, {"localASN"});
        o["peerASN"] = number(*peer, {"peerASN"});
        o["peerAddress"] = text(*peer, {"peerAddress"});
        o["sessionState"] = text(*peer, {"peeringState"});
        if (const auto since = text(*peer, {"establishedTime"}); !since.empty()) {
          o["establishedTime"] = since;
          o["uptimeSeconds"] =
              std::chrono::duration_cast<std::chrono::seconds>(Wall::now() - parse_rfc3339(since)).count();
        }
        o["families"] = list(*peer, {"routeCount"});
        out.push_back(std::move(o));
      }
    }
  return out;
}

std::string BgpRouteQuery::target() const {
  std::string out = "/v1/bgp/routes/" + table + "?afi=" + escape(afi) + "&safi=" + escape(safi);
  if (!vrouter.empty()) out += "&vrouter=" + escape(vrouter);
  if (!peer.empty()) out += "&peer=" + escape(peer);
  if (!limit.empty()) out += "&limit=" + escape(limit);
  return out;
}

Result<BgpRouteQuery> parse_route_words(const std::vector<std::string>& words) {
  BgpRouteQuery out;
  std::size_t at = 0;
  const auto is = [&](std::initializer_list<const char*> known) {
    return at < words.size() && std::any_of(known.begin(), known.end(), [&](const char* k) { return words[at] == k; });
  };
  if (is({"available", "advertised", "received"})) out.table = words[at++];
  if (is({"ipv4", "ipv6"})) out.afi = words[at++];
  if (is({"unicast"})) out.safi = words[at++];
  while (at < words.size()) {
    const std::string word = words[at++];
    std::string* into = word == "vrouter" ? &out.vrouter : word == "peer" || word == "neighbor" ? &out.peer : nullptr;
    if (!into)
      return fail(Errc::invalid,
                  fmt::format("\"{}\" is not understood: write [available|advertised|received] [ipv4|ipv6] [unicast] "
                              "[vrouter ASN] [peer ADDRESS]",
                              word));
    if (at == words.size()) return fail(Errc::invalid, word + " needs a value after it");
    *into = words[at++];
  }
  return out;
}

std::string bgp_why_target(const std::string& what) {
  if (what.empty()) return "/v1/bgp/why";
  return Prefix::parse(what) ? "/v1/bgp/why?prefix=" + escape(what) : "/v1/bgp/why?service=" + escape(what);
}

}  // namespace weft::cli
