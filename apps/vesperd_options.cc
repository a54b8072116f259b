#include "apps/vesperd_options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "core/base/version.h"

namespace vesper {

namespace {

// The command line's own units, before they are checked against each other.
struct RawOptions {
  std::uint32_t id = 0;
  std::string ip_list;
  std::vector<std::string> join;
  std::int64_t join_timeout_ms = 60'000;
  std::int64_t check_interval_ms = 10'000;
  std::string data_directory;
  std::string bind_host;
  bool form = false;
  bool no_fsync = false;
  std::int64_t election_min_ms = 300;
  std::int64_t election_max_ms = 600;
  std::int64_t heartbeat_ms = 50;
  std::int64_t request_timeout_ms = 800;
  bool lease_reads = false;
  std::int64_t clock_drift_ppm = 10'000;
  std::int64_t idle_s = 300;
  std::uint64_t segment_mib = 16;
  std::uint64_t snapshot_mib = limits::kSnapshotBytesDue / (1024 * 1024);
  std::uint64_t snapshot_entries = limits::kSnapshotEntriesDue;
  std::uint64_t trailing_entries = limits::kTrailingEntries;
  std::size_t max_connections = 16 * 1024;
  std::size_t max_requests = 4096;
  std::size_t max_body = 1024 * 1024;
  std::string record;
  std::uint64_t record_gib = 64;
  net::LogLevel log_level = net::LogLevel::kInfo;
};

void add_cluster_options(CLI::App& app, RawOptions& raw) {
  app.add_option("id", raw.id,
                 "This node: its line in the ip list, counted from 0; with --join the number that "
                 "vesperctl member add gave it")
      ->required();
  auto* list =
      app.add_option("ip-list-file", raw.ip_list, "One http://host:port a line, one line a node");
  app.add_option("--join", raw.join,
                 "Instead of an ip list: the addresses of members, with commas between them. This "
                 "node is a member that came later. It asks them where it belongs, and does "
                 "without them once it has joined")
      ->delimiter(',')
      ->excludes(list);
  app.add_option("--join-timeout", raw.join_timeout_ms,
                 "How long it asks again while none of them tells, in ms")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
  app.add_option("--data-dir", raw.data_directory,
                 "Where the log is kept (default: vesper-data-<id> in the current folder)");
  app.add_option("--bind", raw.bind_host,
                 "The address to listen on (default: the host of this node's line)");
  app.add_flag("--form", raw.form,
               "Form the cluster without waiting until every node of the list is up and empty. "
               "Dangerous: if a node of the list was part of a cluster before and lost its disk, "
               "acknowledged writes may be lost; and forming it on two nodes makes two clusters");
  app.add_flag("--no-fsync", raw.no_fsync,
               "Do not wait for the disk. Unsafe: a power failure may lose acknowledged writes "
               "and votes");
  app.add_option("--segment-size", raw.segment_mib, "Size of a log file, in MiB")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--snapshot-size", raw.snapshot_mib,
                 "A snapshot is due each time the log has grown by so many MiB")
      ->check(CLI::Range(1, 1024 * 1024))
      ->capture_default_str();
  app.add_option("--snapshot-entries", raw.snapshot_entries, "... or by so many entries")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--trailing-entries", raw.trailing_entries,
                 "Of the entries that a snapshot stands for, the last so many stay in the log, for "
                 "followers that are a little behind")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
}

void add_timing_options(CLI::App& app, RawOptions& raw) {
  const auto is_time = CLI::Range(1, 3'600'000);
  app.add_option("--election-timeout-min", raw.election_min_ms,
                 "A follower campaigns after hearing no leader for a random time from this, in ms")
      ->check(is_time)
      ->capture_default_str();
  app.add_option("--election-timeout-max", raw.election_max_ms, "... up to this, in ms")
      ->check(is_time)
      ->capture_default_str();
  app.add_option("--heartbeat", raw.heartbeat_ms, "Time between a leader's heartbeats, in ms")
      ->check(is_time)
      ->capture_default_str();
  app.add_option("--request-timeout", raw.request_timeout_ms,
                 "A request is answered within this time, in ms")
      ->check(is_time)
      ->capture_default_str();
  app.add_option("--check-interval", raw.check_interval_ms,
                 "Time between two comparisons of all nodes' states, in ms; 0: never. A node whose "
                 "state is not that of the majority stops")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
  app.add_flag("--lease-reads", raw.lease_reads,
               "A leader answers reads by its lease, without asking the others. Trusts the clocks: "
               "where they run more apart than --clock-drift says, a read may be stale. Every node "
               "of the cluster must be started with it, or none");
  app.add_option("--clock-drift", raw.clock_drift_ppm,
                 "How much faster or slower than time any node's clock may run, in parts in a "
                 "million; leases are shorter by it")
      ->check(CLI::Range(0, 500'000))
      ->capture_default_str();
}

void add_limit_options(CLI::App& app, RawOptions& raw) {
  app.add_option("--max-connections", raw.max_connections,
                 "Open connections; beyond it a client gets 503, and other nodes are still served")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--max-requests", raw.max_requests,
                 "Requests that wait for their outcome; beyond it a client gets 503 at once")
      ->check(CLI::Range(std::size_t{1}, limits::kWaitingRequests))
      ->capture_default_str();
  app.add_option("--max-body", raw.max_body, "Bytes of a client's body; longer gets 413")
      ->check(CLI::Range(1024, 1024 * 1024))
      ->capture_default_str();
  app.add_option("--idle-timeout", raw.idle_s, "An idle connection is closed after this, in s")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  const std::map<std::string, net::LogLevel> levels = {{"debug", net::LogLevel::kDebug},
                                                       {"info", net::LogLevel::kInfo},
                                                       {"warning", net::LogLevel::kWarning},
                                                       {"error", net::LogLevel::kError},
                                                       {"off", net::LogLevel::kOff}};
  // In words of our own: CLI11's would be these levels' numbers, as bytes.
  app.add_option("--log-level", raw.log_level, "What is logged, and what is graver")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case)
                      .description("debug, info, warning, error or off"))
      ->type_name("LEVEL")
      ->default_str("info");
}

void add_recording_options(CLI::App& app, RawOptions& raw) {
  app.add_option("--record", raw.record,
                 "Record to this file all that comes into the node, for vesper-sim replay. A life "
                 "of the process begins a file of its own: where FILE is there, FILE.2 and so on. "
                 "Each begins with what the node reads of its data directory, and grows with the "
                 "traffic. It holds all keys and values. If it cannot be written, the node serves "
                 "on, and logs that")
      ->type_name("FILE");
  app.add_option("--record-size", raw.record_gib, "The recording ends at so many GiB")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

// Where the node belongs: in a list, or in a cluster that it joins.
Status place(const RawOptions& raw, VesperdOptions& options) {
  options.node.id = NodeId(raw.id);
  if (raw.id >= limits::kNodeIds) {
    return Error{ErrorCode::kInvalid, "there is no node " + std::to_string(raw.id) +
                                          ": ids are below " + std::to_string(limits::kNodeIds)};
  }
  if (!raw.join.empty()) {
    if (raw.form) return Error{ErrorCode::kInvalid, "--form makes a cluster, --join joins one"};
    for (const std::string& address : raw.join) {
      const auto parsed = net::parse_address(address);
      if (!parsed.ok()) {
        return Error{ErrorCode::kInvalid, "--join: " + parsed.error().message};
      }
    }
    options.join = raw.join;
    options.join_timeout = std::chrono::milliseconds(raw.join_timeout_ms);
    return {};
  }
  if (raw.ip_list.empty()) {
    return Error{ErrorCode::kInvalid,
                 "an ip-list-file is needed, or --join with addresses of members"};
  }
  auto list = net::read_ip_list(raw.ip_list);
  if (!list.ok()) return list.error();
  const std::size_t count = list.value().size();
  if (raw.id >= count) {
    return Error{ErrorCode::kInvalid, "there is no node " + std::to_string(raw.id) + ": " +
                                          raw.ip_list + " names " + std::to_string(count) +
                                          ", counted from 0"};
  }
  options.addresses = net::by_id(std::move(list.value()));
  options.node.cluster_size = count;
  for (const auto& [id, address] : options.addresses) {
    options.node.addresses.push_back(address.line);
  }
  return {};
}

Result<VesperdOptions> checked(const RawOptions& raw) {
  if (raw.heartbeat_ms >= raw.election_min_ms || raw.election_min_ms >= raw.election_max_ms) {
    return Error{ErrorCode::kInvalid,
                 "--heartbeat < --election-timeout-min < --election-timeout-max must hold"};
  }
  VesperdOptions options;
  VESPER_TRY(place(raw, options));
  options.node.form = raw.form;
  options.node.raft.election_timeout_min = Duration::milliseconds(raw.election_min_ms);
  options.node.raft.election_timeout_max = Duration::milliseconds(raw.election_max_ms);
  options.node.raft.heartbeat_interval = Duration::milliseconds(raw.heartbeat_ms);
  options.node.raft.lease_reads = raw.lease_reads;
  options.node.raft.lease_drift_ppm = raw.clock_drift_ppm;
  options.node.request_timeout = Duration::milliseconds(raw.request_timeout_ms);
  options.node.waiting_requests_max = raw.max_requests;
  options.node.wal.segment_bytes = raw.segment_mib * 1024 * 1024;
  options.node.snapshots.bytes = raw.snapshot_mib * 1024 * 1024;
  options.node.check_interval = Duration::milliseconds(raw.check_interval_ms);
  options.node.snapshots.entries = raw.snapshot_entries;
  options.node.snapshots.trailing_entries = raw.trailing_entries;
  options.data_directory =
      raw.data_directory.empty() ? "vesper-data-" + std::to_string(raw.id) : raw.data_directory;
  options.sync = !raw.no_fsync;
  options.bind_host = raw.bind_host;
  options.body_bytes = raw.max_body;
  options.http.connections = raw.max_connections;
  options.http.idle_time = std::chrono::seconds(raw.idle_s);
  options.record = {raw.record, raw.record_gib * 1024 * 1024 * 1024};
  options.log_level = raw.log_level;
  return options;
}

}  // namespace

ParsedVesperdOptions parse_vesperd_options(int argc, const char* const* argv) {
  CLI::App app{
      "vesperd: one node of a replicated key-value store.\n"
      "Exit status: 0 after SIGTERM or SIGINT, 1 when the node must not run (damage, a "
      "failed sync, a refused\ndirectory or port), 2 for bad usage or input, 3 when it was removed "
      "from the cluster."};
  RawOptions raw;
  app.set_version_flag("--version", std::string("vesperd ") + kVesperVersion);
  add_cluster_options(app, raw);
  add_timing_options(app, raw);
  add_limit_options(app, raw);
  add_recording_options(app, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : 2};
  }
  auto options = checked(raw);
  if (!options.ok()) {
    std::fprintf(stderr, "vesperd: %s\n", options.error().message.c_str());
    return {std::nullopt, 2};
  }
  return {std::move(options.value()), 0};
}

}  // namespace vesper
