// vesperctl: the client's program. `vesperctl ADDRESS KEY [VALUE]` is the documented form
// (apps/ctl/words.h); the rest are subcommands. What an address looks like decides: a first word
// that begins with http is the documented form's.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/ctl/api.h"
#include "apps/ctl/backup.h"
#include "apps/ctl/bench.h"
#include "apps/ctl/cluster.h"
#include "apps/ctl/member.h"
#include "apps/ctl/move_leader.h"
#include "apps/ctl/recover.h"
#include "apps/ctl/request.h"
#include "apps/ctl/status.h"
#include "apps/ctl/wal.h"
#include "apps/ctl/words.h"
#include "core/base/limits.h"

namespace {

using namespace vesper::ctl;

std::string check_address(const std::string& text) {
  if (Api::is_address(text)) return {};
  return "'" + text + "' is not an address of the form http://host:port";
}

void add_bench(CLI::App& app, BenchOptions& bench) {
  app.add_option("ADDRESS", bench.address, "Any node")->required()->check(check_address);
  app.add_option("--clients", bench.clients, "Clients at once, each with one kept connection")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--seconds", bench.seconds, "How long")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--op", bench.op, "What they do; mixed is half of each")
      ->check(CLI::IsMember({"put", "get", "mixed"}))
      ->capture_default_str();
  app.add_option("--value-size", bench.value_bytes, "Bytes of a value's JSON text, at least")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--keys", bench.keys, "How many keys they share; get puts each once, first")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  app.add_option("--fill-seconds", bench.fill_seconds, "How long get may take for these puts")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_flag("--sessions", bench.sessions,
               "Each client registers a session and repeats a put until its outcome is known");
  app.add_flag("--json", bench.json, "Print one JSON object instead of text");
  app.add_option("--history", bench.history_file,
                 "Write every operation to this file, for vesper-sim check");
}

void add_cluster(CLI::App& app, ClusterOptions& cluster) {
  app.add_option("--nodes", cluster.nodes, "How many nodes")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--dir", cluster.directory, "Where their data, logs and ip list go")->required();
  app.add_option("--base-port", cluster.base_port,
                 "The first node's port, the others' follow; 0 chooses free ones")
      ->capture_default_str();
  app.add_option("--vesperd", cluster.program, "The program of a node")->capture_default_str();
}

void add_move_leader(CLI::App& app, MoveLeaderOptions& move, std::int64_t& timeout_ms) {
  app.add_option("ADDRESS", move.address, "Any node")->required()->check(check_address);
  app.add_option("NODE", move.to,
                 "The node that is to lead, by its number; none: the leader's choice")
      ->check(CLI::Range(std::uint32_t{0}, vesper::limits::kNodeIds - 1));
  app.add_option("--timeout", timeout_ms, "How long to look for a leader, in ms")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
}

// One id, or several.
template <class Ids>
void add_id(CLI::App& app, const char* name, Ids& ids, const char* what) {
  app.add_option(name, ids, what)
      ->required()
      ->check(CLI::Range(std::uint32_t{0}, vesper::limits::kNodeIds - 1));
}

// What `vesperctl member` has to do, once it is told.
struct MemberCommand {
  CLI::App* app = nullptr;
  int (*run)(const MemberOptions&) = nullptr;
  MemberOptions options;
  std::int64_t timeout_ms = 0;
};

CLI::App& add_member_command(CLI::App& member, std::deque<MemberCommand>& commands,
                             int (*run)(const MemberOptions&), const char* name, const char* help,
                             std::int64_t timeout_ms) {
  commands.push_back({member.add_subcommand(name, help), run, {}, timeout_ms});
  MemberCommand& command = commands.back();
  command.app->add_option("ADDRESS", command.options.address, "Any member")
      ->required()
      ->check(check_address);
  command.app
      ->add_option("--timeout", command.timeout_ms, "How long to try, and to wait, at most, in ms")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
  return *command.app;
}

void add_member(CLI::App& member, std::deque<MemberCommand>& commands) {
  constexpr std::int64_t kShort = 5000;
  constexpr std::int64_t kCatchUp = 60'000;
  constexpr std::int64_t kReplace = 600'000;
  member.require_subcommand(1);
  const auto options = [&]() -> MemberOptions& { return commands.back().options; };
  CLI::App& list = add_member_command(member, commands, run_member_list, "list",
                                      "Who takes part, and how far each has come", kShort);
  list.add_flag("--json", options().json, "Print what GET /members answers");

  CLI::App& add = add_member_command(
      member, commands, run_member_add, "add",
      "Have a learner at an address, which is to be started then; prints its id and how", kShort);
  add.add_option("NEW_ADDRESS", options().new_address, "Where it will be reached")
      ->required()
      ->check(check_address);

  CLI::App& promote = add_member_command(
      member, commands, run_member_promote, "promote",
      "Make voters of learners; waits until they have joined and caught up", kCatchUp);
  add_id(promote, "ID", options().ids, "The learners, by their numbers");

  CLI::App& remove = add_member_command(member, commands, run_member_remove, "remove",
                                        "Have members leave; their nodes then end", kShort);
  add_id(remove, "ID", options().ids, "The members, by their numbers");

  CLI::App& replace = add_member_command(
      member, commands, run_member_replace, "replace",
      "Have a new node take a member's place: adds it, waits until it was started and has caught "
      "up, then makes it a voter and removes the old one in one step. May be run again",
      kReplace);
  options().ids.resize(1);
  add_id(replace, "OLD_ID", options().ids.front(), "The member that is to leave");
  replace
      .add_option("NEW_ADDRESS", options().new_address,
                  "Where the new node will be reached. The old one's own address will do: then "
                  "the old one leaves first")
      ->required()
      ->check(check_address);
}

int run_member(std::deque<MemberCommand>& commands) {
  for (MemberCommand& command : commands) {
    if (!command.app->parsed()) continue;
    command.options.timeout = std::chrono::milliseconds(command.timeout_ms);
    return command.run(command.options);
  }
  return kBadUsage;
}

// The commands that are about files: logs, backups, directories of new clusters.
class DataCommands {
 public:
  explicit DataCommands(CLI::App& app) {
    auto* wal = app.add_subcommand("wal", "Look at a node's data directory while no node uses it");
    wal->require_subcommand(1);
    verify_ = wal->add_subcommand("verify",
                                  "What is whole, torn or damaged. Exit status: 0 all is whole, 1 "
                                  "but for what a crash left, 2 damage, or nothing to look at");
    verify_->add_option("DIR", wal_.directory, "The data directory")->required();
    dump_ = wal->add_subcommand("dump",
                                "Every record, up to the first damage; exit status as "
                                "verify's");
    dump_->add_option("DIR", wal_.directory, "The data directory")->required();
    dump_->add_flag("--json", wal_.as_json, "A JSON object a line");
    backup_ = app.add_subcommand("backup", "All that a live cluster holds, as one verified file");
    backup_->add_option("ADDRESS", backup_options_.address, "Any node")
        ->required()
        ->check(check_address);
    backup_->add_option("FILE", backup_options_.file, "Gets its name when it is whole")->required();
    backup_->add_option("--timeout", timeout_ms_, "How long to wait without any progress, in ms")
        ->check(CLI::Range(0, 86'400'000))
        ->capture_default_str();
    restore_ = app.add_subcommand("restore", "Make the data directories of a new cluster");
    restore_->add_option("FILE", restore_options_.file, "A backup")->required();
    add_new_cluster(*restore_, *restore_->add_option("DIR", restore_options_.cluster.directory),
                    restore_options_.cluster);
    add_recover(app);
  }
  // Nothing: it was none of these.
  std::optional<int> run() {
    backup_options_.timeout = std::chrono::milliseconds(timeout_ms_);
    if (verify_->parsed()) return run_wal_verify(wal_);
    if (dump_->parsed()) return run_wal_dump(wal_);
    if (backup_->parsed()) return run_backup(backup_options_);
    if (restore_->parsed()) return run_restore(restore_options_);
    if (recover_->parsed()) return run_recover(recover_options_);
    return std::nullopt;
  }

 private:
  static void add_new_cluster(CLI::App& command, CLI::Option& directory, NewCluster& cluster) {
    directory.required()->description(
        "Gets n0, n1 and so on, one for each node's --data-dir; must not be there");
    command.add_option("--nodes", cluster.nodes, "How many: the lines of the ip list")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--segment-size", cluster.segment_mib, "The first log file of each, in MiB")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
  }
  void add_recover(CLI::App& app) {
    recover_ = app.add_subcommand(
        "recover-with-data-loss",
        "Make a new cluster of what is left of one that lost its majority for good. Writes that "
        "only the lost nodes held are gone, acknowledged or not. Stop every old node first, and "
        "start none again, not even one that is found again: with a majority the old cluster "
        "would serve beside the new one");
    recover_
        ->add_option("DIR", recover_options_.survivors,
                     "The data directories of all nodes that are left; nothing in them is changed")
        ->required();
    add_new_cluster(*recover_, *recover_->add_option("--into", recover_options_.cluster.directory),
                    recover_options_.cluster);
    recover_->add_flag("--accept-damaged", recover_options_.accepts_damaged,
                       "Take of a damaged directory what comes before the damage, instead of "
                       "refusing; more may be lost");
  }

  CLI::App* verify_;
  CLI::App* dump_;
  CLI::App* backup_;
  CLI::App* restore_;
  CLI::App* recover_ = nullptr;
  WalCommand wal_;
  BackupOptions backup_options_;
  std::int64_t timeout_ms_ = backup_options_.timeout.count();
  RestoreOptions restore_options_;
  RecoverOptions recover_options_;
};

std::string sibling(const char* name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? name : (self.parent_path() / name).string();
}

int parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return kSuccess;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? -1 : kBadUsage;
  }
}

int run_get_or_put(const std::vector<std::string>& words) {
  if (is_request_help(words)) {
    fmt::print("{}", kRequestUsage);
    return kSuccess;
  }
  const auto options = parse_request(words);
  if (options.ok()) return run_request(options.value());
  fmt::print(stderr, "vesperctl: {}\n\n{}", options.error().message, kRequestUsage);
  return kBadUsage;
}

int run_subcommand(int argc, char** argv) {
  CLI::App app(
      "Talks to a vesper cluster.\n\n"
      "vesperctl ADDRESS KEY          prints the key's value\n"
      "vesperctl ADDRESS KEY VALUE    puts it\n\n"
      "Exit status: 0 success, 1 fail, 2 bad usage, 3 no node could be reached or none answered",
      "vesperctl");
  app.require_subcommand(1);
  StatusOptions status_options;
  BenchOptions bench_options;
  ClusterOptions cluster_options;
  cluster_options.program = sibling("vesperd");
  MoveLeaderOptions move_options;
  std::int64_t move_timeout_ms = move_options.timeout.count();
  // For the list that --help prints: these two never come here.
  app.add_subcommand("get", "Get one key");
  app.add_subcommand("put", "Put one key");
  auto* status = app.add_subcommand("status", "Every node's role, term and log, and who leads");
  status->add_option("ADDRESS", status_options.address, "Any node")
      ->required()
      ->check(check_address);
  auto* move = app.add_subcommand("move-leader", "Have another node lead, and say which");
  add_move_leader(*move, move_options, move_timeout_ms);
  auto* member = app.add_subcommand("member", "Who takes part in the cluster, and changes of it");
  std::deque<MemberCommand> member_commands;
  add_member(*member, member_commands);
  auto* bench = app.add_subcommand("bench", "Measure throughput and latency");
  add_bench(*bench, bench_options);
  auto* cluster = app.add_subcommand("cluster", "Run a local cluster until Ctrl-C");
  add_cluster(*cluster, cluster_options);
  DataCommands others(app);
  if (const int parsed = parse(app, argc, argv); parsed != kSuccess) return std::max(parsed, 0);

  if (const auto done = others.run()) return *done;
  if (status->parsed()) return run_status(status_options);
  if (member->parsed()) return run_member(member_commands);
  move_options.timeout = std::chrono::milliseconds(move_timeout_ms);
  if (move->parsed()) return run_move_leader(move_options);
  if (bench->parsed()) return run_bench(bench_options);
  return run_cluster(cluster_options);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a node that ends while it is written to is an error to report
  const std::vector<std::string> words(argv + 1, argv + argc);
  return is_request(words) ? run_get_or_put(words) : run_subcommand(argc, argv);
}
