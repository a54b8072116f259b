#include "core/node/recorder.h"

#include <algorithm>
#include <utility>

namespace vesper::node {

namespace {

constexpr std::size_t kNumber = kVarintBytes;
constexpr std::size_t kWord = sizeof(std::uint64_t);

// Small changes either way are small numbers.
constexpr std::uint64_t zigzag(std::uint64_t change) {
  return (change << 1) ^ (change >> 63 != 0 ? ~std::uint64_t{0} : 0);
}

}  // namespace

Recorder::Recorder(RecordingRoom& room, const Life& life) : to_(life.environment), writer_(room) {
  begin(life);
}

Environment Recorder::environment() {
  return {*this, *this, *this, *this, *this, to_.random};
}

void Recorder::begin(const Life& life) {
  encode_config(life.config, scratch_);
  const std::size_t size = RecordingWriter::bytes_max(life.program.size()) +
                           RecordingWriter::bytes_max(life.sources.size()) + kWord +
                           RecordingWriter::bytes_max(scratch_.size());
  if (!writer_.begin(RecordKind::kBegin, size)) return;
  writer_.bytes(as_bytes(life.program));
  writer_.bytes(as_bytes(life.sources));
  writer_.word(to_.random.seed());
  writer_.bytes(scratch_);
  writer_.end();
}

// --- Inputs ---

void Recorder::opened(const Status& status) {
  if (!writer_.begin(RecordKind::kOpened, RecordingWriter::status_max(status))) return;
  writer_.status(status);
  writer_.end();
}

void Recorder::on_message(const SharedBytes& frame) {
  if (!writer_.begin(RecordKind::kFrame, RecordingWriter::bytes_max(frame.size()))) return;
  writer_.bytes(frame.view());
  writer_.end();
}

void Recorder::on_request(RequestId id, const Request& request) {
  scratch_.clear();
  encode_request(request, scratch_);
  const std::size_t size = kNumber + RecordingWriter::bytes_max(scratch_.size()) +
                           RecordingWriter::bytes_max(request.key.size()) +
                           RecordingWriter::bytes_max(request.value.size());
  if (!writer_.begin(RecordKind::kRequest, size)) return;
  writer_.number(id.value());
  writer_.bytes(scratch_);
  writer_.bytes(as_bytes(request.key));
  writer_.bytes(as_bytes(request.value));
  writer_.end();
}

// The replay has the batch itself: it submitted the same.
void Recorder::on_disk_done(const storage::DiskDone& done) {
  std::size_t size = 2 * kNumber + RecordingWriter::status_max(done.status);
  for (const storage::DiskOp& op : done.batch.ops) {
    if (const auto* read = std::get_if<storage::ReadFile>(&op)) {
      size += sparse_bytes_max(read->bytes.size());
    }
  }
  if (!writer_.begin(RecordKind::kDiskDone, size)) return;
  writer_.number(static_cast<std::uint64_t>(done.batch.lane));
  writer_.number(done.batch.ticket);
  writer_.status(done.status);
  for (const storage::DiskOp& op : done.batch.ops) {
    if (const auto* read = std::get_if<storage::ReadFile>(&op)) writer_.sparse(read->bytes);
  }
  writer_.end();
}

Instant Recorder::now() const {
  const Instant now = to_.clock.now();
  if (!writer_.begin(RecordKind::kClock, kNumber)) return now;
  // Never negative, for no clock goes back; and if one did, its replay would too.
  writer_.number(static_cast<std::uint64_t>(now.nanoseconds() - read_at_));
  writer_.end();
  read_at_ = now.nanoseconds();
  return now;
}

Result<std::vector<storage::FileInfo>> Recorder::list() {
  auto files = to_.disk.list();
  const Status status = files.ok() ? Status() : files.error();
  std::size_t size = RecordingWriter::status_max(status) + kNumber;
  if (files.ok()) {
    for (const storage::FileInfo& file : files.value()) {
      size += RecordingWriter::bytes_max(file.name.size()) + kNumber;
    }
  }
  if (!writer_.begin(RecordKind::kListed, size)) return files;
  writer_.status(status);
  writer_.number(files.ok() ? files.value().size() : 0);
  if (files.ok()) {
    for (const storage::FileInfo& file : files.value()) {
      writer_.bytes(as_bytes(file.name));
      writer_.number(file.size);
    }
  }
  writer_.end();
  return files;
}

Result<SharedBytes> Recorder::read(const std::string& name) {
  auto bytes = to_.disk.read(name);
  const Status status = bytes.ok() ? Status() : bytes.error();
  ByteView rest = bytes.ok() ? bytes.value().view() : ByteView();
  if (!writer_.begin(RecordKind::kFile, RecordingWriter::status_max(status) + kNumber)) {
    return bytes;
  }
  writer_.status(status);
  writer_.number(rest.size());
  writer_.end();
  while (!rest.empty()) {
    const ByteView part = rest.first(std::min(rest.size(), kRecordingPartBytes));
    if (!writer_.begin(RecordKind::kPart, sparse_bytes_max(part.size()))) break;
    writer_.sparse(part);
    writer_.end();
    rest = rest.subspan(part.size());
  }
  return bytes;
}

// --- Outputs ---

void Recorder::output(RecordKind kind, std::uint64_t hash) {
  if (!writer_.begin(kind, kWord)) return;
  writer_.word(hash);
  writer_.end();
}

void Recorder::send(NodeId to, ByteView frame) {
  if (is_recording()) output(RecordKind::kSent, hash_of_frame(to, frame));
  to_.network.send(to, frame);
}

void Recorder::meet(const raft::Configuration& members) {
  if (is_recording()) output(RecordKind::kMet, hash_of_members(members));
  to_.network.meet(members);
}

void Recorder::submit(storage::DiskBatch batch) {
  if (is_recording()) output(RecordKind::kSubmitted, hash_of_batch(batch));
  to_.disk.submit(std::move(batch));
}

void Recorder::answer(RequestId request, const Answer& answer) {
  if (is_recording()) output(RecordKind::kAnswered, hash_of_answer(request, answer));
  to_.clients.answer(request, answer);
}

void Recorder::on_event(const NodeEvent& event) {
  if (is_recording()) output(RecordKind::kTold, hash_of_event(event));
  to_.observer.on_event(event);
}

void Recorder::begin_turn() {
  if (writer_.begin(RecordKind::kTurn, 0)) writer_.end();
}

void Recorder::seen(const NodeView& view, Instant deadline) {
  if (!writer_.begin(RecordKind::kTurnEnd, (1 + kSeenFields) * kNumber)) return;
  const Seen now = seen_of(view, deadline);
  std::uint64_t changed = 0;
  for (std::size_t i = 0; i < kSeenFields; ++i) {
    if (now[i] != seen_[i]) changed |= std::uint64_t{1} << i;
  }
  writer_.number(changed);
  for (std::size_t i = 0; i < kSeenFields; ++i) {
    if (now[i] != seen_[i]) writer_.number(zigzag(now[i] - seen_[i]));
  }
  writer_.end();
  writer_.end_turn();
  seen_ = now;
}

void Recorder::end() {
  if (writer_.begin(RecordKind::kEnd, 0)) writer_.end();
  writer_.finish();
}

// --- What only passes ---

void Recorder::on_ready(const NodeView& view, const raft::Ready& ready) {
  to_.observer.on_ready(view, ready);
}
void Recorder::on_send(const NodeView& view, const raft::Message& message) {
  to_.observer.on_send(view, message);
}
void Recorder::on_log_submitted(const NodeView& view, std::uint64_t ticket, WriteId last) {
  to_.observer.on_log_submitted(view, ticket, last);
}
void Recorder::on_applied(const NodeView& view, const raft::Entry& entry, const Applied& applied) {
  to_.observer.on_applied(view, entry, applied);
}
void Recorder::on_restored(const NodeView& view, LogPosition last, std::uint64_t state_hash) {
  to_.observer.on_restored(view, last, state_hash);
}
void Recorder::on_configuration(const NodeView& view, Index index,
                                const raft::Configuration& configuration) {
  to_.observer.on_configuration(view, index, configuration);
}

}  // namespace vesper::node
