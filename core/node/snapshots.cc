#include "core/node/snapshots.h"

#include <algorithm>
#include <utility>

#include "core/node/snapshot_loader.h"

namespace vesper::node {

namespace {

bool is_crossed(std::uint64_t before, std::uint64_t now, std::uint64_t step) {
  return before / step != now / step;
}

// All of a file.
Status load(ByteView file, SnapshotLoader& loader) {
  if (file.empty()) return Error{ErrorCode::kCorruption, "at offset 0: the file is empty"};
  while (!file.empty()) {
    const std::size_t size = std::min<std::size_t>(file.size(), limits::kSnapshotChunkBytes);
    VESPER_TRY(loader.feed(file.first(size)));
    file = file.subspan(size);
  }
  return loader.finish();
}

}  // namespace

// --- Start ---

Status Snapshots::recover(ClusterId cluster, kv::StateMachine& machine,
                          raft::Configuration& configuration) {
  cluster_ = cluster;
  auto files = disk_->list();
  if (!files.ok()) return files.error();
  std::vector<Index> found;
  for (const storage::FileInfo& file : files.value()) {
    if (const auto last = storage::snapshot_of(file.name)) {
      found.push_back(*last);
      found_.push_back(file.name);
    }
    if (file.name == storage::kSnapshotTemporary || file.name == storage::kIncomingTemporary) {
      leftovers_.push_back(file.name);
    }
  }
  if (found.empty()) return {};
  std::sort(found.begin(), found.end());
  // The newest was durable before anything else was done about it; older ones are left over.
  const std::string name = storage::snapshot_name(found.back());
  for (const Index last : found) {
    if (last != found.back()) leftovers_.push_back(storage::snapshot_name(last));
  }
  auto bytes = disk_->read(name);
  if (!bytes.ok())
    return Error{ErrorCode::kCorruption, name + " at offset 0: " + bytes.error().message};
  SnapshotLoader loader(bytes.value().size(), cluster, sessions_);
  Status loaded = load(bytes.value().view(), loader);
  if (!loaded.ok()) return Error{loaded.error().code, name + " " + loaded.error().message};
  const raft::SnapshotId id = loader.id();
  if (id.last.index != found.back()) {
    return Error{ErrorCode::kCorruption, name + " at offset 0: the snapshot of another position"};
  }
  machine = loader.take_machine();
  configuration = loader.take_configuration();
  files_.push_back({id, loader.header().log_bytes, {}});
  log_bytes_ = loader.header().log_bytes;
  applied_ = id.last;
  return {};
}

// --- Making one ---

bool Snapshots::is_due(std::uint64_t entries, std::uint64_t bytes) const {
  if (making_) return false;
  if (!is_crossed(entries - 1, entries, options_.entries) &&
      !is_crossed(log_bytes_, bytes, options_.bytes)) {
    return false;
  }
  return files_.empty() || bytes - files_.back().log_bytes >= files_.back().id.bytes;
}

void Snapshots::on_applied(const raft::Entry& entry, const raft::Raft& raft,
                           kv::StateMachine& machine) {
  const std::uint64_t entries = entry.index().value();
  const std::uint64_t bytes = log_bytes_ + entry.record().size();
  const bool due = is_due(entries, bytes);
  log_bytes_ = bytes;
  applied_ = entry.position();
  if (due) begin(entry.position(), raft.configurations().at(entry.index()), machine);
}

void Snapshots::begin(LogPosition last, const raft::Configuration& configuration,
                      kv::StateMachine& machine) {
  const SnapshotEnd end{.cluster = cluster_, .last = last, .log_bytes = log_bytes_};
  making_.emplace(Making{.writer = SnapshotWriter(end, configuration, machine)});
  std::erase(leftovers_, storage::kSnapshotTemporary);  // creating it replaces it
  // All the room that it will take, at once: a disk that has too little says so before the work.
  making_ticket_ = submit({storage::CreateFile{.name = storage::kSnapshotTemporary,
                                               .size = making_->header().file_bytes(),
                                               .is_written = false}});
}

// The next piece, once the one before it is written.
void Snapshots::go_on(const raft::Raft& raft, kv::StateMachine& machine) {
  if (!making_ || making_ticket_) return;
  Making& making = *making_;
  std::vector<storage::DiskOp> ops;
  if (!making.writer.has_all()) {
    std::vector<std::byte> blocks = making.writer.take_blocks(machine, limits::kSnapshotBytesATurn);
    const std::uint64_t offset = making.written;
    making.written += blocks.size();
    making.unsynced += blocks.size();
    ops.emplace_back(storage::WriteFile{storage::kSnapshotTemporary, offset, std::move(blocks)});
  }
  if (making.writer.has_all()) {
    VESPER_CHECK(making.written == making.header().file_bytes());
    // A snapshot never stands for more of the log than is durable here.
    if (raft.durable() < making.header().last.index) {
      if (ops.empty()) return;
    } else {
      making.is_closing = true;
      ops.emplace_back(storage::SyncFile{storage::kSnapshotTemporary});
      ops.emplace_back(storage::RenameFile{storage::kSnapshotTemporary,
                                           storage::snapshot_name(making.header().last.index)});
      ops.emplace_back(storage::SyncDirectory{});
    }
  } else if (making.unsynced >= kSnapshotSyncBytes) {
    making.unsynced = 0;
    ops.emplace_back(storage::SyncFile{storage::kSnapshotTemporary});
  }
  making_ticket_ = submit(std::move(ops));
}

void Snapshots::finish() {
  const Making& making = *making_;
  const File file{{making.header().last, making.written, making.writer.checksum()},
                  making.header().log_bytes,
                  {}};
  making_.reset();
  add(file);
}

// What there is of it only takes room from others.
void Snapshots::give_up_making() {
  if (making_) ends_capture_ = true;
  making_.reset();
  making_ticket_.reset();
  leftovers_.emplace_back(storage::kSnapshotTemporary);
  was_refused_ = true;
}

// One that came in meanwhile may be newer.
void Snapshots::add(File file) {
  const auto at =
      std::lower_bound(files_.begin(), files_.end(), file.id.last.index,
                       [](const File& each, Index index) { return each.id.last.index < index; });
  if (at != files_.end() && at->id.last.index == file.id.last.index) {
    *at = file;
  } else {
    files_.insert(at, file);
  }
  trail_.reset();
}

void Snapshots::on_installed(const raft::SnapshotId& id, std::uint64_t log_bytes) {
  // What is being made is older; the state that it was captured from is gone.
  if (making_ && !making_->is_closing) {
    making_.reset();
    leftovers_.emplace_back(storage::kSnapshotTemporary);
  }
  add({id, log_bytes, {}});
  log_bytes_ = log_bytes;
  applied_ = id.last;
  was_refused_ = false;
  ends_capture_ = false;
}

// --- Followers ---

void Snapshots::discard(const raft::SnapshotId& id) {
  // Made here too, or about to be: the same file under the same name.
  if (making_ && making_->header().last.index == id.last.index) return;
  const auto is_it = [&](const File& file) { return file.id.last.index == id.last.index; };
  if (std::any_of(files_.begin(), files_.end(), is_it)) return;
  submit({storage::RemoveFile{storage::snapshot_name(id.last.index)}});
}

void Snapshots::read(const raft::ChunkWanted& wanted) {
  // It was wanted before the follower fell silent, and is gone since.
  const auto is_it = [&](const File& file) { return file.id == wanted.snapshot; };
  if (std::none_of(files_.begin(), files_.end(), is_it)) return;
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(options_.chunk_bytes, wanted.snapshot.bytes - wanted.offset));
  const std::uint64_t ticket =
      submit({storage::ReadFile{.name = storage::snapshot_name(wanted.snapshot.last.index),
                                .offset = wanted.offset,
                                .bytes = std::vector<std::byte>(size)}});
  reads_.emplace(ticket, wanted);
}

Status Snapshots::on_disk_done(storage::DiskDone done, Instant now, raft::Raft& raft) {
  if (!done.status.ok()) {
    if (done.status.error().code != ErrorCode::kNoSpace) return done.status.error();
    // It may be of one that gave way to a snapshot of a leader's.
    if (making_ticket_ == done.batch.ticket) give_up_making();
    return {};
  }
  if (making_ticket_ == done.batch.ticket) {
    making_ticket_.reset();
    was_refused_ = false;
    if (making_ && making_->is_closing) finish();
    return {};
  }
  if (const auto read = reads_.find(done.batch.ticket); read != reads_.end()) {
    const auto& [name, offset, bytes] = std::get<storage::ReadFile>(done.batch.ops.front());
    const raft::SnapshotId& id = read->second.snapshot;
    const Status verified = storage::verify_blocks(
        {.cluster = cluster_, .last = id.last, .file_bytes = id.bytes}, offset, bytes);
    if (!verified.ok()) return Error{verified.error().code, name + " " + verified.error().message};
    raft.chunk_read(now, read->second, SharedBytes::copy_of(bytes));
    reads_.erase(read);
  }
  return take_part(done);
}

bool Snapshots::read_part(RequestId request, Index last, std::uint64_t offset, Instant now) {
  const auto is_it = [&](const File& file) { return file.id.last.index == last; };
  const auto file = std::find_if(files_.begin(), files_.end(), is_it);
  if (file == files_.end() || offset % storage::kSnapshotBlockBytes != 0) return false;
  if (offset >= file->id.bytes) return false;
  file->kept_until = now + kPartKept;
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(limits::kSnapshotChunkBytes, file->id.bytes - offset));
  const std::uint64_t ticket = submit({storage::ReadFile{.name = storage::snapshot_name(last),
                                                         .offset = offset,
                                                         .bytes = std::vector<std::byte>(size)}});
  parts_wanted_.emplace(ticket, PartWanted{request, file->id});
  return true;
}

Status Snapshots::take_part(const storage::DiskDone& done) {
  const auto wanted = parts_wanted_.find(done.batch.ticket);
  if (wanted == parts_wanted_.end()) return {};
  const auto& [name, offset, bytes] = std::get<storage::ReadFile>(done.batch.ops.front());
  const raft::SnapshotId& id = wanted->second.snapshot;
  const Status verified = storage::verify_blocks(
      {.cluster = cluster_, .last = id.last, .file_bytes = id.bytes}, offset, bytes);
  if (!verified.ok()) return Error{verified.error().code, name + " " + verified.error().message};
  parts_read_.push_back({wanted->second.request, SharedBytes::copy_of(bytes)});
  parts_wanted_.erase(wanted);
  return {};
}

// --- Turns ---

void Snapshots::turn(Instant now, raft::Raft& raft, kv::StateMachine& machine) {
  if (!leftovers_.empty() && !making_) {
    std::vector<storage::DiskOp> ops;
    for (std::string& name : std::exchange(leftovers_, {})) {
      ops.emplace_back(storage::RemoveFile{std::move(name)});
    }
    submit(std::move(ops));
  }
  if (std::exchange(ends_capture_, false) && !making_) machine.end_capture();
  if (std::exchange(tries_again_, false) && was_refused_ && !making_ && !making_ticket_) {
    begin(applied_, raft.configurations().at(applied_.index), machine);
  }
  if (wanted_ > newest().last.index && !making_ && !making_ticket_ && !was_refused_) {
    begin(applied_, raft.configurations().at(applied_.index), machine);
  }
  go_on(raft, machine);
  if (files_.empty()) return;
  // What is newest here is made of entries that are durable, but Raft may not have been told yet.
  if (!trail_) trail_ = trail_of(newest(), raft);
  const Index step = raft.log().base().index.plus(limits::kCompactedEntriesATurn);
  raft.compact(newest(), std::min(cut(raft), step));
  remove_unused(now, raft);
}

// Where the entries begin that stay, of those that this snapshot stands for.
Index Snapshots::trail_of(const raft::SnapshotId& id, const raft::Raft& raft) const {
  const raft::Log& log = raft.log();
  Index from = id.last.index;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  while (from > log.base().index && entries < options_.trailing_entries) {
    bytes += log.at(from).record().size();
    if (bytes > options_.trailing_bytes) break;
    ++entries;
    from = from.previous();
  }
  return from;
}

Index Snapshots::cut(const raft::Raft& raft) const {
  Index to = trail_.value_or(Index(0));
  // A follower that has taken in a snapshot goes on from its end, or it would never catch up.
  const std::uint64_t kept_max = limits::kSendingLogFactor * options_.bytes;
  for (const File& file : files_) {
    if (!raft.sends_snapshot(file.id)) continue;
    if (log_bytes_ - file.log_bytes <= kept_max + file.id.bytes) {
      to = std::min(to, file.id.last.index);
    }
  }
  return to;
}

void Snapshots::remove_unused(Instant now, const raft::Raft& raft) {
  std::vector<storage::DiskOp> ops;
  for (std::size_t i = 0; i + 1 < files_.size();) {
    const raft::SnapshotId& id = files_[i].id;
    const bool is_read = std::any_of(reads_.begin(), reads_.end(),
                                     [&](const auto& read) { return read.second.snapshot == id; });
    if (is_read || now < files_[i].kept_until || raft.sends_snapshot(id)) {
      ++i;
      continue;
    }
    ops.emplace_back(storage::RemoveFile{storage::snapshot_name(id.last.index)});
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!ops.empty()) submit(std::move(ops));
}

std::uint64_t Snapshots::submit(std::vector<storage::DiskOp> ops) {
  const std::uint64_t ticket = ++last_ticket_;
  disk_->submit({storage::DiskLane::kBackground, ticket, std::move(ops)});
  return ticket;
}

}  // namespace vesper::node
