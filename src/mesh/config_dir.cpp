#include "mesh/config_dir.h"

#include <fmt/format.h>
#include <sys/inotify.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "manifest/manifest.h"
#include "mesh/json_read.h"

namespace weft::mesh {
namespace fs = std::filesystem;

Result<kvstore::Options> parse_remote_config(const std::string& file, std::string_view yaml) {
  auto document = parse_yaml(yaml);
  if (!document) return std::unexpected(document.error().in(file));
  if (!document->is_object())
    return fail(Errc::invalid, fmt::format("{}: not a mapping of keys; write endpoints: and a list of URLs", file));
  const auto& o = document->get_object();
  kvstore::Options out;
  auto list = get_array(o, "endpoints");
  if (!list || !*list || (*list)->empty())
    return fail(Errc::invalid,
                fmt::format("{}: endpoints is not a list of URLs; write \"- https://host:2379\" under it", file));
  for (const auto& e : **list) {
    if (!e.is_string()) return fail(Errc::invalid, fmt::format("{}: endpoints has an entry that is not a URL", file));
    out.endpoints.emplace_back(e.get_string().data(), e.get_string().size());
  }
  const std::pair<const char*, std::string*> texts[] = {
      {"trusted-ca-file", &out.tls.ca},
      {"cert-file", &out.tls.cert},
      {"key-file", &out.tls.key},
      {"username", &out.username},
      {"password", &out.password},
      // Ours: endpoints that are node addresses, a certificate that has the cluster's name.
      {"server-name", &out.server_name_override}};
  for (const auto& [key, into] : texts) {
    auto text = get_text(o, key);
    if (!text) return std::unexpected(text.error().in(file));
    *into = std::move(*text);
  }
  return out;
}

struct ConfigDir::Impl {
  Impl(asio::io_context& i, LocalCluster l, Options o, Tables t)
      : io(i), local(std::move(l)), options(std::move(o)), tables(t), changed(io), scope(io, "mesh config") {}

  struct Remote {
    std::unique_ptr<RemoteCluster> cluster;
    std::string hash;
  };
  struct File {
    std::string text;
    std::string hash;
  };

  Task<> scan(bool initial);
  std::map<std::string, File> read() const;
  Task<> listen();

  asio::io_context& io;
  LocalCluster local;
  Options options;
  Tables tables;
  IdRegistry ids;
  std::map<std::string, Remote> remotes;
  std::map<std::string, std::string> bad;  // file → hash of the content that could not be used
  Notifier changed;
  Scope scope;
};

ConfigDir::ConfigDir(asio::io_context& io, LocalCluster local, Options options, Tables tables)
    : impl_(std::make_unique<Impl>(io, std::move(local), std::move(options), tables)) {}
ConfigDir::~ConfigDir() = default;

std::vector<std::string> ConfigDir::names() const {
  std::vector<std::string> out;
  for (const auto& [name, remote] : impl_->remotes) out.push_back(name);
  return out;
}

Task<> ConfigDir::run() {
  impl_->scope.spawn("inotify", impl_->listen());
  for (bool initial = true;; initial = false) {
    const auto seen = impl_->changed.version();
    co_await impl_->scan(initial);
    co_await impl_->changed.changed_since(seen, impl_->options.rescan);
  }
}

Task<> ConfigDir::stop() {
  co_await impl_->scope.stop();
  for (auto& [name, remote] : impl_->remotes) co_await remote.cluster->stop();
}

// The files that count. Certificates belong to a file's content: when they are renewed, the remote reconnects.
std::map<std::string, ConfigDir::Impl::File> ConfigDir::Impl::read() const {
  std::map<std::string, File> out;
  std::error_code ec;
  for (fs::directory_iterator it(options.path, ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().string();
    std::error_code stat_error;
    if (name.empty() || name[0] == '.' || !it->is_regular_file(stat_error) || it->file_size(stat_error) > (1 << 20))
      continue;
    auto text = read_file(it->path().string());
    if (!text || text->find("endpoints:") == std::string::npos) continue;
    std::string all = *text;
    if (const auto config = parse_remote_config(name, *text)) {
      for (const auto& path : {config->tls.ca, config->tls.cert, config->tls.key})
        if (!path.empty()) all += '\0' + read_file(path).value_or("");
    }
    out[name] = {std::move(*text), sha256(all)};
  }
  return out;
}

Task<> ConfigDir::Impl::scan(bool initial) {
  const auto files = read();
  for (auto it = remotes.begin(); it != remotes.end();) {
    if (files.contains(it->first)) {
      ++it;
      continue;
    }
    log::info("remote cluster removed", {{"cluster", it->first}});
    co_await it->second.cluster->stop();
    it->second.cluster->withdraw();
    it = remotes.erase(it);
  }
  for (auto it = bad.begin(); it != bad.end();) {
    if (files.contains(it->first)) {
      ++it;
      continue;
    }
    if (!remotes.contains(it->first)) tables.remotes.remove(it->first);
    it = bad.erase(it);
  }
  for (const auto& [name, file] : files) {
    const auto running = remotes.find(name);
    if (running != remotes.end() && running->second.hash == file.hash) continue;
    const auto store = parse_remote_config(options.path + "/" + name, file.text);
    if (!store) {
      if (bad[name] == file.hash) continue;
      bad[name] = file.hash;
      log::warn("remote cluster file not used", {{"error", store.error().message}});
      // A remote that runs goes on as it is.
      if (running == remotes.end()) {
        RemoteStatus status;
        status.name = name;
        status.refused = true;
        status.why = store.error().message;
        tables.remotes.upsert(std::move(status));
      }
      continue;
    }
    bad.erase(name);
    RemoteOptions wanted = options.remote;
    wanted.store = *store;
    if (running != remotes.end()) {
      log::info("remote cluster's configuration changed", {{"cluster", name}});
      co_await running->second.cluster->stop();
      running->second.cluster->set_options(std::move(wanted));
      running->second.hash = file.hash;
      running->second.cluster->start();
      continue;
    }
    log::info("remote cluster configured", {{"cluster", name}, {"endpoint", store->endpoints.front()}});
    auto cluster = std::make_unique<RemoteCluster>(io, local, name, std::move(wanted), tables, ids, initial);
    cluster->start();
    remotes[name] = {std::move(cluster), file.hash};
  }
}

Task<> ConfigDir::Impl::listen() {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) co_return;  // the regular rescan remains
  asio::posix::stream_descriptor stream(io, fd);
  int watch = -1;
  char buffer[4096];
  for (;;) {
    if (watch < 0) {
      watch =
          ::inotify_add_watch(fd, options.path.c_str(),
                              IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF);
      if (watch < 0) {
        co_await sleep_for(options.rescan);  // not there yet
        continue;
      }
      changed.notify();
    }
    auto [ec, n] = co_await stream.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (ec) throw boost::system::system_error(ec);
    for (std::size_t at = 0; at + sizeof(inotify_event) <= n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      if (event->mask & IN_IGNORED) watch = -1;
      at += sizeof(inotify_event) + event->len;
    }
    // Files come in groups (a secret's update, several keys): let the group finish.
    co_await sleep_for(std::chrono::milliseconds(50));
    changed.notify();
  }
}

}  // namespace weft::mesh
