// The world of a script test: an API server, a kernel and LB maps in memory, and the whole agent on top of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/agent/agent.h"
#include "bgp/control/cluster_controller.h"
#include "datapath/lb_maps.h"
#include "kube/fake.h"
#include "netlink/fake.h"
#include "tests/script/fake_speaker.h"
#include "tests/script/txtar.h"

namespace weft::script {

/// Runs the commands of an archive in order. Lines: `# comment`, or one of
///   agent [key=value …]            starts the agent (again: restarts it on the same kernel and maps)
///   kube apply FILE                creates or replaces every object of a manifest
///   kube delete KIND NS/NAME
///   mesh put FILE                  a ClusterService value, as a remote cluster's etcd holds it
///   mesh withdraw CLUSTER          that cluster's rows go
///   mesh expect CLUSTER | mesh synced CLUSTER   a remote that is configured, and that has delivered its first list of
///                                  services or is not waited for any more
///   pod NS/NAME IP…                a pod that the CNI plugin attached on this node
///   nic NAME ADDRESS/LENGTH…       an interface of this node, besides eth0
///   operator                       starts the operator's BGP controller on the same API server
///   stop                           ends the agent cleanly
///   bgp up|down PEER               the session with a peer is established, or is not
///   bgp forgets PEER               that peer does not offer graceful restart
///   bgp refuses PEER WORDS         that peer cannot be sent anything
///   expect VIEW FILE               waits until VIEW reads as FILE: frontends, lbmaps, routes, pods, tunnel (its own
///                                  end and the far ones), node (our CiliumNode), endpoints (CiliumEndpoints), problems
///                                  (what the agent says it cannot do), ready (or why it is not); of BGP: bgp (what the
///                                  speaker is told, or was told last), why (what the objects want), answers (of `weft
///                                  bgp why`), notes (findings and objects without effect), status (of the NodeConfig),
///                                  conditions (that hold, of all BGP objects), metrics, goodbye
///   stays VIEW FILE                VIEW reads as FILE and goes on doing so for 200 ms
///   breaks WHAT                    api-down, api-up, watches, compaction, slices-down, slices-up
/// A failure names the line and shows the difference.
class World {
 public:
  explicit World(Archive archive);
  ~World();
  Task<int> run();
  const std::string& failure() const { return failure_; }
  asio::io_context& io() { return io_; }

 private:
  Task<Result<>> command(std::vector<std::string> words);
  Result<> kube_command(const std::vector<std::string>& words);
  Result<> mesh_command(const std::vector<std::string>& words);
  Task<Result<>> expect(std::string view, std::string file);
  Task<> start_agent(std::vector<std::string> words);
  Task<> stop_agent();
  Result<> bgp_command(const std::vector<std::string>& words);
  void start_operator();
  std::string show_bgp(const std::string& view);
  std::string show(const std::string& view);
  Result<std::string> file(const std::string& name) const;

  asio::io_context io_;
  Archive archive_;
  std::string failure_;
  kube::FakeServer server_{io_};
  std::shared_ptr<netlink::FakeWorld> kernel_world_ = std::make_shared<netlink::FakeWorld>();
  FakeLbMaps maps_;
  Routers routers_;
  std::string state_dir_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<netlink::FakeKernel> kernel_;
  std::unique_ptr<agent::Agent> agent_;
  std::unique_ptr<Scope> scope_;
  std::unique_ptr<kube::Client> operator_client_;
  std::unique_ptr<bgp::control::ClusterController> operator_;
  std::unique_ptr<Scope> operator_scope_;
};

/// `kind` as manifests write it.
const kube::Resource* resource_of_kind(const std::string& kind);

}  // namespace weft::script
