#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>

#include "lab/topology/topology.h"

namespace weft::lab {
namespace {

// An error on its way out of the nested readers; never leaves parse_topology.
struct Wrong {
  int line;
  std::string message;
};

// A YAML node together with the field path that names it to the reader.
class Field {
 public:
  Field(YAML::Node node, std::string path, int line) : node_(std::move(node)), path_(std::move(path)) {
    line_ = node_.IsDefined() && !node_.Mark().is_null() ? node_.Mark().line + 1 : line;
  }

  explicit operator bool() const { return node_.IsDefined() && !node_.IsNull(); }
  const std::string& path() const { return path_; }
  int line() const { return line_; }
  bool is_list() const { return node_.IsSequence(); }
  bool is_map() const { return node_.IsMap(); }

  [[noreturn]] void wrong(const std::string& what, const std::string& mend) const {
    throw Wrong{line_, fmt::format("{}: {}; {}", path_.empty() ? "topology" : path_, what, mend)};
  }

  bool yes() const {
    const std::string t = text();
    if (t != "true" && t != "false") wrong(fmt::format("\"{}\" is neither true nor false", t), "write one of them");
    return t == "true";
  }

  Field at(const std::string& key) const { return Field(node_[key], path_.empty() ? key : path_ + "." + key, line_); }

  std::vector<Field> items() const {
    if (!node_.IsSequence()) wrong("is not a list", "write it as [a, b] or as lines that begin with \"- \"");
    std::vector<Field> out;
    for (std::size_t i = 0; i < node_.size(); ++i) out.emplace_back(node_[i], fmt::format("{}[{}]", path_, i), line_);
    return out;
  }

  // Every key must be one of `known`: a misspelt field is an error, not a default.
  void only(const std::vector<std::string>& known) const {
    if (!node_.IsMap()) wrong("is not a map of fields", fmt::format("write fields out of {}", fmt::join(known, ", ")));
    std::set<std::string> seen;
    for (const auto& kv : node_) {
      const auto key = kv.first.as<std::string>("");
      const Field child(kv.first, path_.empty() ? key : path_ + "." + key, line_);
      if (std::ranges::find(known, key) == known.end())
        child.wrong("unknown field", fmt::format("known here are {}", fmt::join(known, ", ")));
      if (!seen.insert(key).second) child.wrong("given twice", "keep one of them");
    }
  }

  std::string text() const {
    if (!node_.IsScalar()) wrong("is not a text", "write one plain value");
    return node_.Scalar();
  }

  unsigned number(unsigned low, unsigned high) const {
    const std::string t = text();
    std::uint64_t value = 0;
    const bool digits =
        !t.empty() && t.size() < 11 && std::ranges::all_of(t, [](char c) { return c >= '0' && c <= '9'; });
    if (digits) value = std::stoull(t);
    if (!digits || value < low || value > high)
      wrong(fmt::format("\"{}\" is not a number from {} to {}", t, low, high), "write such a number");
    return static_cast<unsigned>(value);
  }

  Prefix prefix() const {
    const std::string t = text();
    const auto p = Prefix::parse(t);
    if (!p || t.find('/') == std::string::npos)
      wrong(fmt::format("\"{}\" is not a prefix", t), "write it as 10.1.0.0/16 or \"fd00:1::/48\" (quoted)");
    if (p->to_string().substr(0, p->to_string().find('/')) != Address::parse(t.substr(0, t.find('/')))->to_string())
      wrong(fmt::format("\"{}\" has host bits set", t), fmt::format("write {}", p->to_string()));
    return *p;
  }

  // One prefix a family, IPv4 first; `shortest`..`longest` bound the length in each.
  std::vector<Prefix> prefixes(unsigned longest_v4, unsigned longest_v6) const {
    std::vector<Prefix> out;
    for (const Field& item : items()) {
      const Prefix p = item.prefix();
      for (const Prefix& other : out)
        if (other.family() == p.family())
          item.wrong(fmt::format("{} is a second {} prefix", p.to_string(), p.family() == Family::v4 ? "IPv4" : "IPv6"),
                     "give at most one of each family");
      const unsigned longest = p.family() == Family::v4 ? longest_v4 : longest_v6;
      if (p.length() > longest)
        item.wrong(fmt::format("{} is too small", p.to_string()), fmt::format("use a length of at most {}", longest));
      out.push_back(p);
    }
    if (out.empty()) wrong("is empty", "give an IPv4 prefix, an IPv6 prefix, or one of each");
    std::ranges::sort(out, {}, [](const Prefix& p) { return p.family() == Family::v6; });
    return out;
  }

  std::map<std::string, std::string> labels() const {
    std::map<std::string, std::string> out;
    if (!node_.IsMap()) wrong("is not a map", "write it as {key: value}");
    for (const auto& kv : node_) out[kv.first.as<std::string>("")] = kv.second.as<std::string>("");
    return out;
  }

 private:
  YAML::Node node_;
  std::string path_;
  int line_ = 0;
};

std::vector<Prefix> parse_all(const std::vector<std::string>& texts) {
  std::vector<Prefix> out;
  for (const auto& t : texts) out.push_back(*Prefix::parse(t));
  return out;
}

std::string host_name(const Field& f) {
  const std::string name = f.text();
  const bool fits =
      !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
      std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!fits)
    f.wrong(fmt::format("\"{}\" cannot be a host name", name),
            "use at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit");
  return name;
}

std::vector<NodeSpec> read_nodes(const Field& f, const std::string& cluster) {
  std::vector<NodeSpec> out;
  if (!f.is_list()) {
    const unsigned count = f.number(1, 200);
    for (unsigned i = 1; i <= count; ++i) out.push_back({fmt::format("{}-node{}", cluster, i), "", {}});
    return out;
  }
  for (const Field& item : f.items()) {
    NodeSpec node;
    if (item.is_map()) {
      item.only({"name", "zone", "labels"});
      const Field name = item.at("name");
      if (!name) item.wrong("has no name", "add one, e.g. \"name: " + cluster + "-node1\"");
      node.name = host_name(name);
      if (const Field zone = item.at("zone"); zone) node.zone = zone.text();
      if (const Field labels = item.at("labels"); labels) node.labels = labels.labels();
    } else {
      node.name = host_name(item);
    }
    for (const NodeSpec& other : out)
      if (other.name == node.name)
        item.wrong(fmt::format("\"{}\" is there already", node.name), "give each node its own name");
    out.push_back(std::move(node));
  }
  if (out.empty()) f.wrong("is empty", "write a number of nodes or name at least one");
  if (out.size() > 200) f.wrong("has more than 200 nodes", "a segment has no addresses for more; use several clusters");
  return out;
}

std::vector<RouterSpec> read_routers(const Field& f) {
  std::vector<RouterSpec> out;
  for (const Field& item : f.items()) {
    RouterSpec router;
    item.only({"name", "bgp"});
    const Field name = item.at("name");
    if (!name) item.wrong("has no name", "add one, e.g. \"name: tor1\"");
    router.name = host_name(name);
    if (const Field bgp = item.at("bgp"); bgp) {
      bgp.only({"asn", "bfd"});
      const Field asn = bgp.at("asn");
      if (!asn) bgp.wrong("has no asn", "add the router's AS number, e.g. \"asn: 65000\"");
      router.asn = asn.number(1, 0xfffffffe);
      if (const Field bfd = bgp.at("bfd"); bfd) router.bfd = bfd.yes();
    }
    for (const RouterSpec& other : out)
      if (other.name == router.name)
        name.wrong(fmt::format("\"{}\" is there already", router.name), "give each router its own name");
    out.push_back(std::move(router));
  }
  if (out.empty()) f.wrong("is empty", "name at least one router, or leave the list out");
  if (out.size() > 4) f.wrong("has more than 4 routers", "use fewer: addresses below .10 are for them");
  return out;
}

// A node's address is .11 and up, so a segment must hold 10 + nodes hosts; node shares must fit the pod CIDR.
void check_sizes(const ClusterSpec& c, const Field& f) {
  for (const Prefix& p : c.segment)
    if (p.family() == Family::v4 && (1ull << (32 - p.length())) < c.nodes.size() + 12)
      f.at("segment").wrong(fmt::format("{} has no room for {} nodes", p.to_string(), c.nodes.size()),
                            "use a shorter length, e.g. /24");
  for (const Prefix& p : c.pod_cidrs) {
    const unsigned mask = p.family() == Family::v4 ? c.node_mask_v4 : c.node_mask_v6;
    const unsigned bits = mask > p.length() ? mask - p.length() : 0;
    if (mask < p.length() || (bits < 20 && (1ull << bits) < c.nodes.size()))
      f.at("podCIDRs")
          .wrong(fmt::format("{} cut into /{} a node does not reach for {} nodes", p.to_string(), mask, c.nodes.size()),
                 "use a larger pod CIDR or a longer nodeMask");
  }
}

std::string families(const std::vector<Prefix>& ps) {
  std::string out;
  for (const Prefix& p : ps) out += p.family() == Family::v4 ? "IPv4 " : "IPv6 ";
  if (!out.empty()) out.pop_back();
  return out;
}

ClusterSpec read_cluster(const Field& f, unsigned index) {
  f.only({"name", "id", "nodes", "routers", "segment", "podCIDRs", "serviceCIDRs", "nodeMaskV4", "nodeMaskV6"});
  ClusterSpec c;
  const Field name = f.at("name");
  if (!name) f.wrong("has no name", "add one, e.g. \"name: cluster1\"");
  c.name = host_name(name);
  if (c.name.size() > 32)
    name.wrong(fmt::format("\"{}\" is longer than 32 characters", c.name), "shorten it: the mesh takes no longer name");
  c.id = index;
  if (const Field id = f.at("id"); id) c.id = id.number(1, 511);
  const Field nodes = f.at("nodes");
  if (!nodes) f.wrong("has no nodes", "add a number, e.g. \"nodes: 3\"");
  c.nodes = read_nodes(nodes, c.name);
  c.routers = {{c.name + "-router"}};
  if (const Field routers = f.at("routers"); routers) c.routers = read_routers(routers);
  if (const Field m = f.at("nodeMaskV4"); m) c.node_mask_v4 = m.number(8, 30);
  if (const Field m = f.at("nodeMaskV6"); m) c.node_mask_v6 = m.number(16, 126);

  // What a cluster does not say follows from its id.
  const auto ranges = [&](const char* key, unsigned v4, unsigned v6, std::vector<std::string> fallback) {
    if (const Field given = f.at(key); given) return given.prefixes(v4, v6);
    if (c.id > 95) f.wrong(fmt::format("has no {}", key), "write it: there are no defaults for ids above 95");
    return parse_all(fallback);
  };
  c.segment = ranges("segment", 28, 120, {fmt::format("172.18.{}.0/24", c.id), fmt::format("fd00:18:{}::/64", c.id)});
  c.pod_cidrs = ranges("podCIDRs", 28, 124, {fmt::format("10.{}.0.0/16", c.id), fmt::format("fd00:{}::/48", c.id)});
  c.service_cidrs =
      ranges("serviceCIDRs", 28, 124, {fmt::format("10.{}.0.0/16", 95 + c.id), fmt::format("fd00:96:{}::/108", c.id)});
  for (const char* key : {"podCIDRs", "serviceCIDRs"}) {
    const auto& list = std::string_view(key) == "podCIDRs" ? c.pod_cidrs : c.service_cidrs;
    if (families(list) != families(c.segment))
      f.at(key).wrong(fmt::format("has {} but segment has {}", families(list), families(c.segment)),
                      "give every list of a cluster the same families");
  }
  check_sizes(c, f);
  return c;
}

// Every range in use, so that a new one can be refused with the name of what it meets.
class Ranges {
 public:
  void add(const std::vector<Prefix>& prefixes, const Field& where) {
    for (const Prefix& p : prefixes) {
      for (const auto& [other, owner] : used_)
        if (p.overlaps(other))
          where.wrong(fmt::format("{} overlaps {} of {}", p.to_string(), other.to_string(), owner),
                      "choose a range that is free");
      used_.emplace_back(p, where.path());
    }
  }

 private:
  std::vector<std::pair<Prefix, std::string>> used_;
};

void read_clusters(const Field& root, Topology& t, Ranges& ranges) {
  const Field list = root.at("clusters");
  if (!list) root.wrong("has no clusters", "add a list, e.g. \"clusters: [{name: cluster1, nodes: 3}]\"");
  std::set<std::string> hosts;
  for (const Field& item : list.items()) {
    ClusterSpec c = read_cluster(item, static_cast<unsigned>(t.clusters.size()) + 1);
    for (const ClusterSpec& other : t.clusters) {
      if (other.name == c.name)
        item.at("name").wrong(fmt::format("\"{}\" is there already", c.name), "give each cluster its own name");
      if (other.id == c.id)
        item.at("id").wrong(fmt::format("{} is the id of {} already", c.id, other.name),
                            "give each cluster its own id");
    }
    for (const NodeSpec& n : c.nodes)
      if (!hosts.insert(n.name).second)
        item.at("nodes").wrong(fmt::format("\"{}\" is a node of another cluster", n.name),
                               "give each node its own name");
    for (const RouterSpec& r : c.routers)
      if (!hosts.insert(r.name).second)
        item.at("routers").wrong(fmt::format("\"{}\" is the name of a node or router already", r.name),
                                 "give each router its own name");
    ranges.add(c.segment, item.at("segment"));
    ranges.add(c.pod_cidrs, item.at("podCIDRs"));
    ranges.add(c.service_cidrs, item.at("serviceCIDRs"));
    t.clusters.push_back(std::move(c));
  }
  if (t.clusters.empty()) list.wrong("is empty", "add at least one cluster");
  if (t.clusters.size() > 60)
    list.wrong("has more than 60 clusters", "use fewer: the fabric has no addresses for more");
}

void read_fabric(const Field& root, Topology& t, Ranges& ranges) {
  t.fabric = parse_all({"172.18.0.0/24", "fd00:18::/64"});
  const Field f = root.at("fabric");
  std::optional<Field> links;
  if (f) {
    f.only({"prefixes", "links"});
    if (const Field p = f.at("prefixes"); p) t.fabric = p.prefixes(24, 112);
    if (const Field l = f.at("links"); l) links = l;
  }
  ranges.add(t.fabric, f ? f.at("prefixes") : root.at("fabric"));
  if (!links) {
    for (std::size_t i = 0; i + 1 < t.clusters.size(); ++i)
      t.links.push_back({t.clusters[i].name, t.clusters[i + 1].name});
    return;
  }
  for (const Field& item : links->items()) {
    const auto ends = item.items();
    if (ends.size() != 2) item.wrong("does not name two ends", "write it as [cluster1, cluster2]");
    const LinkSpec link{ends[0].text(), ends[1].text()};
    for (const Field& end : ends)
      if (t.router(end.text()).second == nullptr)
        end.wrong(fmt::format("\"{}\" is no cluster or router of this topology", end.text()),
                  "name one of clusters, or one of their routers");
    const auto *a = t.router(link.a).second, *b = t.router(link.b).second;
    if (a == b) item.wrong(fmt::format("joins {} with itself", link.a), "name two");
    for (const LinkSpec& other : t.links) {
      const auto *c = t.router(other.a).second, *d = t.router(other.b).second;
      if ((a == c && b == d) || (a == d && b == c)) item.wrong("is there already", "keep one of them");
    }
    t.links.push_back(link);
  }
  if (t.links.size() > 60) links->wrong("has more than 60 links", "use fewer: the fabric has no addresses for more");
}

void read_clients(const Field& root, Topology& t, Ranges& ranges) {
  t.client_segment = parse_all({"172.18.9.0/24", "fd00:18:9::/64"});
  t.clients = {{"client"}};
  const Field f = root.at("clients");
  if (f) {
    f.only({"segment", "hosts"});
    if (const Field s = f.at("segment"); s) t.client_segment = s.prefixes(24, 112);
    if (const Field hosts = f.at("hosts"); hosts) {
      t.clients.clear();
      for (const Field& item : hosts.items()) {
        ClientSpec c{host_name(item)};
        for (const ClientSpec& other : t.clients)
          if (other.name == c.name)
            item.wrong(fmt::format("\"{}\" is there already", c.name), "give each host its own name");
        for (const ClusterSpec& cluster : t.clusters)
          for (const NodeSpec& n : cluster.nodes)
            if (n.name == c.name || cluster.name == c.name || t.router(c.name).second != nullptr)
              item.wrong(fmt::format("\"{}\" is the name of a node, router or cluster", c.name), "choose another name");
        t.clients.push_back(std::move(c));
      }
    }
  }
  ranges.add(t.client_segment, f ? f.at("segment") : root.at("clients"));
}

void read_images(const Field& root, Topology& t) {
  const Field list = root.at("images");
  if (!list) return;
  for (const Field& item : list.items()) {
    item.only({"image", "command"});
    const Field image = item.at("image"), command = item.at("command");
    if (!image) item.wrong("has no image", "name the image, without its tag");
    if (!command) item.wrong("has no command", "write it as [program, argument, …]");
    std::vector<std::string> argv;
    for (const Field& arg : command.items()) argv.push_back(arg.text());
    if (argv.empty()) command.wrong("is empty", "name a program");
    t.images[image.text()] = std::move(argv);
  }
}

}  // namespace

bool ClusterSpec::has(Family f) const {
  return std::ranges::any_of(segment, [&](const Prefix& p) { return p.family() == f; });
}

bool ClusterSpec::learns_pods() const {
  return std::ranges::all_of(routers, [](const RouterSpec& r) { return r.asn != 0; });
}

std::pair<const ClusterSpec*, const RouterSpec*> Topology::router(std::string_view end) const {
  for (const ClusterSpec& c : clusters) {
    if (c.name == end) return {&c, &c.routers.front()};
    for (const RouterSpec& r : c.routers)
      if (r.name == end) return {&c, &r};
  }
  return {nullptr, nullptr};
}

const ClusterSpec* Topology::cluster(std::string_view name) const {
  for (const ClusterSpec& c : clusters)
    if (c.name == name) return &c;
  return nullptr;
}

Result<Topology> parse_topology(const std::string& text, const std::string& file) {
  try {
    const Field root(YAML::Load(text), "", 1);
    if (!root) root.wrong("is empty", "begin with \"clusters:\"");
    root.only({"clusters", "fabric", "clients", "images"});
    Topology t;
    Ranges ranges;
    read_clusters(root, t, ranges);
    read_fabric(root, t, ranges);
    read_clients(root, t, ranges);
    read_images(root, t);
    return t;
  } catch (const Wrong& e) {
    return fail(Errc::invalid, fmt::format("{}:{}: {}", file, e.line, e.message));
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid, fmt::format("{}:{}: not YAML: {}; mend the syntax there", file, e.mark.line + 1, e.msg));
  }
}

}  // namespace weft::lab
