// A CA and certificates per cluster, and the kubeconfigs made of them.
#pragma once

#include "lab/up/lab.h"

namespace weft::lab {

/// Writes each sandbox's /etc/kubernetes and the lab's kubeconfig for the machine.
Result<> make_certificates(const LabRecord& record, const Plan& plan);

}  // namespace weft::lab
