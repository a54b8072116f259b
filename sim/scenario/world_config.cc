#include "sim/scenario/world_config.h"

#include <algorithm>

namespace vesper::sim {

namespace {

LinkConfig link_config_of(const LinkSpec& link) {
  return {.delay = delay_of(link.delay),
          .drop_ppm = link.drop.value().per_million,
          .duplicate_ppm = link.duplicate.value().per_million,
          .burst = burst_of(link.burst),
          .corrupt_ppm = link.corrupt.value().per_million,
          .replay_ppm = link.replay.value().per_million,
          .replay_age = link.replay_age.value()};
}

DiskConfig disk_config_of(const DiskSpec& disk) {
  return {.sync = delay_of(disk.sync),
          .on_crash = disk.on_crash,
          .spikes_ppm = disk.spikes.value().per_million,
          .spike = delay_of(disk.spike)};
}

ClockConfig clock_config_of(const ClockSpec& clock) {
  return {.offset = clock.offset.value(), .drift_ppm = clock.drift_ppm.value().ppm};
}

node::NodeConfig node_config_of(const ClusterSpec& cluster) {
  node::NodeConfig config;
  config.raft.election_timeout_min = cluster.election_timeout_min.value();
  config.raft.election_timeout_max = cluster.election_timeout_max.value();
  config.raft.heartbeat_interval = cluster.heartbeat_interval.value();
  config.raft.append_entries_max = cluster.append_entries_max.value();
  config.raft.append_bytes_max = cluster.append_bytes_max.value();
  config.raft.inflight_appends_max = cluster.inflight_appends_max.value();
  config.raft.uncommitted_bytes_max = cluster.uncommitted_bytes_max.value();
  config.raft.lease_reads = cluster.lease_reads;
  config.raft.lease_drift_ppm = static_cast<std::int64_t>(cluster.lease_drift_ppm.value());
  config.wal.segment_bytes = cluster.segment_bytes.value();
  config.snapshots.entries = cluster.snapshot_entries.value();
  config.snapshots.bytes = cluster.snapshot_bytes.value();
  config.snapshots.trailing_entries = cluster.trailing_entries.value();
  config.snapshots.chunk_bytes = cluster.snapshot_chunk_bytes.value();
  config.scrub_pairs = cluster.scrub_pairs.value();
  config.check_interval = cluster.check_interval.value();
  config.request_timeout = cluster.request_timeout.value();
  config.sessions = {.sessions = cluster.sessions_max.value(),
                     .numbers = cluster.session_numbers_max.value()};
  return config;
}

Preset preset_of(const PresetSpec& preset) {
  Preset result;
  result.hard_state.term = Term(preset.term);
  if (preset.vote) result.hard_state.vote = NodeId(*preset.vote);
  for (const std::uint64_t term : preset.entries_terms) result.entry_terms.emplace_back(term);
  return result;
}

// Whether any link, or any step, may ever ask for old frames.
bool replays_frames(const Scenario& scenario) {
  const auto is_set = [](const Range<Parts>& share) { return share.high.per_million > 0; };
  return is_set(scenario.network.replay) ||
         std::any_of(scenario.links.begin(), scenario.links.end(),
                     [&](const LinkOverride& link) { return is_set(link.link.replay); }) ||
         std::any_of(scenario.steps.begin(), scenario.steps.end(), [&](const Step& step) {
           return step.action == Action::kReplay || (step.replay && is_set(*step.replay));
         });
}

}  // namespace

BurstConfig burst_of(const BurstSpec& burst) {
  return {.drop_ppm = burst.drop.value().per_million,
          .mean_good = burst.mean_good.value(),
          .mean_bad = burst.mean_bad.value()};
}

Delay delay_of(const DelaySpec& delay) {
  return {.distribution = delay.distribution,
          .min = delay.min.value(),
          .mean = delay.mean.value(),
          .max = delay.max.value()};
}

DiskConfig world_disk_of(const Scenario& scenario, NodeId node) {
  const auto own = scenario.disks.find(node.value());
  return disk_config_of(own == scenario.disks.end() ? scenario.disk : own->second);
}

WorldConfig world_config_of(const Scenario& scenario) {
  WorldConfig config;
  config.seed = scenario.seed;
  config.nodes = static_cast<std::uint32_t>(scenario.cluster.nodes.value());
  config.spares = static_cast<std::uint32_t>(scenario.cluster.spares.value());
  config.node = node_config_of(scenario.cluster);
  config.turn_delay_max = scenario.cluster.turn_delay_max.value();
  config.preformed = scenario.cluster.preformed;
  config.network = link_config_of(scenario.network);
  for (const LinkOverride& link : scenario.links) {
    config.links[{NodeId(link.from), NodeId(link.to)}] = link_config_of(link.link);
    if (!link.lose.empty()) config.lost_frames[{NodeId(link.from), NodeId(link.to)}] = link.lose;
  }
  config.remembers_frames = replays_frames(scenario);
  config.disk = disk_config_of(scenario.disk);
  for (const auto& [node, disk] : scenario.disks) {
    if (node < config.all_nodes()) config.disks[NodeId(node)] = disk_config_of(disk);
  }
  for (std::uint32_t node = 0; node < config.all_nodes(); ++node) {
    const auto own = scenario.clocks.find(node);
    const ClockSpec& clock = own == scenario.clocks.end() ? scenario.clock : own->second;
    config.clocks[NodeId(node)] = clock_config_of(clock);
  }
  for (const ClientsSpec& clients : scenario.clients) {
    config.clients.push_back(
        {.count = clients.count.value(),
         .keys = clients.keys.value(),
         .rate_per_kilosecond = clients.rate.value().per_kilosecond,
         .put_ppm = clients.put.value().per_million,
         .value_bytes = clients.value_bytes.value(),
         .timeout = clients.timeout.value(),
         .stray_ppm = clients.stray.value().per_million,
         .sessions = clients.sessions,
         .twice_ppm = clients.twice.value().per_million,
         .follower_reads_ppm = clients.follower_reads.value().per_million,
         .lose_requests_ppm = clients.lose_requests.value().per_million,
         .lose_answers_ppm = clients.lose_answers.value().per_million,
         .delay = clients.delay ? std::optional(delay_of(*clients.delay)) : std::nullopt});
  }
  for (const PresetSpec& preset : scenario.presets) {
    config.presets[NodeId(preset.node)] = preset_of(preset);
  }
  return config;
}

}  // namespace vesper::sim
