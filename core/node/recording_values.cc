#include "core/node/recording_values.h"

#include <type_traits>
#include <utility>

#include "core/base/hash.h"
#include "core/node/recording_format.h"

namespace vesper::node {

namespace {

// --- Fields, one after another: the same list writes them and reads them ---

class Put {
 public:
  explicit Put(std::vector<std::byte>& out) : out_(out) {}

  void field(std::uint64_t value) { number(value); }
  void field(std::int64_t value) { number(static_cast<std::uint64_t>(value)); }
  void field(bool value) { out_.u8(value ? 1 : 0); }
  void field(NodeId value) { number(value.value()); }
  void field(Duration value) { field(value.nanoseconds()); }
  void field(std::string_view value) {
    number(value.size());
    out_.bytes(as_bytes(value));
  }
  template <class Tag>
  void field(StrongId<Tag> value) {
    number(value.value());
  }
  template <class Value>
  void field(const std::vector<Value>& values) {
    number(values.size());
    for (const Value& value : values) field(value);
  }
  template <class Value>
  void field(const std::optional<Value>& value) {
    field(value.has_value());
    if (value) field(*value);
  }
  void field(kv::IdempotencyKey key) {
    field(key.session);
    field(key.number);
  }

 private:
  void number(std::uint64_t value) {
    std::byte encoded[kVarintBytes];
    out_.bytes({encoded, static_cast<std::size_t>(store_varint(encoded, value) - encoded)});
  }
  ByteWriter out_;
};

class Take {
 public:
  explicit Take(ByteView bytes) : in_(bytes) {}

  void field(std::uint64_t& value) { value = take_varint(in_); }
  void field(std::int64_t& value) { value = static_cast<std::int64_t>(take_varint(in_)); }
  void field(bool& value) {
    const std::uint8_t byte = in_.u8();
    value = byte == 1;
    is_good_ = is_good_ && byte <= 1;
  }
  void field(NodeId& value) {
    const std::uint64_t number = take_varint(in_);
    is_good_ = is_good_ && number < limits::kNodeIds;
    value = NodeId(static_cast<std::uint32_t>(number));
  }
  void field(Duration& value) {
    std::int64_t count = 0;
    field(count);
    value = Duration::nanoseconds(count);
  }
  void field(std::string_view& value) { value = as_text(take_bytes(in_)); }
  void field(std::string& value) { value = std::string(as_text(take_bytes(in_))); }
  template <class Tag>
  void field(StrongId<Tag>& value) {
    value = StrongId<Tag>(take_varint(in_));
  }
  template <class Value>
  void field(std::vector<Value>& values) {
    const std::uint64_t count = take_varint(in_);
    is_good_ = is_good_ && count <= in_.remaining();  // each takes a byte at least
    for (std::uint64_t i = 0; i < count && is_good(); ++i) field(values.emplace_back());
  }
  template <class Value>
  void field(std::optional<Value>& value) {
    bool is_there = false;
    field(is_there);
    if (is_there) field(value.emplace());
  }
  void field(kv::IdempotencyKey& key) {
    field(key.session);
    field(key.number);
  }

  bool is_good() const { return is_good_ && in_.ok(); }
  bool is_done() const { return is_good() && in_.remaining() == 0; }

 private:
  ByteReader in_;
  bool is_good_ = true;
};

template <class Fields, class... Values>
void fields(Fields& to, Values&... values) {
  (to.field(values), ...);
}

template <class Fields, class Config>
void raft_fields(Fields& to, Config& config) {
  auto& [id, configuration, timeout_min, timeout_max, heartbeat, lease_reads, drift, entries, bytes,
         inflight, uncommitted, reads, random] = config;
  // The node sets these three itself.
  static_cast<void>(id);
  static_cast<void>(configuration);
  static_cast<void>(random);
  fields(to, timeout_min, timeout_max, heartbeat, lease_reads, drift, entries, bytes, inflight,
         uncommitted, reads);
}

template <class Fields, class Config>
void config_fields(Fields& to, Config& config) {
  auto& [id, cluster_size, addresses, join_by, raft, wal, snapshots, request_timeout, waiting,
         unwritten, sessions, check_interval, scrub_pairs, hello_interval, form] = config;
  fields(to, id, cluster_size, addresses, join_by);
  raft_fields(to, raft);
  auto& [segment_bytes] = wal;
  auto& [entries, bytes, trailing_entries, trailing_bytes, chunk_bytes] = snapshots;
  auto& [sessions_max, numbers_max] = sessions;
  fields(to, segment_bytes, entries, bytes, trailing_entries, trailing_bytes, chunk_bytes);
  fields(to, request_timeout, waiting, unwritten, sessions_max, numbers_max, check_interval,
         scrub_pairs, hello_interval, form);
}

template <class Fields, class What>
void request_fields(Fields& to, What& request, std::uint64_t& kind) {
  auto& [its_kind, key, value, once, target, address, change, at_follower, snapshot, offset] =
      request;
  // Of the kind, its number; key and value stand beside these fields.
  static_cast<void>(its_kind);
  static_cast<void>(key);
  static_cast<void>(value);
  auto& [promote, remove] = change;
  fields(to, kind, once, target, address, promote, remove, at_follower, snapshot, offset);
}

// What a node requires of a request (Node::on_request).
bool may_be_asked(const Request& request) {
  const bool has_key = request.kind == RequestKind::kGet || request.kind == RequestKind::kPut;
  if (request.key.empty() == has_key || request.key.size() > limits::kKeyBytes) return false;
  if (request.value.size() > limits::kValueBytes) return false;
  return !request.once ||
         (request.once->session != SessionId() && request.once->number != RequestNumber());
}

// Only what a node would not survive; the rest is the node's own to judge.
bool may_be_started(const NodeConfig& config) {
  const raft::RaftConfig& raft = config.raft;
  return config.cluster_size <= limits::kNodes &&
         (config.cluster_size == 0 || config.id.value() < config.cluster_size) &&
         Duration() < raft.heartbeat_interval &&
         raft.heartbeat_interval < raft.election_timeout_min &&
         raft.election_timeout_min < raft.election_timeout_max && config.scrub_pairs > 0 &&
         config.sessions.sessions > 0 && config.sessions.numbers > 0;
}

// --- Hashes ---

class Hash {
 public:
  void number(std::uint64_t value) { hash_ = mix64(hash_, value); }
  void bytes(ByteView value) { number(hash64(value, value.size())); }
  void text(std::string_view value) { bytes(as_bytes(value)); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0;
};

struct HashOp {
  Hash& hash;

  void operator()(const storage::CreateFile& op) const {
    hash.text(op.name);
    hash.number(op.size);
    hash.number(op.is_written ? 1 : 0);
  }
  void operator()(const storage::WriteFile& op) const {
    hash.text(op.name);
    hash.number(op.offset);
    hash.bytes(op.bytes);
  }
  // Its bytes are yet to come.
  void operator()(const storage::ReadFile& op) const {
    hash.text(op.name);
    hash.number(op.offset);
    hash.number(op.bytes.size());
  }
  void operator()(const storage::RenameFile& op) const {
    hash.text(op.from);
    hash.text(op.to);
  }
  void operator()(const storage::RemoveFile& op) const { hash.text(op.name); }
  void operator()(const storage::SyncFile& op) const { hash.text(op.name); }
  void operator()(const storage::SyncDirectory&) const {}
};

std::uint64_t number_of(const std::optional<NodeId>& node) {
  return node ? std::uint64_t{node->value()} + 1 : 0;
}

std::uint64_t number_of(const std::optional<DoubtView>& doubt) {
  if (!doubt) return 0;
  const auto& [term, first, last, where] = *doubt;
  Hash hash;
  hash.number(term.value());
  hash.number(first.value());
  hash.number(last.value());
  hash.text(where);
  return hash.value();
}

void add(Hash& hash, const MembersView& view) {
  const auto& [configuration, index, is_committed, last, matches] = view;
  hash.number(hash_of_members(configuration));
  hash.number(index.value());
  hash.number(is_committed ? 1 : 0);
  hash.number(last.value());
  for (const Index match : matches) hash.number(match.value());
}

}  // namespace

void encode_config(const NodeConfig& config, std::vector<std::byte>& out) {
  Put put(out);
  config_fields(put, config);
}

Result<NodeConfig> decode_config(ByteView bytes) {
  NodeConfig config;
  Take take(bytes);
  config_fields(take, config);
  if (take.is_done() && may_be_started(config)) return config;
  return Error{ErrorCode::kInvalid, "the node's configuration is none"};
}

void encode_request(const Request& request, std::vector<std::byte>& out) {
  Put put(out);
  auto kind = static_cast<std::uint64_t>(request.kind);
  request_fields(put, request, kind);
}

RecordedRequest decode_request(ByteView head, ByteView key, ByteView value) {
  RecordedRequest decoded;
  Take take(head);
  std::uint64_t kind = 0;
  request_fields(take, decoded.request, kind);
  decoded.request.key = as_text(key);
  decoded.request.value = as_text(value);
  if (kind > static_cast<std::uint64_t>(RequestKind::kSnapshotPart)) return decoded;
  decoded.request.kind = static_cast<RequestKind>(kind);
  decoded.is_good = take.is_done() && may_be_asked(decoded.request);
  return decoded;
}

Status decode_status(ByteReader& in, Status& decoded) {
  decoded = {};
  const std::uint64_t code = take_varint(in);
  if (in.ok() && code == 0) return {};
  const std::string_view message = as_text(take_bytes(in));
  if (!in.ok() || code > 1 + static_cast<std::uint64_t>(ErrorCode::kNoSpace)) {
    return Error{ErrorCode::kInvalid, "a status is none"};
  }
  decoded = Error{static_cast<ErrorCode>(code - 1), std::string(message)};
  return {};
}

std::uint64_t hash_of_frame(NodeId to, ByteView frame) {
  return hash64(frame, to.value());
}

std::uint64_t hash_of_batch(const storage::DiskBatch& batch) {
  const auto& [lane, ticket, ops] = batch;
  Hash hash;
  hash.number(static_cast<std::uint64_t>(lane));
  hash.number(ticket);
  for (const storage::DiskOp& op : ops) {
    hash.number(op.index());
    std::visit(HashOp{hash}, op);
  }
  return hash.value();
}

std::uint64_t hash_of_answer(RequestId request, const Answer& answer) {
  const auto& [outcome, leader, value, session, verdict, member, is_for_now, members, index] =
      answer;
  Hash hash;
  hash.number(request.value());
  hash.number(static_cast<std::uint64_t>(outcome));
  hash.number(number_of(leader));
  hash.bytes(value.view());
  hash.number(session.value());
  hash.number(static_cast<std::uint64_t>(verdict));
  hash.number(number_of(member));
  hash.number(is_for_now ? 1 : 0);
  if (members != nullptr) add(hash, *members);
  hash.number(index.value());
  return hash.value();
}

std::uint64_t hash_of_members(const raft::Configuration& members) {
  std::vector<std::byte> bytes;
  members.encode(bytes);
  return hash64(bytes);
}

std::uint64_t hash_of_event(const NodeEvent& event) {
  Hash hash;
  hash.number(static_cast<std::uint64_t>(event.kind));
  hash.text(event.detail);
  return hash.value();
}

Seen seen_of(const NodeView& view, Instant deadline) {
  const auto& [id, phase, role, term, vote, leader, commit, applied, base, last, snapshot, durable,
               is_end_unmarked, configuration, is_joint, is_voter, members, cluster, incarnation,
               state_hash, keys, sessions, torn_tails, restored, lease_reads, follower_reads,
               disk_full, snapshot_bytes, log_room, checks, differences, doubt] = view;
  return {id.value(),
          static_cast<std::uint64_t>(phase),
          static_cast<std::uint64_t>(role),
          term.value(),
          number_of(vote),
          number_of(leader),
          commit.value(),
          applied.value(),
          base.value(),
          last.value(),
          snapshot.value(),
          durable.value(),
          is_end_unmarked ? 1U : 0U,
          configuration.value(),
          is_joint ? 1U : 0U,
          is_voter ? 1U : 0U,
          members,
          cluster.value(),
          incarnation.value(),
          state_hash,
          keys,
          sessions,
          torn_tails,
          restored,
          lease_reads,
          follower_reads,
          disk_full ? 1U : 0U,
          snapshot_bytes,
          log_room,
          checks,
          differences,
          number_of(doubt),
          static_cast<std::uint64_t>(deadline.nanoseconds())};
}

const char* seen_name(std::size_t field) {
  static constexpr std::array<const char*, kSeenFields> kNames{
      "id",           "phase",          "role",         "term",           "vote",       "leader",
      "commit",       "applied",        "base",         "last",           "snapshot",   "durable",
      "end unmarked", "configuration",  "joint",        "voter",          "members",    "cluster",
      "incarnation",  "state hash",     "keys",         "sessions",       "torn tails", "restored",
      "lease reads",  "follower reads", "disk full",    "snapshot bytes", "log room",   "checks",
      "differences",  "doubt",          "next deadline"};
  VESPER_CHECK(field < kSeenFields);
  return kNames[field];
}

}  // namespace vesper::node
