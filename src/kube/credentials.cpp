#include "kube/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "base/encoding.h"
#include "base/fd.h"
#include "kube/json.h"

extern char** environ;

namespace weft::kube {

namespace json = boost::json;

namespace {

// Runs `argv` and gives its standard output; standard error and input stay the caller's, so that a plugin can ask.
Result<std::string> run_program(const std::vector<std::string>& argv, const std::vector<std::string>& extra_env) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error("pipe", errno));
  Fd reader(ends[0]), writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  std::vector<char*> args, env;
  for (const auto& a : argv) args.push_back(const_cast<char*>(a.c_str()));
  args.push_back(nullptr);
  for (char** e = environ; *e; ++e) env.push_back(*e);
  for (const auto& e : extra_env) env.push_back(const_cast<char*>(e.c_str()));
  env.push_back(nullptr);
  pid_t pid = 0;
  const int err = ::posix_spawnp(&pid, args[0], &actions, nullptr, args.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  if (err != 0) return fail(errno_error("running the credential plugin " + argv[0], err));
  writer.reset();
  std::string out;
  char buf[4096];
  for (;;) {
    const ssize_t n = ::read(reader.get(), buf, sizeof buf);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out.append(buf, static_cast<std::size_t>(n));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(Errc::unauthorized,
                "the credential plugin " + argv[0] + " failed with status " +
                    std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
  return out;
}

Task<Result<std::string>> run_program_task(std::vector<std::string> argv, std::vector<std::string> env) {
  co_return run_program(argv, env);
}

// RFC 7230 section 3.2.6: the characters of a token. '%' is one of them, but begins an encoded one here.
std::string in_header_name(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || (c != 0 && std::string_view("!#$&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos)) {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

}  // namespace

Result<ExecCredential> parse_exec_credential(const std::string& text) {
  boost::system::error_code ec;
  const auto doc = json::parse(text, ec);
  if (ec || !doc.is_object()) return fail(Errc::unauthorized, "the credential plugin's output is not a JSON object");
  const auto* status = doc.get_object().if_contains("status");
  if (!status || !status->is_object())
    return fail(Errc::unauthorized, "the credential plugin's output has no status: is it an ExecCredential?");
  const auto& o = status->get_object();
  ExecCredential c;
  c.token = text_at(o, "token");
  c.certificate = text_at(o, "clientCertificateData");
  c.key = text_at(o, "clientKeyData");
  if (const auto t = text_at(o, "expirationTimestamp"); !t.empty()) c.expires = parse_rfc3339(t);
  if (c.token.empty() && c.certificate.empty())
    return fail(Errc::unauthorized, "the credential plugin gave neither status.token nor status.clientCertificateData");
  return c;
}

std::vector<std::pair<std::string, std::string>> impersonation_headers(const Impersonation& who) {
  std::vector<std::pair<std::string, std::string>> out;
  if (who.user.empty()) return out;
  out.emplace_back("Impersonate-User", who.user);
  if (!who.uid.empty()) out.emplace_back("Impersonate-Uid", who.uid);
  for (const auto& g : who.groups) out.emplace_back("Impersonate-Group", g);
  for (const auto& [key, value] : who.extra) out.emplace_back("Impersonate-Extra-" + in_header_name(key), value);
  return out;
}

// A plugin may take seconds (a browser, a cloud API): it gets a thread, the loop goes on.
struct Credentials::Runner {
  asio::thread_pool pool{1};
};

Credentials::Credentials(asio::io_context&, Config config) : config_(std::move(config)) {
  if (!config_.exec_command.empty()) runner_ = std::make_unique<Runner>();
}
Credentials::~Credentials() = default;

Task<Result<std::string>> Credentials::authorization() {
  if (runner_) {
    if (!have_plugin_ || plugin_.expires - std::chrono::seconds(10) <= Wall::now()) {
      auto ran = co_await run_plugin();
      if (!ran) co_return fail(ran.error());
    }
    co_return plugin_.token.empty() ? std::string() : "Bearer " + plugin_.token;
  }
  if (!config_.token.empty()) {
    if (token_.empty() || (!config_.token.path.empty() && Steady::now() - token_read_ > std::chrono::minutes(1))) {
      auto t = config_.token.read();
      // A token that cannot be read right now (kubelet is replacing it) does not take away the one we have.
      if (t) {
        while (!t->empty() && (t->back() == '\n' || t->back() == ' ')) t->pop_back();
        token_ = *t;
      } else if (token_.empty()) {
        co_return fail(t.error().in("the bearer token"));
      }
      token_read_ = Steady::now();
    }
    co_return "Bearer " + token_;
  }
  if (!config_.username.empty()) co_return "Basic " + base64_encode(config_.username + ":" + config_.password);
  co_return std::string();
}

bool Credentials::refused() {
  if (runner_) return std::exchange(have_plugin_, false);
  if (config_.token.text.empty() && !config_.token.path.empty()) {
    const auto before = std::exchange(token_, {});
    auto t = config_.token.read();
    return t && t->find(before) != 0;
  }
  return false;
}

Task<Result<>> Credentials::run_plugin() {
  std::vector<std::string> env;
  for (const auto& [k, v] : config_.exec_env) env.push_back(k + "=" + v);
  const std::string version =
      config_.exec_api_version.empty() ? "client.authentication.k8s.io/v1" : config_.exec_api_version;
  env.push_back("KUBERNETES_EXEC_INFO={\"apiVersion\":\"" + version +
                "\",\"kind\":\"ExecCredential\",\"spec\":{\"interactive\":false}}");
  auto task = run_program_task(config_.exec_command, std::move(env));
  auto out = co_await asio::co_spawn(runner_->pool, std::move(task), asio::use_awaitable);
  if (!out) co_return fail(out.error());
  auto parsed = parse_exec_credential(*out);
  if (!parsed) co_return fail(parsed.error());
  plugin_ = std::move(*parsed);
  have_plugin_ = true;
  co_return Result<>{};
}

Result<std::string> Credentials::client_certificate() const {
  if (!plugin_.certificate.empty()) return plugin_.certificate;
  return config_.client_certificate.read();
}
Result<std::string> Credentials::client_key() const {
  if (!plugin_.key.empty()) return plugin_.key;
  return config_.client_key.read();
}

}  // namespace weft::kube
