#include "apps/ctl/bench.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "apps/ctl/api.h"
#include "apps/ctl/history.h"
#include "apps/ctl/request.h"
#include "apps/ctl/status.h"
#include "core/base/random.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAnswerTimeout{3000};
constexpr std::chrono::milliseconds kPauseAfterFailure{20};
constexpr std::chrono::milliseconds kProgressInterval{500};

enum class Kind : std::size_t { kOk, kRejected, kUnknown, kOverloaded, kRefused, kUnreachable };
constexpr std::array<const char*, 6> kKindNames{"ok",         "rejected", "unknown",
                                                "overloaded", "refused",  "unreachable"};

std::int64_t nanoseconds(Clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

// What all clients share; each counts for itself, so that nobody waits for anybody.
struct Run {
  BenchOptions options;
  std::vector<std::string> nodes;
  std::string name;  // of this run: in its keys if it keeps a history, and in its values
  std::atomic<bool> is_over{false};
};

struct Tally {
  std::atomic<std::uint64_t> done{0};  // for the progress line
  std::array<std::uint64_t, kKindNames.size()> by_kind{};
  std::vector<std::uint32_t> latencies_us;  // of what succeeded
  History history;
};

class Worker {
 public:
  Worker(const Run& run, std::uint64_t number, Tally& tally)
      : run_(run),
        number_(number),
        tally_(tally),
        api_(kAnswerTimeout),
        draws_(Random(hash64(as_bytes(run.name))), {Purpose::kClient, number}),
        node_(run.options.address) {}

  void work() {
    while (!run_.is_over.load(std::memory_order_relaxed)) operate();
  }
  // Puts this client's share of the keys, so that gets find them.
  void fill() {
    const std::uint64_t clients = run_.options.clients;
    for (std::uint64_t key = number_; key < run_.options.keys; key += clients) put(key_name(key));
  }

 private:
  void operate();
  Kind put(const std::string& key);
  Kind request(const char* method, const std::string& body, Operation& operation);
  Kind judge(const Reply& reply, bool is_put) const;
  void go_on_after(const Reply& reply, Kind kind);
  std::string key_name(std::uint64_t key) const {
    return run_.options.history_file.empty() ? fmt::format("bench{}", key)
                                             : fmt::format("{}-{}", run_.name, key);
  }
  std::string next_value();

  const Run& run_;
  std::uint64_t number_;
  Tally& tally_;
  Api api_;
  RandomStream draws_;
  std::string node_;  // whom it takes for the leader
  std::uint64_t puts_ = 0;
};

void Worker::operate() {
  const std::string key = key_name(draws_.below(run_.options.keys));
  const bool is_mixed = run_.options.op == "mixed";
  const bool is_put = is_mixed ? draws_.below(2) == 0 : run_.options.op == "put";
  if (is_put) {
    put(key);
    return;
  }
  Operation operation;
  operation.key = key;
  request("GET", get_body(key), operation);
}

Kind Worker::put(const std::string& key) {
  Operation operation;
  operation.is_put = true;
  operation.key = key;
  operation.value = next_value();
  return request("PUT", put_body(key, *operation.value), operation);
}

// A JSON string that nobody else puts.
std::string Worker::next_value() {
  std::string value = fmt::format("\"{}.{}.{}.", run_.name, number_, ++puts_);
  const std::uint64_t least = run_.options.value_bytes;
  if (value.size() + 1 < least) value.append(least - value.size() - 1, 'x');
  return value + '"';
}

Kind Worker::request(const char* method, const std::string& body, Operation& operation) {
  const bool is_put = operation.is_put;
  const Clock::time_point start = Clock::now();
  const Reply reply = api_.send(node_, method, "/request", body);
  const Clock::time_point end = Clock::now();

  const Kind kind = judge(reply, is_put);
  ++tally_.by_kind[static_cast<std::size_t>(kind)];
  tally_.done.fetch_add(kind == Kind::kOk ? 1 : 0, std::memory_order_relaxed);
  if (kind == Kind::kOk) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(end - start).count();
    tally_.latencies_us.push_back(static_cast<std::uint32_t>(took));
  }
  if (!run_.options.history_file.empty()) {
    operation.client = number_;
    operation.start_ns = nanoseconds(start);
    operation.end_ns = nanoseconds(end);
    operation.outcome = kind == Kind::kOk        ? Outcome::kOk
                        : kind == Kind::kUnknown ? Outcome::kUnknown
                                                 : Outcome::kFail;
    if (!is_put && kind == Kind::kOk) operation.value = string_value_of(reply.body);
    tally_.history.push_back(std::move(operation));
  }
  go_on_after(reply, kind);
  return kind;
}

Kind Worker::judge(const Reply& reply, bool is_put) const {
  if (reply.delivery == Delivery::kNotSent) return Kind::kUnreachable;
  if (reply.delivery == Delivery::kBroken) return is_put ? Kind::kUnknown : Kind::kUnreachable;
  if (reply.is_success) return Kind::kOk;
  if (reply.status == 503) return Kind::kOverloaded;
  if (reply.status != 200) return Kind::kRefused;
  if (reply.outcome == "unknown") return Kind::kUnknown;
  if (reply.outcome == "rejected" || reply.redirect) return Kind::kRejected;
  return is_put ? Kind::kRefused : Kind::kOk;  // a get of an absent key is answered by that
}

// After a redirect to the leader; after a failure to any node, as nobody knows who leads.
void Worker::go_on_after(const Reply& reply, Kind kind) {
  if (kind == Kind::kOk) return;
  if (reply.redirect && Api::is_address(*reply.redirect)) {
    node_ = *reply.redirect;
    return;
  }
  if (kind != Kind::kOverloaded) node_ = run_.nodes[draws_.below(run_.nodes.size())];
  std::this_thread::sleep_for(kPauseAfterFailure);
}

// --- The whole run ---

void show_progress(const std::vector<Tally>& tallies, const Run& run, Clock::time_point start) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::uint64_t done = 0;
  for (const Tally& tally : tallies) done += tally.done.load(std::memory_order_relaxed);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  fmt::print(stderr, "\r{:5.1f} of {:.0f} s: {} operations, {:.0f}/s ", seconds,
             run.options.seconds, done, static_cast<double>(done) / seconds);
}

void run_workers(Run& run, std::vector<Tally>& tallies, bool is_filling) {
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < run.options.clients; ++i) {
    threads.emplace_back([&run, &tallies, i, is_filling] {
      Worker worker(run, i, tallies[i]);
      is_filling ? worker.fill() : worker.work();
    });
  }
  if (!is_filling) {
    const auto end = start + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(run.options.seconds));
    while (Clock::now() < end) {
      std::this_thread::sleep_until(std::min(end, Clock::now() + kProgressInterval));
      show_progress(tallies, run, start);
    }
    run.is_over = true;
  }
  for (std::thread& thread : threads) thread.join();
}

struct Result {
  double seconds = 0;
  std::array<std::uint64_t, kKindNames.size()> by_kind{};
  std::vector<std::uint32_t> latencies_us;  // sorted

  std::uint64_t ok() const { return by_kind[0]; }
  double per_second() const { return static_cast<double>(ok()) / seconds; }
  double milliseconds_at(std::uint64_t per_mille) const {
    if (latencies_us.empty()) return 0;
    const std::size_t at = (latencies_us.size() - 1) * per_mille / 1000;
    return static_cast<double>(latencies_us[at]) / 1000;
  }
};

Result sum_up(const std::vector<Tally>& tallies, double seconds) {
  Result result;
  result.seconds = seconds;
  for (const Tally& tally : tallies) {
    for (std::size_t i = 0; i < tally.by_kind.size(); ++i) result.by_kind[i] += tally.by_kind[i];
    result.latencies_us.insert(result.latencies_us.end(), tally.latencies_us.begin(),
                               tally.latencies_us.end());
  }
  std::sort(result.latencies_us.begin(), result.latencies_us.end());
  return result;
}

void print_result(const BenchOptions& options, const Result& result) {
  if (options.json) {
    fmt::print(R"({{"op":"{}","clients":{},"value_bytes":{},"seconds":{:.3f},"per_second":{:.1f},)"
               R"("p50_ms":{:.3f},"p99_ms":{:.3f},"p999_ms":{:.3f})",
               options.op, options.clients, options.value_bytes, result.seconds,
               result.per_second(), result.milliseconds_at(500), result.milliseconds_at(990),
               result.milliseconds_at(999));
    for (std::size_t i = 0; i < kKindNames.size(); ++i) {
      fmt::print(R"(,"{}":{})", kKindNames[i], result.by_kind[i]);
    }
    fmt::print("}}\n");
    return;
  }
  fmt::print("{}: {} ok in {:.1f} s, {:.0f}/s; p50 {:.2f} ms, p99 {:.2f} ms, p99.9 {:.2f} ms\n",
             options.op, result.ok(), result.seconds, result.per_second(),
             result.milliseconds_at(500), result.milliseconds_at(990), result.milliseconds_at(999));
  for (std::size_t i = 1; i < kKindNames.size(); ++i) {
    if (result.by_kind[i] > 0) fmt::print("  {} {}\n", result.by_kind[i], kKindNames[i]);
  }
}

bool write_history(const std::string& file, const std::vector<Tally>& tallies) {
  std::ofstream out(file, std::ios::trunc);
  for (const Tally& tally : tallies) {
    for (const Operation& operation : tally.history) out << history_line(operation);
  }
  out.close();
  return out.good();
}

}  // namespace

int run_bench(const BenchOptions& options) {
  Run run;
  run.options = options;
  run.name = fmt::format("b{:x}", nanoseconds(Clock::now()));
  run.nodes = ask_status(options.address, kAnswerTimeout).nodes;
  if (run.nodes.empty()) {
    fmt::print(stderr, "vesperctl: no node could be reached at {}\n", options.address);
    return kUnreachable;
  }
  std::vector<Tally> filled(options.clients);
  if (options.op == "get") run_workers(run, filled, true);

  std::vector<Tally> tallies(options.clients);
  const Clock::time_point start = Clock::now();
  run_workers(run, tallies, false);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{:60}\r", "");

  const Result result = sum_up(tallies, seconds);
  print_result(options, result);
  if (!options.history_file.empty() && !write_history(options.history_file, tallies)) {
    fmt::print(stderr, "vesperctl: {} could not be written\n", options.history_file);
    return kFail;
  }
  return result.ok() > 0 ? kSuccess : kFail;
}

}  // namespace vesper::ctl
