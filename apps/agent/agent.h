// The agent: everything a node does, wired. Read agent.cpp from top to bottom.
//
// What touches the world comes in from outside (Edges), so that the script suite runs the whole of it in-process on an
// in-memory API server, kernel and maps.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/problem.h"
#include "apps/agent/bgp.h"
#include "apps/agent/options.h"
#include "apps/agent/tables.h"
#include "async/scope.h"
#include "datapath/lb_maps.h"
#include "datapath/lb_reconciler.h"
#include "kube/client.h"
#include "netlink/kernel.h"
#include "netlink/monitor.h"

namespace weft::agent {

struct Edges {
  kube::Client& kube;
  netlink::Kernel& kernel;
  std::unique_ptr<netlink::Monitor> monitor;  // null: nobody watches the links
  LbMaps& lb;
  /// Ends the wait of connected UDP sockets of backends that are gone (datapath/udp_cutter.h); may be empty.
  std::function<void(std::vector<GoneUdpBackend>)> cut_udp;
  /// Speaks BGP when enable-bgp-control-plane says so; empty: nobody does.
  MakeSpeaker make_speaker;
  bool serve = true;  // the Unix socket and the health port
};

class Agent {
 public:
  Agent(asio::io_context& io, Options options, Edges edges);
  ~Agent();

  /// Runs until cancelled. An error is one that no retry mends: what is wrong and the mend.
  Task<Result<>> run();
  /// Ends every part and waits for it; call before destruction. Maps, routes and pods stay as they are.
  Task<> stop();

  Tables& tables();
  /// Null while BGP is off or not started yet.
  BgpPart* bgp();
  /// Whether everything known is applied; the text says what is not yet.
  struct Readiness {
    bool ready = false;
    std::string why;
  };
  Readiness readiness() const;
  /// What the node was asked to do and cannot, as of now.
  std::vector<api::Problem> problems() const;
  /// Network namespaces that may hold sockets: those of the local pods and our own.
  std::vector<std::string> socket_namespaces() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weft::agent
