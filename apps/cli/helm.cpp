#include "apps/cli/helm.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "apps/cli/process.h"
#include "base/file.h"

namespace weft::cli {

namespace fs = std::filesystem;

namespace {

fs::path own_folder() {
  std::error_code ec;
  const auto self = fs::read_symlink("/proc/self/exe", ec);
  return ec ? fs::path() : self.parent_path();
}

bool executable(const fs::path& p) { return fs::is_regular_file(p) && ::access(p.c_str(), X_OK) == 0; }

/// The source tree we were built in: the nearest folder above with both a chart and a src.
std::optional<fs::path> source_tree() {
  for (fs::path p = own_folder(); !p.empty() && p != p.root_path(); p = p.parent_path())
    if (fs::exists(p / "charts/weft/Chart.yaml") && fs::is_directory(p / "src")) return p;
  return std::nullopt;
}

/// Empty: it is nowhere.
Result<std::string> find_tool(const std::string& name, const char* variable) {
  if (const char* given = std::getenv(variable); given && *given) {
    if (executable(given)) return std::string(given);
    return fail(Errc::not_found, fmt::format("${} {}: not an executable file", variable, given));
  }
  if (const auto beside = own_folder() / name; executable(beside)) return beside.string();
  if (const auto tree = source_tree(); tree && executable(*tree / ".cache/tools/bin" / name))
    return (*tree / ".cache/tools/bin" / name).string();
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path ? path : ""; !rest.empty();) {
    const auto colon = rest.find(':');
    const auto folder = rest.substr(0, colon);
    if (!folder.empty() && executable(fs::path(folder) / name)) return (fs::path(folder) / name).string();
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return std::string();
}

/// A values file that is gone when its user is done. Values may hold keys, so nobody else may read it.
class TempFile {
 public:
  static Result<TempFile> make(const std::string& content) {
    std::string name = (fs::temp_directory_path() / "weft-values-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    if (fd < 0) return fail(errno_error("making a temporary file in " + fs::temp_directory_path().string(), errno));
    ::close(fd);
    TempFile f;
    f.path_ = name;
    WEFT_TRY(write_file(name, content, 0600));
    return f;
  }
  TempFile(TempFile&& o) noexcept : path_(std::exchange(o.path_, {})) {}
  TempFile& operator=(TempFile&&) = delete;
  ~TempFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  TempFile() = default;
  std::string path_;
};

Result<json::value> parse(const std::string& text, const char* what) {
  json::error_code ec;
  auto v = json::parse(text, ec);
  if (ec) return fail(Errc::internal, fmt::format("{}: the answer is not JSON: {}", what, ec.message()));
  return v;
}

std::string text_of(const json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->as_string()) : std::string();
}

}  // namespace

Result<std::string> find_helm() {
  if (auto found = find_tool("helm", "WEFT_HELM"); !found || !found->empty()) return found;
  return fail(Errc::not_found,
              "helm: not found beside this program nor in PATH; install Helm 3.14 or later, or name it in $WEFT_HELM");
}

Result<std::string> find_kubectl() {
  if (auto found = find_tool("kubectl", "WEFT_KUBECTL"); !found || !found->empty()) return found;
  return fail(Errc::not_found,
              "kubectl: not found beside this program nor in PATH; it reaches the agents' pods: install it, or name it "
              "in $WEFT_KUBECTL");
}

Result<std::string> find_chart(const std::string& given) {
  const auto is_chart = [](const fs::path& p) { return fs::exists(p / "Chart.yaml"); };
  if (!given.empty()) {
    if (is_chart(given)) return given;
    return fail(Errc::not_found, fmt::format("--chart-directory {}: no Chart.yaml there", given));
  }
  if (const char* env = std::getenv("WEFT_CHART"); env && *env) {
    if (is_chart(env)) return std::string(env);
    return fail(Errc::not_found, fmt::format("$WEFT_CHART {}: no Chart.yaml there", env));
  }
  if (const auto shared = own_folder() / "../share/weft/chart"; is_chart(shared))
    return shared.lexically_normal().string();
  if (const auto tree = source_tree()) return (*tree / "charts/weft").string();
  if (is_chart("/usr/share/weft/chart")) return std::string("/usr/share/weft/chart");
  return fail(Errc::not_found, "the chart: not found in ../share/weft/chart; name its folder with --chart-directory");
}

std::string helm_complaint(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(at, end - at);
    at = end + 1;
    line.erase(0, std::min(line.find_first_not_of(" \t*"), line.size()));
    if (line.empty() || line.find("warning:") != std::string::npos || line.starts_with("WARNING:") ||
        line.starts_with("W1") || line.starts_with("W0") || line.starts_with("Use --debug"))
      continue;
    if (line.starts_with("Error: ")) line.erase(0, 7);
    // The chart's own refusals come wrapped in the template's call chain; what matters is at the end.
    if (const auto call = line.rfind("error calling fail: "); call != std::string::npos) line.erase(0, call + 20);
    if (!out.empty()) out += out.ends_with(':') ? " " : "; ";
    out += line;
  }
  return out;
}

Result<std::string> Helm::run(std::vector<std::string> arguments) const {
  std::vector<std::string> argv{program_};
  for (auto& a : arguments) argv.push_back(std::move(a));
  argv.insert(argv.end(), {"--namespace", target_.ns});
  if (!target_.context.empty()) argv.insert(argv.end(), {"--kube-context", target_.context});
  if (!target_.kubeconfig.empty()) argv.insert(argv.end(), {"--kubeconfig", target_.kubeconfig});
  auto ran = run_process(argv);
  if (!ran) return std::unexpected(ran.error());
  if (ran->code == 0) return std::move(ran->out);
  auto why = helm_complaint(ran->err);
  if (why.empty()) why = fmt::format("exit status {}", ran->code);
  const bool absent = why.find("release: not found") != std::string::npos;
  return fail(absent ? Errc::not_found : Errc::internal, fmt::format("helm {}: {}", argv[1], why));
}

Result<std::optional<Release>> Helm::release() const {
  const auto out = run({"list", "--all", "--filter", "^" + target_.release + "$", "--output", "json"});
  if (!out) return std::unexpected(out.error());
  const auto parsed = parse(*out, "helm list");
  if (!parsed) return std::unexpected(parsed.error());
  if (!parsed->is_array() || parsed->as_array().empty()) return std::optional<Release>();
  const auto* o = parsed->as_array()[0].if_object();
  if (!o) return fail(Errc::internal, "helm list: an entry is not an object");
  return Release{text_of(*o, "status"), text_of(*o, "chart"), text_of(*o, "revision"), text_of(*o, "updated")};
}

Result<json::object> Helm::values(bool all) const {
  std::vector<std::string> arguments{"get", "values", target_.release, "--output", "json"};
  if (all) arguments.emplace_back("--all");
  const auto out = run(std::move(arguments));
  if (!out) return std::unexpected(out.error());
  const auto parsed = parse(*out, "helm get values");
  if (!parsed) return std::unexpected(parsed.error());
  return parsed->is_object() ? parsed->as_object() : json::object();
}

Result<> Helm::upgrade_to(const std::string& chart, const json::object& values) const {
  auto file = TempFile::make(json::serialize(values));
  if (!file) return std::unexpected(file.error());
  const auto out =
      run({"upgrade", target_.release, chart, "--reset-values", "--values", file->path(), "--history-max", "10"});
  if (!out) return std::unexpected(out.error());
  return {};
}

}  // namespace weft::cli
