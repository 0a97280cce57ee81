// Processes for coroutines: run to the end with a time limit, and wait for the end of one that is not our child.
#pragma once

#include <string>

#include "async/task.h"
#include "lab/sys/process.h"

namespace weft::lab {

/// Runs to the end. What is not finished in time is killed and an error (Errc::timeout). Cancelled, it kills too.
/// `input` is at most a few hundred kilobytes.
Task<Result<Output>> run_process(SpawnOptions options, std::string input, std::chrono::milliseconds limit);

/// Returns when the process has ended; at once if it already has.
Task<> process_end(ProcessId process);

}  // namespace weft::lab
