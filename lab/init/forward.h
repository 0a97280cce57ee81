// A loopback port of the machine that leads to an address inside the lab.
#pragma once

#include <string>

#include "async/scope.h"

namespace weft::lab {

struct Forward {
  int listener = -1;   // a listening socket, inherited
  int holder = 0;      // pid whose network namespace the target is in
  std::string target;  // "172.18.1.2:6443"
};

/// Serves until cancelled. Connections live in `scope`.
Task<> serve_forward(Scope& scope, Forward forward);

}  // namespace weft::lab
