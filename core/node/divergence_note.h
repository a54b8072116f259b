// The note that a node leaves in its data directory when it was outvoted in a comparison of states
// (node_checks.cc): its snapshots may hold the wrong state too, so nothing may begin with them,
// neither the node nor a cluster that is recovered from what is left of another.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/storage/disk.h"

namespace vesper::node {

// For a person who reads why a node stopped, or does not start.
std::string divergence_advice(const std::string& why);

std::vector<storage::DiskOp> write_divergence_note(const std::string& why);

// Blocking; start-up only. Errors: kDiverged, there is a note, and what it says; kIo.
Status refuse_divergence_note(storage::Disk& disk);

}  // namespace vesper::node
