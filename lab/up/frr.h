// FRR in a router's sandbox: its configuration files and daemons. Pure. The sandbox has an /etc/frr and a /run/frr of
// its own, so that `weft lab exec tor1 -- vtysh -c "show ip bgp"` needs no further word.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lab/topology/plan.h"
#include "lab/up/programs.h"

namespace weft::lab {

/// Where Debian puts FRR's daemons.
inline constexpr const char* kFrrDaemons = "/usr/lib/frr";

/// Files by path; none for a sandbox that speaks no BGP.
std::map<std::string, std::string> frr_files(const Sandbox& router);
/// zebra, bfdd (with BFD) and bgpd, each once the one before it serves; none for a sandbox that speaks no BGP.
std::vector<ProgramSpec> frr_programs(const Sandbox& router);

}  // namespace weft::lab
