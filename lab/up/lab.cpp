#include "lab/up/lab.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "lab/init/json.h"
#include "lab/sys/cgroup.h"

namespace weft::lab {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

constexpr const char* kRunRoot = "/run/weft-lab";

json::object to_json(const ProcessId& p) { return {{"pid", p.pid}, {"start", p.start}}; }
ProcessId process_id(const json::object& o) {
  return {static_cast<pid_t>(number(o, "pid")), static_cast<std::uint64_t>(number(o, "start"))};
}

}  // namespace

Result<LabPaths> lab_paths(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= 32 && name.front() != '-' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!fits)
    return fail(Errc::invalid,
                fmt::format("lab name \"{}\": use at most 32 of a-z, 0-9 and -, not beginning with -", name));
  const auto cgroup = cgroup2_mount();
  if (!cgroup) return fail(cgroup.error());
  return LabPaths{name, fmt::format("{}/{}", kRunRoot, name), fmt::format("{}/weft-lab/{}", *cgroup, name)};
}

Result<> save_record(const LabRecord& r) {
  json::object holders, ports;
  for (const auto& [name, id] : r.holders) holders[name] = to_json(id);
  for (const auto& [cluster, port] : r.api_ports) ports[cluster] = port;
  const json::object o = {
      {"name", r.paths.name}, {"bin", r.bin},         {"topology", r.topology_text},        {"holders", holders},
      {"api_ports", ports},   {"created", r.created}, {"supervisor", to_json(r.supervisor)}};
  return write_file(r.paths.record(), json::serialize(o));
}

std::vector<std::string> lab_names() {
  std::vector<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator it(kRunRoot, ec), end; !ec && it != end; it.increment(ec))
    if (it->is_directory(ec)) out.push_back(it->path().filename().string());
  std::ranges::sort(out);
  return out;
}

Result<LabRecord> load_record(const std::string& name) {
  auto paths = lab_paths(name);
  if (!paths) return fail(paths.error());
  const auto text_of = read_file(paths->record());
  if (!text_of) {
    const auto names = lab_names();
    if (std::ranges::find(names, name) != names.end())
      return fail(
          Errc::not_found,
          fmt::format("lab {}: was not built to its end; remove the rest with: weft lab down --name {}", name, name));
    return fail(Errc::not_found, fmt::format("lab {}: is not up; labs that are: {}; build it with: weft lab up{}", name,
                                             names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")),
                                             name == "default" ? "" : " --name " + name));
  }
  boost::system::error_code ec;
  const auto value = json::parse(*text_of, ec);
  if (ec || !value.is_object())
    return fail(Errc::internal, paths->record() + ": is not JSON; run weft lab down and up again");
  const auto& o = value.get_object();
  LabRecord r;
  r.paths = std::move(*paths);
  r.bin = text(o, "bin");
  r.topology_text = text(o, "topology");
  auto topology = parse_topology(r.topology_text, paths->record());
  if (!topology) return fail(topology.error());
  r.topology = std::move(*topology);
  for (const auto& kv : o.at("holders").as_object()) r.holders[kv.key()] = process_id(kv.value().as_object());
  for (const auto& kv : o.at("api_ports").as_object())
    r.api_ports[kv.key()] = static_cast<unsigned>(kv.value().as_int64());
  r.created = number(o, "created");
  r.supervisor = process_id(o.at("supervisor").as_object());
  return r;
}

std::vector<ProcessStatus> process_statuses(const LabPaths& paths) {
  std::vector<ProcessStatus> out;
  const auto content = read_file(paths.processes());
  if (!content) return out;
  boost::system::error_code ec;
  const auto value = json::parse(*content, ec);
  if (ec || !value.is_array()) return out;
  for (const auto& item : value.get_array()) {
    const auto& o = item.as_object();
    out.push_back({text(o, "name"), process_id(o), number(o, "restarts"), text(o, "lastEnd"), text(o, "log")});
  }
  return out;
}

}  // namespace weft::lab
