#include "lab/node/async_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <csignal>
#include <memory>

#include "lab/node/tuple_token.h"

namespace weft::lab {
namespace {

using asio::posix::stream_descriptor;

// Kills and reaps a child that is still there when its coroutine goes away.
struct Child {
  pid_t pid = 0;
  ~Child() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    wait_for(pid);
  }
  int reap() { return wait_for(std::exchange(pid, 0)); }
};

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) > 0;
}

}  // namespace

Task<Result<Output>> run_process(SpawnOptions o, std::string input, std::chrono::milliseconds limit) {
  auto executor = co_await asio::this_coro::executor;
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) co_return fail(errno_error("pipe", errno));
  Fd in_read(in[0]), in_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) co_return fail(errno_error("pipe", errno));
  Fd out_read(out[0]), out_write(out[1]);
  o.in = in_read.get();
  o.out = o.err = out_write.get();
  const auto pid = spawn(o);
  if (!pid) co_return fail(pid.error());
  Child child{*pid};
  in_read.reset();
  out_write.reset();
  // Inputs here are configurations of a few kilobytes: they fit into the pipe, so nobody waits for a reader.
  ::fcntl(in_write.get(), F_SETPIPE_SZ, 1 << 20);
  if (!input.empty()) {
    [[maybe_unused]] const auto n = ::write(in_write.get(), input.data(), input.size());
  }
  in_write.reset();

  stream_descriptor reader(executor, out_read.release());
  asio::steady_timer timer(executor, limit);
  bool late = false;
  timer.async_wait([&late, &reader](const boost::system::error_code& ec) {
    if (ec) return;
    late = true;
    boost::system::error_code ignored;
    reader.cancel(ignored);
  });
  Output result;
  std::array<char, 4096> buffer;
  for (;;) {
    auto [ec, n] = co_await reader.async_read_some(asio::buffer(buffer), kTuple);
    result.out.append(buffer.data(), n);
    if (late) break;
    if (ec == asio::error::operation_aborted) {
      timer.cancel();
      throw boost::system::system_error(ec);
    }
    if (ec) break;
  }
  timer.cancel();
  if (late) co_return fail(Errc::timeout, fmt::format("{}: did not finish within {} ms", o.argv[0], limit.count()));
  // Its output is closed; the end itself follows at once, unless it only closed its streams.
  const auto id = identify(child.pid);
  if (id) co_await process_end(*id);
  result.code = child.reap();
  co_return result;
}

Task<> process_end(ProcessId process) {
  auto executor = co_await asio::this_coro::executor;
  auto fd = open_process(process);
  if (!fd) co_return;
  stream_descriptor watcher(executor, fd->release());
  // Asio keeps its record of a closed descriptor for the next one: an event that was still queued for the old one ends
  // the wait of the new. Reads do not notice, a bare wait has to look.
  while (!readable(watcher.native_handle())) {
    auto [ec] = co_await watcher.async_wait(stream_descriptor::wait_read, kTuple);
    if (ec) throw boost::system::system_error(ec);
  }
}

}  // namespace weft::lab
