#include "sim/scenario/shrink_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vesper::sim {

namespace {

struct Setting {
  const char* what;
  void (*apply)(Scenario& scenario, const Scenario& usual);
};

constexpr Setting kWorldSettings[] = {
    {"the network's losses", [](Scenario& s, const Scenario&) { s.network.drop = Parts{}; }},
    {"the network's repetitions",
     [](Scenario& s, const Scenario&) { s.network.duplicate = Parts{}; }},
    {"the network's delays",
     [](Scenario& s, const Scenario& usual) { s.network.delay = usual.network.delay; }},
    {"bursts of loss", [](Scenario& s, const Scenario&) { s.network.burst = {}; }},
    {"corrupted frames", [](Scenario& s, const Scenario&) { s.network.corrupt = Parts{}; }},
    {"frames of the past",
     [](Scenario& s, const Scenario& usual) {
       s.network.replay = Parts{};
       s.network.replay_age = usual.network.replay_age;
     }},
    {"links of their own", [](Scenario& s, const Scenario&) { s.links.clear(); }},
    {"disks of their own", [](Scenario& s, const Scenario&) { s.disks.clear(); }},
    {"the disks' delays",
     [](Scenario& s, const Scenario& usual) { s.disk.sync = usual.disk.sync; }},
    {"the disks' spikes",
     [](Scenario& s, const Scenario& usual) {
       s.disk.spikes = usual.disk.spikes;
       s.disk.spike = usual.disk.spike;
     }},
    {"what a crash does to disks",
     [](Scenario& s, const Scenario& usual) { s.disk.on_crash = usual.disk.on_crash; }},
    {"clocks of their own", [](Scenario& s, const Scenario&) { s.clocks.clear(); }},
    {"the clocks' drift", [](Scenario& s, const Scenario& usual) { s.clock = usual.clock; }},
};

constexpr Setting kClusterSettings[] = {
    {"turns that come late",
     [](Scenario& s, const Scenario&) { s.cluster.turn_delay_max = Duration(); }},
    {"leases", [](Scenario& s, const Scenario&) { s.cluster.lease_reads = false; }},
    {"the bound on drift",
     [](Scenario& s, const Scenario& usual) {
       s.cluster.lease_drift_ppm = usual.cluster.lease_drift_ppm;
     }},
    {"comparisons of states",
     [](Scenario& s, const Scenario&) { s.cluster.check_interval = Duration(); }},
    {"slices of the memory's walk",
     [](Scenario& s, const Scenario& usual) { s.cluster.scrub_pairs = usual.cluster.scrub_pairs; }},
    {"limits of messages",
     [](Scenario& s, const Scenario& usual) {
       s.cluster.append_entries_max = usual.cluster.append_entries_max;
       s.cluster.append_bytes_max = usual.cluster.append_bytes_max;
       s.cluster.inflight_appends_max = usual.cluster.inflight_appends_max;
       s.cluster.uncommitted_bytes_max = usual.cluster.uncommitted_bytes_max;
     }},
    {"limits of sessions",
     [](Scenario& s, const Scenario& usual) {
       s.cluster.sessions_max = usual.cluster.sessions_max;
       s.cluster.session_numbers_max = usual.cluster.session_numbers_max;
     }},
    {"snapshots",
     [](Scenario& s, const Scenario& usual) {
       s.cluster.snapshot_entries = usual.cluster.snapshot_entries;
       s.cluster.snapshot_bytes = usual.cluster.snapshot_bytes;
       s.cluster.trailing_entries = usual.cluster.trailing_entries;
       s.cluster.snapshot_chunk_bytes = usual.cluster.snapshot_chunk_bytes;
     }},
    {"small segments",
     [](Scenario& s, const Scenario& usual) {
       s.cluster.segment_bytes = usual.cluster.segment_bytes;
     }},
    {"the cluster's times",
     [](Scenario& s, const Scenario& usual) {
       s.cluster.election_timeout_min = usual.cluster.election_timeout_min;
       s.cluster.election_timeout_max = usual.cluster.election_timeout_max;
       s.cluster.heartbeat_interval = usual.cluster.heartbeat_interval;
       s.cluster.request_timeout = usual.cluster.request_timeout;
     }},
    {"the cluster's forming", [](Scenario& s, const Scenario&) { s.cluster.preformed = true; }},
};

// Of one crowd.
struct Quieter {
  const char* what;
  void (*apply)(ClientsSpec& clients);
};

constexpr std::uint64_t kLeastRate = 1'000;  // operations in a thousand seconds

constexpr Quieter kQuieter[] = {
    {"all clients of a crowd but one", [](ClientsSpec& c) { c.count = 1; }},
    {"half of a crowd", [](ClientsSpec& c) { c.count = (c.count.value() + 1) / 2; }},
    {"most of a crowd's load",
     [](ClientsSpec& c) {
       const std::uint64_t rate = c.rate.value().per_kilosecond;
       if (rate > kLeastRate) c.rate = Rate{std::max(rate / 4, kLeastRate)};
     }},
    {"all keys but one", [](ClientsSpec& c) { c.keys = 1; }},
    {"long values", [](ClientsSpec& c) { c.value_bytes = ClientsSpec().value_bytes; }},
    {"gets", [](ClientsSpec& c) { c.put = Parts{1'000'000}; }},
    {"requests to nodes that do not lead", [](ClientsSpec& c) { c.stray = Parts{}; }},
    {"tries sent twice", [](ClientsSpec& c) { c.twice = Parts{}; }},
    {"reads at followers", [](ClientsSpec& c) { c.follower_reads = Parts{}; }},
    {"requests and answers that are lost",
     [](ClientsSpec& c) { c.lose_requests = c.lose_answers = Parts{}; }},
    {"a crowd's own delays", [](ClientsSpec& c) { c.delay.reset(); }},
    {"sessions", [](ClientsSpec& c) { c.sessions = false; }},
    {"a crowd's own patience", [](ClientsSpec& c) { c.timeout = ClientsSpec().timeout; }},
};

template <class T>
void erase_at(std::vector<T>& from, std::size_t at) {
  from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

std::vector<Simplification> fewer_machines(const Scenario& scenario) {
  std::vector<Simplification> all;
  const std::uint64_t nodes = scenario.cluster.nodes.value();
  for (std::uint64_t left = 1; left < nodes; ++left) {
    all.push_back({fmt::format("{} of {} nodes", nodes - left, nodes),
                   [left](Scenario& s) { s.cluster.nodes = left; }});
  }
  const std::uint64_t spares = scenario.cluster.spares.value();
  for (std::uint64_t left = 0; left < spares; ++left) {
    all.push_back({fmt::format("{} of {} spares", spares - left, spares),
                   [left](Scenario& s) { s.cluster.spares = left; }});
  }
  return all;
}

std::vector<Simplification> less_load(const Scenario& scenario) {
  std::vector<Simplification> all;
  for (std::size_t i = 0; i < scenario.clients.size(); ++i) {
    all.push_back({"a crowd of clients", [i](Scenario& s) { erase_at(s.clients, i); }});
    for (const Quieter& each : kQuieter) {
      all.push_back({each.what, [i, &each](Scenario& s) { each.apply(s.clients[i]); }});
    }
  }
  for (std::size_t i = 0; i < scenario.presets.size(); ++i) {
    all.push_back({"what a disk held before", [i](Scenario& s) { erase_at(s.presets, i); }});
  }
  for (std::size_t i = 0; i < scenario.expectations.size(); ++i) {
    all.push_back({"an expectation", [i](Scenario& s) { erase_at(s.expectations, i); }});
  }
  return all;
}

std::vector<Simplification> usual_settings() {
  std::vector<Simplification> all;
  const auto add = [&](const Setting& each) {
    all.push_back({each.what, [&each](Scenario& s) { each.apply(s, Scenario()); }});
  };
  for (const Setting& each : kWorldSettings) add(each);
  for (const Setting& each : kClusterSettings) add(each);
  return all;
}

}  // namespace vesper::sim
