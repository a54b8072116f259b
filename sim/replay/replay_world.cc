#include "sim/replay/replay_world.h"

#include <fmt/format.h>

#include <utility>

extern "C" [[gnu::noinline]] void vesper_replay_stop(std::uint64_t event) {
  asm volatile("" : : "r"(event) : "memory");  // a call that no optimisation takes away
}

namespace vesper::sim {

namespace {

using node::RecordKind;

constexpr std::uint64_t unzigzag(std::uint64_t value) {
  return (value >> 1) ^ (~(value & 1) + 1);
}

std::string seen_text(std::size_t field, std::uint64_t value) {
  const std::string_view name = node::seen_name(field);
  const bool is_drawn = name == "state hash" || name == "cluster" || name == "incarnation";
  return is_drawn ? fmt::format("{:016x}", value) : std::to_string(value);
}

// What clients wrote, on one line: it may be long, or no text.
std::string one_line(std::string_view text) {
  constexpr std::size_t kShown = 120;
  std::string shown(text.substr(0, kShown));
  for (char& letter : shown) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = '.';
  }
  if (text.size() > kShown) shown += fmt::format("... ({} bytes)", text.size());
  return shown;
}

std::string text_of(const Status& status) {
  return status.ok() ? "success" : status.error().message;
}

const char* request_name(node::RequestKind kind) {
  switch (kind) {
    case node::RequestKind::kGet:
      return "get";
    case node::RequestKind::kPut:
      return "put";
    case node::RequestKind::kTransfer:
      return "move the leader";
    case node::RequestKind::kRegister:
      return "register";
    case node::RequestKind::kAddMember:
      return "add a member";
    case node::RequestKind::kChangeMembers:
      return "change the members";
    case node::RequestKind::kListMembers:
      return "list the members";
    case node::RequestKind::kSnapshot:
      return "make a snapshot";
    case node::RequestKind::kSnapshotPart:
      return "read a snapshot";
  }
  VESPER_UNREACHABLE();
}

struct OpText {
  std::string operator()(const storage::CreateFile& op) const {
    return fmt::format(" create {} of {}", op.name, op.size);
  }
  std::string operator()(const storage::WriteFile& op) const {
    return fmt::format(" write {} at {} bytes {}", op.name, op.offset, op.bytes.size());
  }
  std::string operator()(const storage::ReadFile& op) const {
    return fmt::format(" read {} at {} bytes {}", op.name, op.offset, op.bytes.size());
  }
  std::string operator()(const storage::RenameFile& op) const {
    return fmt::format(" rename {} to {}", op.from, op.to);
  }
  std::string operator()(const storage::RemoveFile& op) const { return " remove " + op.name; }
  std::string operator()(const storage::SyncFile& op) const { return " sync " + op.name; }
  std::string operator()(const storage::SyncDirectory&) const { return " sync the directory"; }
};

std::string text_of(const storage::DiskBatch& batch) {
  std::string text =
      fmt::format("batch {} of lane {}:", batch.ticket, static_cast<int>(batch.lane));
  for (const storage::DiskOp& op : batch.ops) text += std::visit(OpText{}, op);
  return text;
}

std::string text_of(const raft::Configuration& members) {
  std::string text = "members:";
  for (const raft::Member& member : members.members()) {
    text += fmt::format(" n{}{}", member.id.value(), members.is_voter(member.id) ? "" : "?");
  }
  return text;
}

}  // namespace

ReplayWorld::ReplayWorld(node::RecordingReader& reader, const ReplayOptions& options,
                         Replayed& result)
    : reader_(reader), options_(options), result_(result) {}

// --- The recording, record by record ---

RecordKind ReplayWorld::next() {
  if (stops_) {
    result_.is_stopped = true;
    is_over_ = true;
  }
  if (is_over_) return RecordKind::kNone;
  const RecordKind kind = reader_.next();
  if (kind == RecordKind::kNone) {
    is_over_ = true;
    return kind;
  }
  result_.events = reader_.number();
  if (options_.until_event == reader_.number()) {
    stops_ = true;
    vesper_replay_stop(reader_.number());
  }
  return kind;
}

bool ReplayWorld::refuse() {
  is_over_ = true;
  return reader_.refuse();
}

void ReplayWorld::differ(std::string what) {
  is_over_ = true;
  if (result_.difference) return;
  result_.difference = ReplayDifference{turn_, reader_.number(), reader_.offset(), std::move(what)};
}

bool ReplayWorld::expect(RecordKind kind, const char* does) {
  const RecordKind found = next();
  if (found == RecordKind::kNone) return false;
  if (found == kind) return true;
  differ(fmt::format("the recording has {} here, the replay {}", node::record_name(found), does));
  return false;
}

void ReplayWorld::line(const char* direction, std::string_view what) {
  while (what.ends_with(' ')) what.remove_suffix(1);
  buffer_.clear();
  fmt::format_to(std::back_inserter(buffer_), "{:>8} turn {:>6} {} {} {}\n", reader_.number(),
                 turn_, format_instant(read_at_), direction, what);
  options_.trace->write(buffer_);
}

// --- Inputs ---

bool ReplayWorld::opened(const Status& status) {
  if (!expect(RecordKind::kOpened, "has started")) return false;
  Status recorded;
  if (!node::decode_status(reader_.fields(), recorded).ok()) return refuse();
  if (text_of(recorded) != text_of(status)) {
    differ(fmt::format("the start: recorded {}, replayed {}", text_of(recorded), text_of(status)));
    return false;
  }
  if (options_.trace != nullptr) line(">", "started: " + text_of(status));
  return true;
}

bool ReplayWorld::take_frame(SharedBytes& frame) {
  ByteReader& in = reader_.fields();
  frame = SharedBytes::copy_of(node::take_bytes(in));
  if (!in.ok()) return refuse();
  ++result_.frames;
  if (options_.trace != nullptr) {
    const auto decoded = node::decode_frame(frame);
    const std::string from =
        decoded.ok() ? fmt::format("from n{} ", decoded.value().from.value()) : std::string();
    line("<", from + describe_frame(frame.view()));
  }
  return true;
}

bool ReplayWorld::take_request(RequestId& id, node::Request& request) {
  ByteReader& in = reader_.fields();
  id = RequestId(node::take_varint(in));
  const ByteView head = node::take_bytes(in);
  const ByteView key = node::take_bytes(in);
  const ByteView value = node::take_bytes(in);
  const node::RecordedRequest decoded = node::decode_request(head, key, value);
  if (!in.ok() || !decoded.is_good) return refuse();
  request = decoded.request;
  ++result_.requests;
  if (options_.trace != nullptr) {
    line("<", one_line(fmt::format("request {}: {} {} {}", id.value(), request_name(request.kind),
                                   request.key, request.value)));
  }
  return true;
}

bool ReplayWorld::take_done(storage::DiskDone& done) {
  ByteReader& in = reader_.fields();
  const std::uint64_t lane = node::take_varint(in);
  const std::uint64_t ticket = node::take_varint(in);
  if (!node::decode_status(in, done.status).ok() || lane >= submitted_.size()) return refuse();
  auto& waiting = submitted_[lane];
  if (waiting.empty() || waiting.front().ticket != ticket) {
    differ(fmt::format("batch {} of lane {} is done, which the replay has not submitted", ticket,
                       lane));
    return false;
  }
  done.batch = std::move(waiting.front());
  waiting.pop_front();
  for (storage::DiskOp& op : done.batch.ops) {
    auto* read = std::get_if<storage::ReadFile>(&op);
    if (read != nullptr && !node::load_sparse(in, read->bytes)) return refuse();
  }
  ++result_.completions;
  if (options_.trace != nullptr) {
    line("<", fmt::format("batch {} of lane {} is done: {}", ticket, lane, text_of(done.status)));
  }
  return true;
}

Instant ReplayWorld::read_clock() {
  if (!expect(RecordKind::kClock, "reads the clock")) return read_at_;
  const std::uint64_t change = node::take_varint(reader_.fields());
  if (!reader_.fields().ok()) {
    refuse();
    return read_at_;
  }
  // It may wrap, as it did when it was recorded; no sum of signed numbers may.
  const auto before = static_cast<std::uint64_t>(read_at_.nanoseconds());
  read_at_ = Instant::from_nanoseconds(static_cast<std::int64_t>(before + change));
  ++result_.readings;
  if (options_.trace != nullptr) line("<", "clock");
  return read_at_;
}

Result<std::vector<storage::FileInfo>> ReplayWorld::list() {
  const Error over{ErrorCode::kUnavailable, "the recording does not go on"};
  if (!expect(RecordKind::kListed, "lists the files")) return over;
  ByteReader& in = reader_.fields();
  Status status;
  if (!node::decode_status(in, status).ok()) return refuse(), over;
  const std::uint64_t count = node::take_varint(in);
  std::vector<storage::FileInfo> files;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string name(as_text(node::take_bytes(in)));
    files.push_back({std::move(name), node::take_varint(in)});
  }
  if (!in.ok()) return refuse(), over;
  if (options_.trace != nullptr) line("<", fmt::format("{} files", files.size()));
  if (!status.ok()) return status.error();
  return files;
}

Result<SharedBytes> ReplayWorld::read(const std::string& name) {
  const Error over{ErrorCode::kUnavailable, "the recording does not go on"};
  if (!expect(RecordKind::kFile, "reads a file")) return over;
  Status status;
  if (!node::decode_status(reader_.fields(), status).ok()) return refuse(), over;
  const std::uint64_t size = node::take_varint(reader_.fields());
  if (options_.trace != nullptr) {
    line("<", fmt::format("file {} of {} bytes: {}", name, size, text_of(status)));
  }
  if (!status.ok()) return status.error();
  // Each part takes a byte at least.
  if (size / node::kRecordingPartBytes > reader_.bytes_left()) return refuse(), over;
  bool is_whole = true;
  auto fill = [&](std::span<std::byte> to) {
    while (is_whole && !to.empty()) {
      const auto part = to.first(std::min(to.size(), node::kRecordingPartBytes));
      is_whole = expect(RecordKind::kPart, "reads a file") &&
                 (node::load_sparse(reader_.fields(), part) || refuse());
      to = to.subspan(part.size());
    }
  };
  SharedBytes bytes = SharedBytes::make(size, fill);
  if (!is_whole) return over;
  return bytes;
}

// --- Outputs ---

template <class Words>
void ReplayWorld::output(RecordKind kind, std::uint64_t hash, Words words) {
  if (is_over_) return;
  const RecordKind found = next();
  if (found == RecordKind::kNone) return;
  if (found != kind) {
    return differ(fmt::format("the recording has {} here, the replay has {}: {}",
                              node::record_name(found), node::record_name(kind), words()));
  }
  const std::uint64_t recorded = reader_.fields().u64();
  if (!reader_.fields().ok()) {
    refuse();
    return;
  }
  ++result_.outputs;
  if (options_.trace != nullptr) line(">", words());
  if (recorded == hash) return;
  differ(
      fmt::format("{} is another one in the replay: {} (hash recorded {:016x}, replayed {:016x})",
                  node::record_name(kind), words(), recorded, hash));
}

void ReplayWorld::send(NodeId to, ByteView frame) {
  output(RecordKind::kSent, node::hash_of_frame(to, frame),
         [&] { return fmt::format("to n{} {}", to.value(), describe_frame(frame)); });
}

void ReplayWorld::meet(const raft::Configuration& members) {
  output(RecordKind::kMet, node::hash_of_members(members), [&] { return text_of(members); });
}

void ReplayWorld::submit(storage::DiskBatch batch) {
  output(RecordKind::kSubmitted, node::hash_of_batch(batch), [&] { return text_of(batch); });
  submitted_[static_cast<std::size_t>(batch.lane)].push_back(std::move(batch));
}

void ReplayWorld::answer(RequestId request, const node::Answer& answer) {
  output(RecordKind::kAnswered, node::hash_of_answer(request, answer), [&] {
    return one_line(fmt::format("answer to {}: {}", request.value(), describe(answer)));
  });
}

void ReplayWorld::on_event(const node::NodeEvent& event) {
  output(RecordKind::kTold, node::hash_of_event(event), [&] { return describe(event); });
}

// --- Turns ---

void ReplayWorld::turn_begins() {
  if (options_.until_turn == turn_) vesper_replay_stop(reader_.number());
  if (options_.trace != nullptr) line("<", "turn");
}

void ReplayWorld::turn_ended(const node::NodeView& view, Instant deadline) {
  result_.view = view;
  if (!expect(RecordKind::kTurnEnd, "has ended its turn")) return;
  ByteReader& in = reader_.fields();
  const std::uint64_t changed = node::take_varint(in);
  node::Seen recorded = seen_;
  for (std::size_t i = 0; i < node::kSeenFields; ++i) {
    if ((changed >> i & 1) != 0) recorded[i] += unzigzag(node::take_varint(in));
  }
  if (!in.ok() || changed >> node::kSeenFields != 0) {
    refuse();
    return;
  }
  compare_seen(recorded, node::seen_of(view, deadline), changed);
  seen_ = recorded;
  if (is_over_) return;
  result_.turns = turn_;
  if (options_.until_turn == turn_) stops_ = true;
  ++turn_;
}

void ReplayWorld::compare_seen(const node::Seen& recorded, const node::Seen& replayed,
                               std::uint64_t changed) {
  std::string differences;
  std::string changes;
  for (std::size_t i = 0; i < node::kSeenFields; ++i) {
    if (recorded[i] != replayed[i]) {
      differences +=
          fmt::format("{}{}: recorded {}, replayed {}", differences.empty() ? "" : "; ",
                      node::seen_name(i), seen_text(i, recorded[i]), seen_text(i, replayed[i]));
    }
    if (options_.trace != nullptr && (changed >> i & 1) != 0) {
      changes += fmt::format(" {} {}", node::seen_name(i), seen_text(i, recorded[i]));
    }
  }
  if (options_.trace != nullptr) line(">", "turn ends:" + changes);
  if (!differences.empty()) differ("after the turn, " + differences);
}

void ReplayWorld::ended() {
  result_.has_ended = true;
  if (options_.trace != nullptr) line("<", "the life ends");
}

}  // namespace vesper::sim
