// LocalCluster: who we are in the mesh.
#pragma once

#include <string>

#include "model/names.h"

namespace weft::mesh {

/// This cluster, by the name and id of its configuration.
struct LocalCluster {
  std::string name;
  ClusterId id = 0;
  ClusterId max_connected_clusters = 255;
};

}  // namespace weft::mesh
