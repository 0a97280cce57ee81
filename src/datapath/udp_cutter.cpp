#include "datapath/udp_cutter.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <set>

#include "base/fd.h"
#include "base/log.h"
#include "datapath/socket_diag.h"

namespace weft {

struct UdpCutter::Impl {
  explicit Impl(const LbMaps& m) : maps(m) {}

  void run(const std::vector<GoneUdpBackend>& gone, const std::vector<std::string>& paths) {
    // Only sockets that were sent to the backend by this frontend: one that connected to a pod's own address by
    // itself is not ours to end.
    std::map<LbEndpoint, std::set<LbEndpoint>> frontends;  // by backend
    for (const GoneUdpBackend& g : gone) frontends[g.backend].insert(g.frontend);
    const auto doomed = [&](const UdpSocket& socket) {
      const auto it = frontends.find(socket.peer);
      if (it == frontends.end()) return false;
      const auto asked_for = maps.reverse(socket.cookie, socket.peer);
      return asked_for && it->second.contains(*asked_for);
    };
    std::set<std::pair<dev_t, ino_t>> seen;
    for (const std::string& path : paths) {
      const Fd netns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      struct stat st;
      if (!netns || fstat(netns.get(), &st) != 0 || !seen.insert({st.st_dev, st.st_ino}).second) continue;
      Result<std::size_t> count = 0;
      auto entered = in_network_namespace(netns.get(), [&] { count = destroy_udp_sockets(doomed); });
      if (!entered) count = fail(entered.error());
      if (!count) {
        log::warn("cannot cut off UDP sockets of deleted backends",
                  {{"netns", path}, {"error", count.error().message}});
      } else if (*count > 0) {
        destroyed += *count;
        log::info("cut off UDP sockets of deleted backends", {{"netns", path}, {"sockets", *count}});
      }
    }
  }

  const LbMaps& maps;
  std::atomic<std::uint64_t> destroyed = 0;
  // What waits for the thread (hence the mutex: this is its edge); bursts of changes are looked for together.
  std::mutex mutex;
  std::vector<GoneUdpBackend> waiting;
  asio::thread_pool pool{1};
};

UdpCutter::UdpCutter(const LbMaps& maps, Namespaces namespaces)
    : impl_(std::make_shared<Impl>(maps)), namespaces_(std::move(namespaces)) {}

UdpCutter::~UdpCutter() { impl_->pool.join(); }

void UdpCutter::cut(std::vector<GoneUdpBackend> gone) {
  if (gone.empty()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    const bool idle = impl_->waiting.empty();
    impl_->waiting.insert(impl_->waiting.end(), gone.begin(), gone.end());
    if (!idle) return;  // the run that is about to start takes these too
  }
  asio::post(impl_->pool, [impl = impl_.get(), paths = namespaces_()] {
    std::vector<GoneUdpBackend> batch;
    {
      const std::lock_guard lock(impl->mutex);
      batch.swap(impl->waiting);
    }
    impl->run(batch, paths);
  });
}

std::uint64_t UdpCutter::destroyed() const { return impl_->destroyed; }

}  // namespace weft
