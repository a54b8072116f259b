// A node whose disk gives back less than it was given: how it starts from what is intact, and what
// it tells of it. While it is in doubt Raft keeps it from deciding anything (core/raft/doubt.cc).
#include <utility>

#include "core/node/node_impl.h"

namespace vesper::node {

// Reads snapshot and log. Ensures: where the result is in doubt, nothing has changed on disk yet.
Result<storage::RecoveredLog> NodeImpl::recover_log(raft::Configuration& configuration) {
  auto known = storage::read_doubt(environment_.disk, identity_.incarnation);
  if (!known.ok()) return known.error();
  storage::Wal::Suspicion suspicion{
      .known = std::move(known.value()), .snapshot = {}, .snapshot_files = {}};
  if (const Status loaded = snapshots_.recover(identity_.cluster, machine_, configuration);
      !loaded.ok()) {
    if (loaded.error().code != ErrorCode::kCorruption) return loaded.error();
    suspicion.snapshot = loaded.error();
    suspicion.snapshot_files = snapshots_.files_found();
  }
  const LogPosition snapshot = snapshots_.newest().last;
  if (!suspicion.known && !suspicion.snapshot) {
    auto log = storage::Wal::recover(environment_.disk, identity_, config_.wal, snapshot);
    if (log.ok() || log.error().code != ErrorCode::kCorruption) return log;
  }
  auto log = storage::Wal::salvage(environment_.disk, identity_, config_.wal, snapshot, suspicion);
  // Nobody else has what is lost: left as it is, for whoever can make something of it.
  if (log.ok() && is_alone(configuration, log.value().entries)) {
    return Error{ErrorCode::kCorruption,
                 storage::describe(*log.value().doubt) + ", and no other node has a copy"};
  }
  return log;
}

// Whether nobody else could have a copy, as far as what is intact tells.
bool NodeImpl::is_alone(raft::Configuration configuration,
                        const std::vector<raft::Entry>& entries) const {
  for (const raft::Entry& entry : entries) {
    if (entry.kind() != raft::EntryKind::kConfiguration) continue;
    configuration = raft::Configuration::decode(entry.payload()).value();
  }
  const raft::Configuration& last = configuration;
  return last.members().size() == 1 && last.find(config_.id) != nullptr;
}

void NodeImpl::report_doubt() {
  if (doubt_) emit(NodeEvent::Kind::kDoubt, storage::describe(*doubt_));
}

// What was lost is here again, durably: the next life need not ask.
void NodeImpl::follow_doubt() {
  if (!doubt_ || raft_->doubt()) return;
  doubt_.reset();
  wal_->end_doubt();
  emit(NodeEvent::Kind::kDoubt,
       "over: all that may have been lost was fetched from the others, up to entry " +
           std::to_string(raft_->commit().value()));
}

}  // namespace vesper::node
