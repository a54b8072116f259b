// One list of each table's keys, for whoever walks them: the parser reads, the serializer writes,
// `drawn` draws. A visitor has field(key, member) for every type that stands here.
#pragma once

#include "sim/scenario/scenario.h"

namespace vesper::sim {

template <class Visitor>
void visit_fields(Visitor& visitor, ClusterSpec& cluster) {
  visitor.field("nodes", cluster.nodes);
  visitor.field("spares", cluster.spares);
  visitor.field("election_timeout_min", cluster.election_timeout_min);
  visitor.field("election_timeout_max", cluster.election_timeout_max);
  visitor.field("heartbeat_interval", cluster.heartbeat_interval);
  visitor.field("request_timeout", cluster.request_timeout);
  visitor.field("append_entries_max", cluster.append_entries_max);
  visitor.field("append_bytes_max", cluster.append_bytes_max);
  visitor.field("inflight_appends_max", cluster.inflight_appends_max);
  visitor.field("uncommitted_bytes_max", cluster.uncommitted_bytes_max);
  visitor.field("segment_bytes", cluster.segment_bytes);
  visitor.field("sessions_max", cluster.sessions_max);
  visitor.field("session_numbers_max", cluster.session_numbers_max);
  visitor.field("snapshot_entries", cluster.snapshot_entries);
  visitor.field("snapshot_bytes", cluster.snapshot_bytes);
  visitor.field("trailing_entries", cluster.trailing_entries);
  visitor.field("snapshot_chunk_bytes", cluster.snapshot_chunk_bytes);
  visitor.field("turn_delay_max", cluster.turn_delay_max);
  visitor.field("lease_reads", cluster.lease_reads);
  visitor.field("lease_drift_ppm", cluster.lease_drift_ppm);
  visitor.field("check_interval", cluster.check_interval);
  visitor.field("scrub_pairs", cluster.scrub_pairs);
  visitor.field("preformed", cluster.preformed);
}

template <class Visitor>
void visit_fields(Visitor& visitor, DelaySpec& delay) {
  visitor.field("distribution", delay.distribution);
  visitor.field("min", delay.min);
  visitor.field("mean", delay.mean);
  visitor.field("max", delay.max);
}

template <class Visitor>
void visit_fields(Visitor& visitor, BurstSpec& burst) {
  visitor.field("drop", burst.drop);
  visitor.field("mean_good", burst.mean_good);
  visitor.field("mean_bad", burst.mean_bad);
}

template <class Visitor>
void visit_fields(Visitor& visitor, LinkSpec& link) {
  visitor.field("delay", link.delay);
  visitor.field("drop", link.drop);
  visitor.field("duplicate", link.duplicate);
  visitor.field("burst", link.burst);
  visitor.field("corrupt", link.corrupt);
  visitor.field("replay", link.replay);
  visitor.field("replay_age", link.replay_age);
}

template <class Visitor>
void visit_fields(Visitor& visitor, DiskSpec& disk) {
  visitor.field("sync", disk.sync);
  visitor.field("on_crash", disk.on_crash);
  visitor.field("spikes", disk.spikes);
  visitor.field("spike", disk.spike);
}

template <class Visitor>
void visit_fields(Visitor& visitor, ClockSpec& clock) {
  visitor.field("drift_ppm", clock.drift_ppm);
  visitor.field("offset", clock.offset);
}

template <class Visitor>
void visit_fields(Visitor& visitor, ClientsSpec& clients) {
  visitor.field("count", clients.count);
  visitor.field("keys", clients.keys);
  visitor.field("rate", clients.rate);
  visitor.field("put", clients.put);
  visitor.field("value_bytes", clients.value_bytes);
  visitor.field("timeout", clients.timeout);
  visitor.field("stray", clients.stray);
  visitor.field("sessions", clients.sessions);
  visitor.field("twice", clients.twice);
  visitor.field("follower_reads", clients.follower_reads);
  visitor.field("lose_requests", clients.lose_requests);
  visitor.field("lose_answers", clients.lose_answers);
  visitor.field("delay", clients.delay);
}

// The keys of a step that belong to its action; which action takes which is in step_keys.
template <class Visitor>
void visit_fields(Visitor& visitor, Step& step) {
  visitor.field("node", step.nodes);
  visitor.field("as", step.as);
  visitor.field("groups", step.groups);
  visitor.field("from", step.from);
  visitor.field("to", step.to);
  visitor.field("delay", step.delay);
  visitor.field("drop", step.drop);
  visitor.field("duplicate", step.duplicate);
  visitor.field("sync", step.delay);
  visitor.field("on_crash", step.on_crash);
  visitor.field("part", step.part);
  visitor.field("rate", step.rate);
  visitor.field("key", step.key);
  visitor.field("value", step.value);
  visitor.field("at_follower", step.at_follower);
  visitor.field("room", step.room);
  visitor.field("in_place", step.in_place);
  visitor.field("spikes", step.spikes);
  visitor.field("spike", step.spike);
  visitor.field("lane", step.lane);
  visitor.field("operation", step.operation);
  visitor.field("lasting", step.lasting);
  visitor.field("jump", step.jump);
  visitor.field("drift_ppm", step.drift_ppm);
  visitor.field("stands_still", step.stands_still);
  visitor.field("burst", step.burst);
  visitor.field("corrupt", step.corrupt);
  visitor.field("replay", step.replay);
  visitor.field("replay_age", step.replay_age);
  visitor.field("mid_turn", step.mid_turn);
  visitor.field("type", step.type);
  visitor.field("count", step.count);
  visitor.field("nth", step.nth);
  visitor.field("reverse", step.reverse);
}

}  // namespace vesper::sim
