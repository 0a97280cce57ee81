#include "lab/node/cni.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "lab/node/async_process.h"

namespace weft::lab {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

Result<CniNetwork> parse_cni(const std::string& text, const std::string& file) {
  boost::system::error_code ec;
  const auto value = json::parse(text, ec);
  if (ec || !value.is_object())
    return fail(Errc::invalid, fmt::format("{}: is not a JSON object; write a CNI network configuration list", file));
  const auto& o = value.get_object();
  CniNetwork n;
  n.name = str(o, "/name");
  n.version = str(o, "/cniVersion", "1.0.0");
  if (n.name.empty()) return fail(Errc::invalid, fmt::format("{}: name: is missing; every network has one", file));
  if (find(o, "/plugins") != nullptr) {
    for (const auto& p : list(o, "/plugins"))
      if (p.is_object()) n.plugins.push_back(p.get_object());
  } else {
    n.plugins.push_back(o);
  }
  if (n.plugins.empty()) return fail(Errc::invalid, fmt::format("{}: plugins: is empty; name at least one", file));
  for (const auto& p : n.plugins) {
    const std::string type = str(p, "/type");
    if (type.empty() || type.find('/') != std::string::npos)
      return fail(Errc::invalid,
                  fmt::format("{}: plugins: type \"{}\": must be the file name of a plugin", file, type));
  }
  return n;
}

Result<CniNetwork> load_cni(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code ec;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    const auto ext = it->path().extension();
    if (ext == ".conflist" || ext == ".conf" || ext == ".json") files.push_back(it->path());
  }
  if (files.empty())
    return fail(Errc::not_found, fmt::format("no network configuration in {}; install a CNI (weft install)", folder));
  std::ranges::sort(files);
  const auto text = read_file(files.front().string());
  if (!text) return fail(text.error());
  return parse_cni(*text, files.front().string());
}

std::string plugin_input(const CniNetwork& n, std::size_t plugin, const json::object* previous) {
  json::object o = n.plugins[plugin];
  o["name"] = n.name;
  o["cniVersion"] = n.version;
  if (previous != nullptr && !previous->empty()) o["prevResult"] = *previous;
  return json::serialize(o);
}

std::vector<std::string> result_addresses(const json::object& result) {
  std::vector<std::string> out;
  for (const auto& item : list(result, "/ips")) {
    if (!item.is_object()) continue;
    const std::string address = str(item.get_object(), "/address");
    out.push_back(address.substr(0, address.find('/')));
  }
  return out;
}

Task<Result<json::object>> Cni::call(const CniNetwork& n, std::size_t plugin, std::string command,
                                     const CniAttachment& a, const json::object* previous) {
  const std::string type = str(n.plugins[plugin], "/type");
  SpawnOptions o;
  o.argv = {type};
  o.env = {
      "PATH=" + path + ":/usr/sbin:/usr/bin:/sbin:/bin",
      "CNI_COMMAND=" + command,
      "CNI_CONTAINERID=" + a.container_id,
      "CNI_NETNS=" + a.netns,
      "CNI_IFNAME=" + a.interface,
      "CNI_PATH=" + path,
      fmt::format(
          "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={};K8S_POD_UID={}",
          a.pod_ns, a.pod_name, a.container_id, a.pod_uid)};
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find(':', at), path.size());
    const std::string candidate = path.substr(at, end - at) + "/" + type;
    if (fs::exists(candidate)) {
      o.argv = {candidate};
      break;
    }
    at = end + 1;
  }
  if (o.argv[0] == type)
    co_return fail(Errc::not_found, fmt::format("failed to find plugin \"{}\" in path [{}]", type, path));
  std::string input = plugin_input(n, plugin, previous);
  auto r = co_await run_process(std::move(o), std::move(input), 90s);
  if (!r) co_return fail(r.error());
  // Log lines may surround the JSON object.
  const auto begin = r->out.find('{'), end = r->out.rfind('}');
  boost::system::error_code ec;
  json::value value;
  if (begin != std::string::npos && end != std::string::npos && end > begin)
    value = json::parse(std::string_view(r->out).substr(begin, end - begin + 1), ec);
  const json::object answer = !ec && value.is_object() ? value.get_object() : json::object{};
  if (r->code == 0) co_return answer;
  std::string why = str(answer, "/msg");
  if (const std::string details = str(answer, "/details"); !details.empty()) why += "; " + details;
  if (why.empty()) why = r->out.empty() ? fmt::format("exit code {}", r->code) : r->out.substr(0, 1024);
  co_return fail(Errc::unavailable,
                 fmt::format("plugin type=\"{}\" failed ({}): {}", type, command == "ADD" ? "add" : "delete", why));
}

Task<Result<json::object>> Cni::add(CniNetwork n, CniAttachment a) {
  json::object result;
  for (std::size_t i = 0; i < n.plugins.size(); ++i) {
    std::string command = "ADD";
    auto r = co_await call(n, i, std::move(command), a, i == 0 ? nullptr : &result);
    if (!r) {
      const Error error = r.error();
      json::object none;
      auto undone = co_await remove(n, a, std::move(none));
      co_return fail(error);
    }
    result = std::move(*r);
  }
  co_return result;
}

Task<Result<>> Cni::remove(CniNetwork n, CniAttachment a, json::object result) {
  Result<> first;
  for (std::size_t i = n.plugins.size(); i-- > 0;) {
    std::string command = "DEL";
    auto r = co_await call(n, i, std::move(command), a, &result);
    if (!r && first) first = fail(r.error());
  }
  co_return first;
}

}  // namespace weft::lab
