// weft-lab-pki: certificates on the command line, for scripts.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <iostream>

#include "lab/pki/pki.h"

namespace {

using weft::Result;
namespace lab = weft::lab;

std::pair<std::string, std::string> cut(const std::string& s, char at) {
  const auto n = std::min(s.find(at), s.size());
  return {s.substr(0, n), n < s.size() ? s.substr(n + 1) : ""};
}

Result<> make(const std::string& dir, const std::string& ca_name, const std::vector<std::string>& servers,
              const std::vector<std::string>& clients, const std::string& signing, const std::string& kubeconfig,
              const std::string& context, const std::string& url, const std::string& user) {
  auto ca = lab::read_pair(dir, "ca");
  if (!ca) {
    ca = lab::make_ca(ca_name);
    if (!ca) return std::unexpected(ca.error());
    WEFT_TRY(lab::write_pair(dir, "ca", *ca));
  }
  for (const auto& s : servers) {
    const auto [name, names] = cut(s, '=');
    std::vector<std::string> dns;
    std::vector<weft::Address> addresses;
    for (auto rest = names; !rest.empty();) {
      const auto [one, more] = cut(rest, ',');
      if (const auto a = weft::Address::parse(one))
        addresses.push_back(*a);
      else
        dns.push_back(one);
      rest = more;
    }
    auto pair = lab::issue_server(*ca, name, dns, addresses);
    if (!pair) return std::unexpected(pair.error());
    WEFT_TRY(lab::write_pair(dir, name, *pair));
  }
  for (const auto& c : clients) {
    const auto [name, who] = cut(c, '=');
    const auto [cn, group] = cut(who, ':');
    auto pair =
        lab::issue_client(*ca, cn, group.empty() ? std::vector<std::string>{} : std::vector<std::string>{group});
    if (!pair) return std::unexpected(pair.error());
    WEFT_TRY(lab::write_pair(dir, name, *pair));
  }
  if (!signing.empty()) {
    auto pair = lab::make_signing_key();
    if (!pair) return std::unexpected(pair.error());
    WEFT_TRY(lab::write_pair(dir, signing, *pair));
  }
  if (kubeconfig.empty()) return {};
  auto admin = lab::read_pair(dir, user);
  if (!admin) return std::unexpected(admin.error());
  return lab::write_kubeconfig(kubeconfig, {{context, url, ca->cert, *admin}});
}

}  // namespace

int main(int argc, char** argv) {
  std::string dir, ca = "lab-ca", signing, kubeconfig, context = "lab", url, user = "admin";
  std::vector<std::string> servers, clients;
  CLI::App app{
      "Makes certificates for labs: a CA (kept if it is there), server and client certificates, a kubeconfig."};
  app.add_option("--dir", dir, "folder for NAME.crt and NAME.key")->required();
  app.add_option("--ca", ca, "common name of a new CA")->capture_default_str();
  app.add_option("--server", servers, "NAME=DNS-NAME,ADDRESS,…");
  app.add_option("--client", clients, "NAME=USER[:GROUP]");
  app.add_option("--signing-key", signing, "NAME of a key that signs service account tokens");
  app.add_option("--kubeconfig", kubeconfig, "file to write");
  app.add_option("--context", context, "its context")->capture_default_str();
  app.add_option("--url", url, "its server");
  app.add_option("--user", user, "NAME of the client certificate in it")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto r = make(dir, ca, servers, clients, signing, kubeconfig, context, url, user);
  if (r) return 0;
  std::cerr << r.error().message << "\n";
  return 1;
}
