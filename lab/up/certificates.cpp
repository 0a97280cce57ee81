#include "lab/up/certificates.h"

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/file.h"
#include "lab/pki/pki.h"
#include "lab/up/programs.h"

namespace weft::lab {
namespace {

Result<KubeContext> context(const ClusterSpec& c, const KeyPair& ca, const std::string& server, const std::string& user,
                            const std::string& group) {
  auto pair = issue_client(ca, user, {group});
  if (!pair) return fail(pair.error());
  return KubeContext{c.name, server, ca.cert, std::move(*pair)};
}

Result<> api_server_files(const ClusterSpec& c, const Sandbox& cp, const KeyPair& ca, const std::string& dir) {
  std::vector<Address> addresses = {*Address::parse("127.0.0.1"), *Address::parse("::1")};
  for (const HostAddress& a : cp.ports.front().addresses) addresses.push_back(a.address);
  for (const Prefix& p : c.service_cidrs) addresses.push_back(p.address().plus(1));
  const auto server = issue_server(ca, "kube-apiserver",
                                   {"localhost", cp.name, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                    "kubernetes.default.svc.cluster.local"},
                                   addresses);
  if (!server) return fail(server.error());
  const auto signing = make_signing_key();
  if (!signing) return fail(signing.error());
  WEFT_TRY(write_file(dir + "/ca.crt", ca.cert));
  WEFT_TRY(write_pair(dir, "apiserver", *server));
  return write_pair(dir, "sa", *signing);
}

Result<> node_files(const LabRecord& r, const ClusterSpec& c, const KeyPair& ca, const std::string& server,
                    const std::string& images) {
  for (const NodeSpec& n : c.nodes) {
    const std::string dir = r.paths.sandbox(n.name) + "/config";
    const auto ctx = context(c, ca, server, "system:node:" + n.name, "system:nodes");
    if (!ctx) return fail(ctx.error());
    WEFT_TRY(write_kubeconfig(dir + "/kubelet.conf", {*ctx}));
    WEFT_TRY(write_file(dir + "/ca.crt", ca.cert));
    WEFT_TRY(write_file(dir + "/images.json", images));
  }
  return {};
}

}  // namespace

Result<> make_certificates(const LabRecord& r, const Plan& plan) {
  boost::json::object images;
  for (const auto& [image, command] : r.topology.images)
    images[image] = boost::json::array(command.begin(), command.end());
  std::vector<KubeContext> contexts;
  for (const ClusterSpec& c : r.topology.clusters) {
    const auto ca = make_ca("weft lab " + r.paths.name + " " + c.name);
    if (!ca) return fail(ca.error());
    const Sandbox& cp = *plan.sandbox(c.name + "-cp");
    const std::string dir = r.paths.sandbox(cp.name) + "/config";
    WEFT_TRY(api_server_files(c, cp, *ca, dir));
    const SocketAddress inside{cp.ports.front().addresses.front().address, kApiPort};
    const std::string server = "https://" + inside.to_string();
    const auto controllers = context(c, *ca, fmt::format("https://127.0.0.1:{}", kApiPort),
                                     "system:kube-controller-manager", "system:masters");
    if (!controllers) return fail(controllers.error());
    WEFT_TRY(write_kubeconfig(dir + "/controllers.conf", {*controllers}));
    WEFT_TRY(node_files(r, c, *ca, server, boost::json::serialize(images)));
    auto admin = context(c, *ca, fmt::format("https://127.0.0.1:{}", r.api_ports.at(c.name)), "kubernetes-admin",
                         "system:masters");
    if (!admin) return fail(admin.error());
    contexts.push_back(std::move(*admin));
  }
  return write_kubeconfig(r.paths.kubeconfig(), contexts);
}

}  // namespace weft::lab
