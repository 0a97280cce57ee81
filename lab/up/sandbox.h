// Making the sandboxes of a plan: one holder process each, then the wires between them.
#pragma once

#include "lab/up/lab.h"

namespace weft::lab {

/// Paths of the machine that sandboxes and containers see as they are: further disks, and the programs' folder.
std::vector<std::string> shared_paths(const std::string& bin);

/// Starts a holder for every sandbox; fills record.holders.
Result<> make_sandboxes(LabRecord& record, const Plan& plan);

/// Wires, addresses, routes.
Result<> make_network(const LabRecord& record, const Plan& plan);

}  // namespace weft::lab
