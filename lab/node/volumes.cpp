#include "lab/node/volumes.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>

#include "base/file.h"

namespace weft::lab {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
namespace {

constexpr std::int64_t kTokenSeconds = 3607;

// Files out of an object's data: all keys, or those that `items` names.
Result<> take(const json::object& source, const char* kind, const std::string& name, const RefData& refs, bool secret,
              unsigned mode, VolumeFiles& out) {
  const auto data = refs(secret, name);
  const bool optional = boolean(source, "/optional");
  if (!data) {
    if (optional) return {};
    return fail(Errc::not_found, fmt::format("{} \"{}\" not found", kind, name));
  }
  const auto& items = list(source, "/items");
  if (items.empty()) {
    for (const auto& [key, value] : *data) out[key] = {value, mode};
    return {};
  }
  for (const auto& v : items) {
    if (!v.is_object()) continue;
    const auto& item = v.get_object();
    const std::string key = str(item, "/key"), path = str(item, "/path");
    if (path.empty() || path.starts_with("/") || path.find("..") != std::string::npos)
      return fail(Errc::invalid,
                  fmt::format("{} \"{}\": items path \"{}\": must be relative, without ..", kind, name, path));
    const auto it = data->find(key);
    if (it == data->end()) {
      if (optional) continue;
      return fail(Errc::not_found, fmt::format("{} \"{}\": references non-existent key: {}", kind, name, key));
    }
    out[path] = {it->second, static_cast<unsigned>(integer(item, "/mode", mode))};
  }
  return {};
}

Result<> take_downward(const Pod& pod, const json::object& source, const DownwardStatus& status, unsigned mode,
                       VolumeFiles& out) {
  for (const auto& v : list(source, "/items")) {
    if (!v.is_object()) continue;
    const auto& item = v.get_object();
    const std::string field = str(item, "/fieldRef/fieldPath");
    if (field.empty()) {
      out[str(item, "/path")] = {"0", mode};  // resources: the lab sets no limits
      continue;
    }
    const auto value = downward_field(pod, status, field);
    if (!value) return fail(value.error());
    out[str(item, "/path")] = {*value, static_cast<unsigned>(integer(item, "/mode", mode))};
  }
  return {};
}

}  // namespace

Result<VolumeFiles> volume_files(const Pod& pod, const json::object& volume, const VolumeInputs& in) {
  VolumeFiles out;
  Result<> r;
  if (find(volume, "/configMap") != nullptr) {
    const auto& s = object(volume, "/configMap");
    r = take(s, "configmap", str(s, "/name"), in.refs, false, static_cast<unsigned>(integer(s, "/defaultMode", 0644)),
             out);
  } else if (find(volume, "/secret") != nullptr) {
    const auto& s = object(volume, "/secret");
    r = take(s, "secret", str(s, "/secretName"), in.refs, true, static_cast<unsigned>(integer(s, "/defaultMode", 0644)),
             out);
  } else if (find(volume, "/downwardAPI") != nullptr) {
    const auto& s = object(volume, "/downwardAPI");
    r = take_downward(pod, s, in.status, static_cast<unsigned>(integer(s, "/defaultMode", 0644)), out);
  } else if (find(volume, "/projected") != nullptr) {
    const auto& p = object(volume, "/projected");
    const auto mode = static_cast<unsigned>(integer(p, "/defaultMode", 0644));
    for (const auto& v : list(p, "/sources")) {
      if (!v.is_object() || !r) continue;
      const auto& s = v.get_object();
      if (find(s, "/configMap") != nullptr)
        r = take(object(s, "/configMap"), "configmap", str(s, "/configMap/name"), in.refs, false, mode, out);
      if (r && find(s, "/secret") != nullptr)
        r = take(object(s, "/secret"), "secret", str(s, "/secret/name"), in.refs, true, mode, out);
      if (r && find(s, "/downwardAPI") != nullptr)
        r = take_downward(pod, object(s, "/downwardAPI"), in.status, mode, out);
      if (r && find(s, "/serviceAccountToken") != nullptr) {
        const auto token = in.token(str(s, "/serviceAccountToken/audience"),
                                    integer(s, "/serviceAccountToken/expirationSeconds", kTokenSeconds));
        if (!token) {
          r = fail(token.error());
        } else {
          out[str(s, "/serviceAccountToken/path", "token")] = {*token, mode};
        }
      }
    }
  }
  if (!r) return fail(r.error().in(fmt::format("volume \"{}\"", str(volume, "/name"))));
  return out;
}

std::vector<Ref> volume_refs(const Pod& pod) {
  std::set<Ref> out;
  const auto add = [&](const json::object& o, const char* config_map, const char* secret) {
    if (const auto name = str(o, config_map); !name.empty()) out.insert({false, name});
    if (const auto name = str(o, secret); !name.empty()) out.insert({true, name});
  };
  for (const auto& v : pod.volumes) {
    if (!v.is_object()) continue;
    add(v.get_object(), "/configMap/name", "/secret/secretName");
    for (const auto& s : list(v.get_object(), "/projected/sources"))
      if (s.is_object()) add(s.get_object(), "/configMap/name", "/secret/name");
  }
  return {out.begin(), out.end()};
}

Result<> write_volume(const std::string& folder, const VolumeFiles& files) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  const std::string old = fs::read_symlink(folder + "/..data", ec).string();
  const std::string fresh =
      fmt::format("..{}", std::chrono::duration_cast<std::chrono::nanoseconds>(Wall::now().time_since_epoch()).count());
  fs::create_directory(folder + "/" + fresh, ec);
  if (ec) return fail(Errc::internal, fmt::format("folder {}: {}", folder, ec.message()));
  std::set<std::string> tops;
  for (const auto& [path, file] : files) {
    const std::string full = folder + "/" + fresh + "/" + path;
    fs::create_directories(fs::path(full).parent_path(), ec);
    WEFT_TRY(write_file(full, file.content, file.mode));
    tops.insert(path.substr(0, path.find('/')));
  }
  fs::create_directory_symlink(fresh, folder + "/..data_tmp", ec);
  if (ec) return fail(Errc::internal, fmt::format("link {}/..data_tmp: {}", folder, ec.message()));
  fs::rename(folder + "/..data_tmp", folder + "/..data", ec);
  if (ec) return fail(Errc::internal, fmt::format("link {}/..data: {}", folder, ec.message()));
  for (const auto& top : tops)
    if (!fs::is_symlink(folder + "/" + top)) fs::create_symlink("..data/" + top, folder + "/" + top, ec);
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("..") && !tops.contains(name)) fs::remove(it->path(), ec);
  }
  if (!old.empty()) fs::remove_all(folder + "/" + old, ec);
  return {};
}

PodVolumes::PodVolumes(kube::Client& client, Objects& objects, std::string folder)
    : client_(client), objects_(objects), folder_(std::move(folder)), poke_(client.io()) {}

std::string PodVolumes::source(const std::string& volume) const {
  const auto it = sources_.find(volume);
  return it == sources_.end() ? "" : it->second;
}

void PodVolumes::update(const Pod& pod) {
  pod_ = pod;
  poke_.notify();
}

void PodVolumes::remove() {
  std::error_code ec;
  fs::remove_all(folder_, ec);
}

// emptyDir and hostPath: nothing in them is ours.
Result<> PodVolumes::make_plain(const json::object& volume) {
  const std::string name = str(volume, "/name");
  std::error_code ec;
  if (find(volume, "/hostPath") != nullptr) {
    const std::string path = str(volume, "/hostPath/path"), type = str(volume, "/hostPath/type");
    if (!path.starts_with("/"))
      return fail(Errc::invalid, fmt::format("volume \"{}\": hostPath \"{}\": must begin with /", name, path));
    const bool there = fs::exists(path, ec);
    if (type == "FileOrCreate" && !there) {
      fs::create_directories(fs::path(path).parent_path(), ec);
      WEFT_TRY(write_file(path, ""));
    } else if ((type.empty() || type == "DirectoryOrCreate") && !there) {
      fs::create_directories(path, ec);
    } else if (!there) {
      return fail(Errc::not_found,
                  fmt::format("volume \"{}\": hostPath type check failed: {} is not a {}", name, path, type));
    }
    sources_[name] = path;
    return {};
  }
  const std::string folder = folder_ + "/" + name;
  fs::create_directories(folder, ec);
  if (ec) return fail(Errc::internal, fmt::format("folder {}: {}", folder, ec.message()));
  if (find(volume, "/emptyDir") != nullptr) ::chmod(folder.c_str(), 0777);
  sources_[name] = folder;
  return {};
}

Task<Result<>> PodVolumes::fetch_tokens() {
  // Which tokens are wanted shows when the files are computed; asking is asynchronous, so it comes first.
  std::vector<std::pair<std::string, std::int64_t>> wanted;
  for (const auto& v : pod_.volumes) {
    if (!v.is_object()) continue;
    for (const auto& s : list(v.get_object(), "/projected/sources"))
      if (s.is_object() && find(s.get_object(), "/serviceAccountToken") != nullptr)
        wanted.emplace_back(str(s.get_object(), "/serviceAccountToken/audience"),
                            integer(s.get_object(), "/serviceAccountToken/expirationSeconds", kTokenSeconds));
  }
  for (const auto& key : wanted) {
    if (const auto it = tokens_.find(key); it != tokens_.end() && Steady::now() < it->second.renew) continue;
    json::object spec = {
        {"expirationSeconds", key.second},
        {"boundObjectRef", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", pod_.name.name}, {"uid", pod_.uid}}}};
    spec["audiences"] = key.first.empty() ? json::array{} : json::array{json::string(key.first)};
    const std::string body = json::serialize(
        json::object{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", spec}});
    const std::string target =
        fmt::format("/api/v1/namespaces/{}/serviceaccounts/{}/token", pod_.name.ns, pod_.service_account);
    auto answer = co_await client_.request_json("POST", target, body);
    if (!answer) {
      // An old token is better than none until it really ends.
      if (tokens_.contains(key)) continue;
      co_return fail(answer.error().in("service account token"));
    }
    tokens_[key] = {str(*answer, "/status/token"), Steady::now() + std::chrono::seconds(key.second * 8 / 10)};
  }
  co_return Result<>{};
}

Task<Result<>> PodVolumes::write_all() {
  auto tokens = co_await fetch_tokens();
  if (!tokens) co_return fail(tokens.error());
  VolumeInputs in;
  in.status = status_;
  in.refs = [this](bool secret, const std::string& name) -> std::optional<std::map<std::string, std::string>> {
    const auto it = objects_of_.find({secret, name});
    return it == objects_of_.end() ? std::nullopt : it->second->data();
  };
  in.token = [this](const std::string& audience, std::int64_t seconds) -> Result<std::string> {
    const auto it = tokens_.find({audience, seconds});
    if (it == tokens_.end()) return fail(Errc::not_found, "no token yet");
    return it->second.text;
  };
  for (const auto& v : pod_.volumes) {
    if (!v.is_object()) continue;
    const auto& volume = v.get_object();
    const bool made = find(volume, "/configMap") != nullptr || find(volume, "/secret") != nullptr ||
                      find(volume, "/projected") != nullptr || find(volume, "/downwardAPI") != nullptr;
    if (!made) continue;
    const std::string name = str(volume, "/name");
    const auto files = volume_files(pod_, volume, in);
    if (!files) co_return fail(files.error());
    if (const auto it = written_.find(name); it != written_.end() && it->second == *files) continue;
    if (const auto r = write_volume(folder_ + "/" + name, *files); !r) co_return fail(r.error());
    written_[name] = *files;
  }
  co_return Result<>{};
}

Task<Result<>> PodVolumes::prepare(Pod pod, DownwardStatus status) {
  pod_ = std::move(pod);
  status_ = std::move(status);
  for (const auto& v : pod_.volumes) {
    if (!v.is_object()) continue;
    const auto& o = v.get_object();
    if (find(o, "/persistentVolumeClaim") != nullptr || find(o, "/csi") != nullptr || find(o, "/nfs") != nullptr)
      co_return fail(
          Errc::unsupported,
          fmt::format("volume \"{}\": the lab offers emptyDir, configMap, secret, projected, downwardAPI and hostPath",
                      str(o, "/name")));
    if (const auto r = make_plain(o); !r) co_return fail(r.error());
  }
  for (const Ref& ref : volume_refs(pod_)) {
    auto& slot = objects_of_[ref];
    if (!slot) slot = objects_.watch(ref.secret, {pod_.name.ns, ref.name});
    const bool known = co_await slot->wait_known(5s);
    if (!known)
      co_return fail(Errc::unavailable, fmt::format("{} \"{}\": the API server has not answered yet",
                                                    ref.secret ? "secret" : "configmap", ref.name));
  }
  auto r = co_await write_all();
  co_return r;
}

Task<> PodVolumes::keep() {
  // Any of several notifiers may wake us; they are few, so each is looked at in short turns.
  std::map<Ref, std::uint64_t> seen;
  auto poked = poke_.version();
  for (;;) {
    bool woken = poke_.version() != poked;
    poked = poke_.version();
    for (const auto& [ref, object] : objects_of_) {
      const auto v = object->changed().version();
      woken = woken || seen[ref] != v;
      seen[ref] = v;
    }
    for (const auto& [key, token] : tokens_) woken = woken || Steady::now() >= token.renew;
    if (woken) {
      auto r = co_await write_all();
      if (!r)
        log::warn("volume not updated, its last good state stays",
                  {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
    }
    co_await sleep_for(500ms);
  }
}

}  // namespace weft::lab
