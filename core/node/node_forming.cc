// What a node does before Raft starts: give its directory an identity, find out whether its cluster
// is formed already, and form it when every node of the list is up and empty.
#include <algorithm>
#include <utility>

#include "core/base/names.h"
#include "core/node/divergence_note.h"
#include "core/node/node_impl.h"

namespace vesper::node {

namespace {

// A Hello says that its sender is up for this many of its intervals.
constexpr std::int64_t kHelloFreshIntervals = 10;
// A frame that does not belong here is reported at most this often.
constexpr Duration kIgnoredReportInterval = Duration::seconds(1);

}  // namespace

Status NodeImpl::open() {
  VESPER_TRY(refuse_divergence_note(environment_.disk));
  auto stored = storage::read_identity(environment_.disk);
  if (!stored.ok()) return stored.error();
  next_hello_ = environment_.clock.now();

  if (!stored.value()) {
    identity_ = {.node = config_.id,
                 .incarnation = Incarnation(draw_identity()),
                 .cluster = {},
                 .founders = {}};
    identity_to_write_ = identity_;
  } else {
    identity_ = *stored.value();
    identity_is_stored_ = true;
    VESPER_TRY(check_identity());
  }
  if (identity_.formed()) return start_raft();
  if (is_joining()) {
    if (!config_.join_by.empty()) return {};
    return Error{ErrorCode::kMismatch,
                 "the data directory is empty, and no member is named that "
                 "could take this node in"};
  }
  formation_.emplace(
      Formation::Options{.id = config_.id,
                         .cluster_size = config_.cluster_size,
                         .incarnation = identity_.incarnation,
                         .fresh_for = config_.hello_interval * kHelloFreshIntervals});
  return {};
}

Status NodeImpl::check_identity() const {
  if (identity_.node != config_.id) {
    return Error{ErrorCode::kMismatch, "the data directory belongs to " + name_of(identity_.node) +
                                           ", this node is " + name_of(config_.id)};
  }
  // Whoever joined later knows the founders by what it was told.
  const bool is_founder = identity_.node.value() < identity_.founders.size();
  if (!is_founder || is_joining() || identity_.founders.size() == config_.cluster_size) return {};
  return Error{ErrorCode::kMismatch, "the data directory belongs to a cluster of " +
                                         std::to_string(identity_.founders.size()) +
                                         " nodes, the list names " +
                                         std::to_string(config_.cluster_size)};
}

// Never 0: that stands for "none".
std::uint64_t NodeImpl::draw_identity() {
  const DrawKey key{Purpose::kIdentity, config_.id.value()};
  std::uint64_t drawn = 0;
  while (drawn == 0) drawn = environment_.random.draw(key, identity_draws_++);
  return drawn;
}

void NodeImpl::run_forming_turn(Instant now) {
  if (identity_.formed()) return begin_running(now);
  if (!identity_in_flight_) {
    // The bare identity comes first, so that a crash never leaves a log without one; and whoever
    // has just been told of a cluster does not found another.
    if (identity_is_stored_ && !identity_to_write_ && !is_joining()) decide_to_form(now);
    if (identity_to_write_) submit_identity();
  }
  if (now < next_hello_) return;
  next_hello_ = now + config_.hello_interval;
  // The incarnation is durable before anyone hears of it.
  if (identity_is_stored_ && !identity_in_flight_) say_hello(now);
}

void NodeImpl::decide_to_form(Instant now) {
  if (config_.form) {
    // The others' incarnations are unknown, so a wiped disk will not be told from a first start.
    std::vector<Incarnation> founders(config_.cluster_size);
    founders[config_.id.value()] = identity_.incarnation;
    form(ClusterId(draw_identity()), std::move(founders), "by this node alone (--form)");
  } else if (formation_->is_complete(now)) {
    form(ClusterId(draw_identity()), formation_->founders(), "all nodes are up and empty");
  }
}

// Start-up ends here: reading the empty log may still block.
void NodeImpl::begin_running(Instant now) {
  if (const Status started = start_raft(); !started.ok()) return stop(started.error());
  formation_.reset();
  emit(NodeEvent::Kind::kFormed, formed_how_);
  // Who founded it with this node may not have heard yet.
  for (std::uint32_t i = 0; i < config_.cluster_size; ++i) {
    if (NodeId(i) != config_.id) tell_formed_.push_back(NodeId(i));
  }
  run_raft_turn(now);
}

void NodeImpl::say_hello(Instant now) {
  for (std::uint32_t i = 0; i < config_.cluster_size; ++i) {
    if (NodeId(i) != config_.id) send_hello(NodeId(i));
  }
  for (const NodeId member : config_.join_by) send_hello(member);

  const std::vector<NodeId> missing = formation_ ? formation_->waiting_for(now) : config_.join_by;
  if (missing == reported_missing_) return;
  reported_missing_ = missing;
  std::string names;
  for (const NodeId node : missing) names += (names.empty() ? "" : ", ") + name_of(node);
  if (is_joining()) {
    emit(NodeEvent::Kind::kWaiting, "to be taken in by " + names);
  } else {
    emit(NodeEvent::Kind::kWaiting, names.empty() ? "for n0 to form the cluster" : "for " + names);
  }
}

void NodeImpl::send_hello(NodeId to) {
  send_frame(to, Hello{.cluster_size = static_cast<std::uint32_t>(config_.cluster_size),
                       .heard = formation_ ? formation_->heard_of(to) : Incarnation()});
}

// All but Raft's messages, which are too many to be copied (NodeImpl::send).
void NodeImpl::send_frame(NodeId to, FrameBody body) {
  scratch_.clear();
  encode_frame({.cluster = identity_.cluster,
                .incarnation = identity_.incarnation,
                .from = config_.id,
                .to = to,
                .body = std::move(body)},
               scratch_);
  environment_.network.send(to, scratch_);
}

void NodeImpl::form(ClusterId cluster, std::vector<Incarnation> founders, std::string how) {
  identity_to_write_ = identity_;
  identity_to_write_->cluster = cluster;
  identity_to_write_->founders = std::move(founders);
  formed_how_ = std::move(how);
}

// A formed directory has a log from its first moment: the first segment is durable before the
// identity that says so, in one batch.
void NodeImpl::submit_identity() {
  identity_in_flight_ = std::exchange(identity_to_write_, std::nullopt);
  storage::DiskBatch batch{storage::DiskLane::kLog, ++identity_ticket_, {}};
  if (identity_in_flight_->formed()) {
    batch.ops = storage::Wal::format(*identity_in_flight_, config_.wal);
  }
  for (storage::DiskOp& op : storage::write_identity(*identity_in_flight_)) {
    batch.ops.push_back(std::move(op));
  }
  environment_.disk.submit(std::move(batch));
}

void NodeImpl::on_identity_written(const Status& status) {
  if (!status.ok()) return stop(status.error());
  VESPER_CHECK(identity_in_flight_.has_value());
  identity_ = *std::exchange(identity_in_flight_, std::nullopt);
  identity_is_stored_ = true;
  next_hello_ = environment_.clock.now();
}

void NodeImpl::on_hello(const Frame& frame, const Hello& hello) {
  const std::size_t founders =
      identity_.formed() ? identity_.founders.size() : config_.cluster_size;
  if (hello.cluster_size != 0 && hello.cluster_size != founders) {
    return ignore(name_of(frame.from) + " counts " + std::to_string(hello.cluster_size) +
                  " nodes in its list, this node " + std::to_string(founders));
  }
  if (raft_) return on_newcomer(frame);
  if (!formation_ || hello.cluster_size == 0 || frame.from.value() >= founders) return;
  formation_->on_hello(
      environment_.clock.now(),
      {.node = frame.from, .incarnation = frame.incarnation, .heard = hello.heard});
}

void NodeImpl::on_form(const Frame& frame, const Form& form_message) {
  if (frame.cluster == ClusterId()) return ignore("a Form without a cluster id");
  if (identity_.formed()) {
    if (frame.cluster != identity_.cluster) on_other_cluster(frame);
    return;
  }
  if (identity_in_flight_ || identity_to_write_) return;
  if (!is_joining() && form_message.founders.size() != config_.cluster_size) {
    return ignore(name_of(frame.from) + " is of a cluster of " +
                  std::to_string(form_message.founders.size()) + " nodes");
  }
  // Whoever joins is told only once a committed configuration names this very directory.
  const bool is_founder = config_.id.value() < form_message.founders.size();
  const Incarnation founder =
      is_founder ? form_message.founders[config_.id.value()] : identity_.incarnation;
  if (founder != Incarnation() && founder != identity_.incarnation) {
    return stop(
        {ErrorCode::kMismatch,
         "this data directory is empty, but " + name_of(frame.from) +
             " says that the cluster is formed, with another data directory of " +
             name_of(config_.id) +
             ": an empty node may have forgotten a vote, so it does not take part. Start it "
             "with its old data directory; if that is lost for good, replace the member "
             "(vesperctl member replace)"});
  }
  form(frame.cluster, form_message.founders, "told by " + name_of(frame.from));
}

// A directory of another cluster: one stray node must not stop a good cluster, so a node gives up
// only when most of the others say that it is the stray.
void NodeImpl::on_other_cluster(const Frame& frame) {
  if (frame.cluster == ClusterId()) return;
  if (!raft_ || raft_->configuration().find(frame.from) == nullptr) {
    return ignore(name_of(frame.from) + " is of another cluster");
  }
  other_clusters_[frame.from] = frame.cluster;
  if (std::holds_alternative<raft::Message>(frame.body)) tell_formed_.push_back(frame.from);
  const std::size_t others = other_clusters_.size();
  const std::size_t all = raft_->configuration().members().size();
  if (2 * others > all - 1 && std::holds_alternative<Form>(frame.body)) {
    return stop(
        {ErrorCode::kMismatch,
         "the data directory belongs to another cluster than that of most nodes in the list"});
  }
  ignore(name_of(frame.from) + " is of another cluster");
}

void NodeImpl::tell_formed(NodeId to) {
  send_frame(to, Form{identity_.founders});
}

// Anyone may send anything: one line a second at most.
void NodeImpl::ignore(std::string why) {
  ++ignored_;
  const Instant now = environment_.clock.now();
  if (last_ignored_ && now - *last_ignored_ < kIgnoredReportInterval) return;
  last_ignored_ = now;
  emit(NodeEvent::Kind::kIgnored, std::move(why) + " (" + std::to_string(ignored_) + " so far)");
}

}  // namespace vesper::node
