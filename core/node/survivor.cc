#include "core/node/survivor.h"

#include <algorithm>
#include <utility>

#include "core/node/divergence_note.h"
#include "core/node/snapshot_writer.h"
#include "core/node/snapshots.h"
#include "core/storage/doubt.h"
#include "core/storage/wal.h"

namespace vesper::node {

namespace {

// As NodeImpl::recover_log reads it, but that damage need not be taken.
Result<storage::RecoveredLog> read_log(storage::Disk& disk, const Snapshots& snapshots,
                                       const storage::Identity& identity,
                                       const storage::Wal::Suspicion& suspicion,
                                       IfDamaged if_damaged) {
  const LogPosition snapshot = snapshots.newest().last;
  const bool is_suspect = suspicion.known || suspicion.snapshot;
  if (is_suspect && if_damaged == IfDamaged::kRefuse) {
    return Error{ErrorCode::kCorruption, suspicion.snapshot ? suspicion.snapshot->message
                                                            : storage::describe(*suspicion.known)};
  }
  if (!is_suspect) {
    auto log = storage::Wal::recover(disk, identity, {}, snapshot);
    const bool is_damaged = !log.ok() && log.error().code == ErrorCode::kCorruption;
    if (!is_damaged || if_damaged == IfDamaged::kRefuse) return log;
  }
  return storage::Wal::salvage(disk, identity, {}, snapshot, suspicion);
}

}  // namespace

Result<Survivor> read_survivor(storage::Disk& disk, IfDamaged if_damaged) {
  VESPER_TRY(refuse_divergence_note(disk));
  auto identity = storage::read_identity(disk);
  if (!identity.ok()) return identity.error();
  if (!identity.value()) return Error{ErrorCode::kInvalid, "neither an identity nor a log"};
  if (!identity.value()->formed()) return Error{ErrorCode::kInvalid, "of no cluster yet"};
  Survivor survivor;
  survivor.identity = std::move(*identity.value());
  survivor.configuration = raft::Configuration::of_founders(survivor.identity.founders);

  auto known = storage::read_doubt(disk, survivor.identity.incarnation);
  if (!known.ok()) return known.error();
  storage::Wal::Suspicion suspicion{
      .known = std::move(known.value()), .snapshot = {}, .snapshot_files = {}};
  Snapshots snapshots(disk, {}, {});
  if (const Status loaded =
          snapshots.recover(survivor.identity.cluster, survivor.machine, survivor.configuration);
      !loaded.ok()) {
    if (loaded.error().code != ErrorCode::kCorruption) return loaded.error();
    suspicion.snapshot = loaded.error();
    suspicion.snapshot_files = snapshots.files_found();
  }
  survivor.log_bytes = snapshots.log_bytes();
  auto recovered = read_log(disk, snapshots, survivor.identity, suspicion, if_damaged);
  if (!recovered.ok()) return recovered.error();

  storage::RecoveredLog& log = recovered.value();
  survivor.last = log.entries.empty() ? log.base : log.entries.back().position();
  if (log.doubt) survivor.damage = storage::describe(*log.doubt);
  // Those up to the snapshot's end are kept for slow followers only.
  const Index applied = snapshots.newest().last.index;
  std::erase_if(log.entries, [&](const raft::Entry& entry) { return entry.index() <= applied; });
  survivor.entries = std::move(log.entries);
  return survivor;
}

SharedBytes snapshot_of_all(Survivor survivor) {
  for (const raft::Entry& entry : survivor.entries) {
    if (entry.kind() == raft::EntryKind::kConfiguration) {
      survivor.configuration = raft::Configuration::decode(entry.payload()).value();
    } else if (entry.kind() == raft::EntryKind::kCommand) {
      // Bytes that are no command change nothing, as on every node.
      [[maybe_unused]] const auto verdict =
          survivor.machine.apply(entry.index(), entry.shared_payload());
    }
    survivor.log_bytes += entry.record().size();
  }
  return whole_snapshot({.cluster = survivor.identity.cluster,
                         .last = survivor.last,
                         .log_bytes = survivor.log_bytes},
                        survivor.configuration, survivor.machine);
}

}  // namespace vesper::node
