#include "pods/store.h"

#include <boost/json.hpp>

#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

namespace weft::pods {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr int kVersion = 1;

Result<std::string> required_text(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (v == nullptr || !v->is_string())
    return fail(Errc::invalid, "field " + std::string(key) + ": missing or not a string");
  return std::string(v->get_string());
}

std::uint64_t number(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_number() ? v->to_number<std::uint64_t>() : 0;
}

}  // namespace

std::string to_json_text(const StoredPod& s) {
  json::array ips;
  for (const auto& ip : s.pod.ips) ips.emplace_back(ip.to_string());
  return json::serialize(json::object{{"version", kVersion},
                                      {"containerId", s.pod.container_id},
                                      {"ifname", s.pod.pod_ifname},
                                      {"podNamespace", s.pod.pod.ns},
                                      {"podName", s.pod.pod.name},
                                      {"podUid", s.pod.uid},
                                      {"ips", std::move(ips)},
                                      {"netns", s.pod.netns},
                                      {"netnsId", s.netns_id},
                                      {"hostIfname", s.pod.host_ifname},
                                      {"hostMac", s.pod.host_mac.to_string()},
                                      {"podMac", s.pod.pod_mac.to_string()},
                                      {"mtu", s.pod.mtu}}) +
         "\n";
}

Result<StoredPod> parse_stored_pod(const std::string& content) try {
  boost::system::error_code ec;
  const json::value v = json::parse(content, ec);
  if (ec || !v.is_object()) return fail(Errc::invalid, "not a JSON object");
  const auto& o = v.get_object();
  if (number(o, "version") != kVersion)
    return fail(Errc::unsupported, "field version: " + std::to_string(number(o, "version")) + ", this agent reads 1");
  StoredPod s;
  const std::pair<const char*, std::string*> fields[] = {
      {"containerId", &s.pod.container_id}, {"ifname", &s.pod.pod_ifname}, {"podNamespace", &s.pod.pod.ns},
      {"podName", &s.pod.pod.name},         {"podUid", &s.pod.uid},        {"netns", &s.pod.netns},
      {"hostIfname", &s.pod.host_ifname}};
  for (const auto& [key, where] : fields) {
    auto t = required_text(o, key);
    if (!t) return fail(std::move(t).error());
    *where = std::move(*t);
  }
  if (s.pod.container_id.empty() || s.pod.pod_ifname.empty() || s.pod.host_ifname.empty())
    return fail(Errc::invalid, "fields containerId, ifname and hostIfname must not be empty");
  for (const auto& [key, where] : {std::pair{"hostMac", &s.pod.host_mac}, std::pair{"podMac", &s.pod.pod_mac}}) {
    auto t = required_text(o, key);
    if (!t) return fail(std::move(t).error());
    auto mac = Mac::parse(*t);
    if (!mac) return fail(mac.error().in(key));
    *where = *mac;
  }
  const auto* ips = o.if_contains("ips");
  if (ips == nullptr || !ips->is_array() || ips->get_array().empty())
    return fail(Errc::invalid, "field ips: missing or empty");
  for (const auto& ip : ips->get_array()) {
    if (!ip.is_string()) return fail(Errc::invalid, "field ips: holds something that is not a string");
    auto a = Address::parse(ip.get_string());
    if (!a) return fail(a.error().in("field ips"));
    s.pod.ips.push_back(*a);
  }
  s.netns_id = number(o, "netnsId");
  s.pod.mtu = static_cast<unsigned>(number(o, "mtu"));
  return s;
} catch (const std::exception& e) {  // a number that does not fit
  return fail(Errc::invalid, e.what());
}

Result<> EndpointStore::prepare() {
  std::error_code ec;
  fs::create_directories(dir_, ec);
  if (ec)
    return fail(Errc::internal,
                "state directory " + dir_ + ": " + ec.message() + "; the agent must be able to write there");
  return {};
}

std::vector<StoredPod> EndpointStore::load() const {
  std::vector<StoredPod> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(dir_, ec)) {
    if (entry.path().extension() != ".json") continue;
    auto content = read_file(entry.path());
    Result<StoredPod> pod = content ? parse_stored_pod(*content) : fail(content.error());
    if (pod) {
      out.push_back(std::move(*pod));
    } else {
      log::warn("endpoint file is not readable and is left alone",
                {{"file", entry.path().string()}, {"error", pod.error().message}});
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.pod.key() < b.pod.key(); });
  return out;
}

Result<> EndpointStore::save(const StoredPod& s) const { return write_file(path(s.pod.key()), to_json_text(s), 0600); }

void EndpointStore::erase(const LocalPod::Key& key) const {
  std::error_code ec;
  fs::remove(path(key), ec);
}

std::string EndpointStore::path(const LocalPod::Key& key) const {
  return dir_ + "/" + hex_encode(sha256(key)).substr(0, 32) + ".json";
}

}  // namespace weft::pods
