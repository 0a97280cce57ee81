#include "mesh/config_files.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"
#include "manifest/manifest.h"
#include "mesh/values/json_read.h"

namespace weft::mesh {
namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t kLargest = 1 << 20;

// Nothing: the file has vanished meanwhile.
Result<std::optional<RemoteFile>> read_one(const fs::path& path) {
  const std::string name = path.filename().string();
  std::error_code ec;
  const auto status = fs::status(path, ec);
  if (status.type() == fs::file_type::not_found) return std::optional<RemoteFile>();
  if (ec) return fail(Errc::internal, path.string() + ": " + ec.message());
  if (status.type() != fs::file_type::regular) return fail(Errc::invalid, path.string() + ": it is no regular file");
  const auto size = fs::file_size(path, ec);
  if (!ec && size > kLargest) return fail(Errc::invalid, path.string() + ": it is larger than 1 MiB");
  auto text = read_file(path.string());
  if (!text && text.error().code == Errc::not_found) return std::optional<RemoteFile>();
  if (!text) return fail(text.error());
  if (text->find("endpoints:") == std::string::npos)
    return fail(Errc::invalid,
                path.string() +
                    ": it has no \"endpoints:\", perhaps it is being written; remove the file to remove the cluster");
  std::string all = *text;
  if (const auto config = parse_remote_config(name, *text)) {
    for (const auto& file : {config->tls.ca, config->tls.cert, config->tls.key}) {
      if (file.empty()) continue;
      auto pem = read_file(file);
      if (!pem && pem.error().code != Errc::not_found) return fail(pem.error());
      all += '\0' + pem.value_or("");
    }
  }
  return std::optional<RemoteFile>({std::move(*text), sha256(all)});
}

}  // namespace

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

std::string RemoteFiles::doubt(const std::string& name) const {
  if (const auto it = unclear.find(name); it != unclear.end()) return it->second;
  return incomplete;
}

RemoteFiles read_remote_files(const std::string& dir) {
  RemoteFiles out;
  std::error_code ec;
  fs::directory_iterator it(dir, ec);
  for (const fs::directory_iterator end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().string();
    if (name.empty() || name[0] == '.') continue;
    auto file = read_one(it->path());
    if (!file) {
      out.unclear[name] = file.error().message;
    } else if (*file) {
      out.files[name] = std::move(**file);
    }
  }
  if (ec && ec != std::errc::no_such_file_or_directory) out.incomplete = fmt::format("{}: {}", dir, ec.message());
  return out;
}

}  // namespace weft::mesh
