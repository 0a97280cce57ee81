#include "mesh/config_dir.h"

#include <fmt/format.h>
#include <sys/inotify.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"

namespace weft::mesh {

struct ConfigDir::Impl {
  Impl(asio::io_context& i, LocalCluster l, Options o, Tables t)
      : io(i), local(std::move(l)), options(std::move(o)), tables(t), changed(io), scope(io, "mesh config") {}

  struct Remote {
    std::unique_ptr<RemoteCluster> cluster;
    std::string hash;
  };
  Task<> scan(bool initial);
  bool gone(const RemoteFiles& now, const std::string& name);
  Task<> listen();

  asio::io_context& io;
  LocalCluster local;
  Options options;
  Tables tables;
  IdRegistry ids;
  std::map<std::string, Remote> remotes;
  std::map<std::string, std::string> in_doubt;  // file → why it is not known what it says now
  std::map<std::string, std::string> bad;       // file → hash of the content that could not be used
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

// Whether a file that was used is there no more. What cannot be looked at stays as it is, and the log says so once.
bool ConfigDir::Impl::gone(const RemoteFiles& now, const std::string& name) {
  const std::string why = now.files.contains(name) ? "" : now.doubt(name);
  if (why.empty()) {
    in_doubt.erase(name);
    return !now.files.contains(name);
  }
  if (in_doubt[name] != why)
    log::warn("remote cluster file cannot be read, the cluster stays as it is", {{"cluster", name}, {"error", why}});
  in_doubt[name] = why;
  return false;
}

Task<> ConfigDir::Impl::scan(bool initial) {
  (void)tables.pod_cidrs->index();
  const auto now = read_remote_files(options.path);
  for (auto it = remotes.begin(); it != remotes.end();) {
    if (!gone(now, it->first)) {
      ++it;
      continue;
    }
    log::info("remote cluster removed", {{"cluster", it->first}});
    co_await it->second.cluster->stop();
    it->second.cluster->withdraw();
    it = remotes.erase(it);
  }
  for (auto it = bad.begin(); it != bad.end();) {
    if (!gone(now, it->first)) {
      ++it;
      continue;
    }
    if (!remotes.contains(it->first)) tables.remotes.remove(it->first);
    it = bad.erase(it);
  }
  for (const auto& [name, file] : now.files) {
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
