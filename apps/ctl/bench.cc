#include "apps/ctl/bench.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "apps/ctl/api.h"
#include "apps/ctl/history.h"
#include "apps/ctl/known_nodes.h"
#include "apps/ctl/request.h"
#include "core/base/random.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAnswerTimeout{3000};
constexpr std::chrono::milliseconds kPauseAfterFailure{20};
constexpr std::chrono::milliseconds kProgressInterval{500};
// How long one put is tried under a session.
constexpr std::chrono::seconds kTryTime{30};

enum class Kind : std::size_t { kOk, kRejected, kUnknown, kOverloaded, kRefused, kUnreachable };
constexpr std::array<const char*, 6> kKindNames{"ok",         "rejected", "unknown",
                                                "overloaded", "refused",  "unreachable"};

std::int64_t nanoseconds(Clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

// What all clients share; each counts for itself, so that nobody waits for anybody.
struct Run {
  BenchOptions options;
  KnownNodes nodes;
  std::string name;  // of this run: in its keys if it keeps a history, and in its values
  std::atomic<bool> is_over{false};

  std::string key_name(std::uint64_t key) const {
    return options.history_file.empty() ? fmt::format("bench{}", key)
                                        : fmt::format("{}-{}", name, key);
  }
};

struct Tally {
  std::atomic<std::uint64_t> done{0};  // for the progress line
  std::array<std::uint64_t, kKindNames.size()> by_kind{};
  std::vector<std::uint32_t> latencies_us;  // of what succeeded
  History history;
};

// One client, through the whole run.
class Worker {
 public:
  Worker(Run& run, std::uint64_t number)
      : run_(run),
        number_(number),
        api_(kAnswerTimeout),
        draws_(Random(hash64(as_bytes(run.name))), {Purpose::kClient, number}),
        node_(run.options.address) {}

  void work(Tally& tally) {
    tally_ = &tally;
    while (!run_.is_over.load(std::memory_order_relaxed)) operate();
  }
  // Puts this client's share of the keys, each until it is there, so that gets find them. The run
  // is over when that cannot be done by the end.
  void fill(Tally& tally, Clock::time_point end);

 private:
  void operate();
  Kind put(const std::string& key);
  Kind request(const char* method, const std::string& body, Operation& operation);
  Reply put_until_known(const std::string& body, Kind& kind);
  bool open_session(Clock::time_point end);
  Kind judge(const Reply& reply, bool is_put) const;
  void go_on_after(const Reply& reply, Kind kind);
  std::string next_value();

  Run& run_;
  std::uint64_t number_;
  Tally* tally_ = nullptr;
  Api api_;
  RandomStream draws_;
  std::string node_;  // whom it takes for the leader
  std::uint64_t puts_ = 0;
  std::string session_;  // empty: none
  std::uint64_t session_puts_ = 0;
};

void Worker::fill(Tally& tally, Clock::time_point end) {
  tally_ = &tally;
  for (std::uint64_t key = number_; key < run_.options.keys; key += run_.options.clients) {
    Kind kind = Kind::kUnreachable;
    while (kind != Kind::kOk) {
      if (kind == Kind::kRefused || Clock::now() >= end) run_.is_over = true;
      if (run_.is_over.load(std::memory_order_relaxed)) return;
      kind = put(run_.key_name(key));
    }
  }
}

void Worker::operate() {
  const std::string key = run_.key_name(draws_.below(run_.options.keys));
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
  Kind kind = Kind::kUnreachable;
  Reply reply;
  if (is_put && run_.options.sessions) {
    reply = put_until_known(body, kind);
  } else {
    reply = api_.send(node_, method, "/request", body);
    kind = judge(reply, is_put);
  }
  const Clock::time_point end = Clock::now();

  ++tally_->by_kind[static_cast<std::size_t>(kind)];
  tally_->done.fetch_add(kind == Kind::kOk ? 1 : 0, std::memory_order_relaxed);
  if (kind == Kind::kOk) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(end - start).count();
    tally_->latencies_us.push_back(static_cast<std::uint32_t>(took));
  }
  if (!run_.options.history_file.empty()) {
    operation.client = number_;
    operation.start_ns = nanoseconds(start);
    operation.end_ns = nanoseconds(end);
    operation.outcome = kind == Kind::kOk        ? Outcome::kOk
                        : kind == Kind::kUnknown ? Outcome::kUnknown
                                                 : Outcome::kFail;
    if (!is_put && kind == Kind::kOk) operation.value = string_value_of(reply.body);
    tally_->history.push_back(std::move(operation));
  }
  go_on_after(reply, kind);
  return kind;
}

// All tries are one put: `kind` is what became of it, whatever the last try was told of itself.
Reply Worker::put_until_known(const std::string& body, Kind& kind) {
  const Clock::time_point end = Clock::now() + kTryTime;
  kind = Kind::kRejected;
  if (session_.empty() && !open_session(end)) return {};
  const std::string idempotency_key = fmt::format("{}/{}", session_, ++session_puts_);
  bool may_have_effect = false;
  while (true) {
    Reply reply = api_.send(node_, "PUT", "/request", body, idempotency_key);
    kind = judge(reply, true);
    if (kind == Kind::kOk) return reply;
    may_have_effect = may_have_effect || kind == Kind::kUnknown || reply.outcome == "unknown";
    const bool is_final = kind == Kind::kRefused;
    if (is_final) session_.clear();  // expired: the next put opens another
    if (is_final || Clock::now() >= end) {
      if (may_have_effect) kind = Kind::kUnknown;
      return reply;
    }
    go_on_after(reply, kind);
  }
}

bool Worker::open_session(Clock::time_point end) {
  while (Clock::now() < end && !run_.is_over.load(std::memory_order_relaxed)) {
    const Reply reply = api_.send(node_, "POST", "/session", {});
    session_ = reply.is_success ? client_of(reply.body).value_or("") : "";
    session_puts_ = 0;
    if (!session_.empty()) return true;
    go_on_after(reply, Kind::kRejected);
  }
  return false;
}

Kind Worker::judge(const Reply& reply, bool is_put) const {
  if (reply.delivery == Delivery::kNotSent) return Kind::kUnreachable;
  if (reply.delivery == Delivery::kBroken) return is_put ? Kind::kUnknown : Kind::kUnreachable;
  if (reply.is_success) return Kind::kOk;
  if (reply.status == 503) return Kind::kOverloaded;
  if (reply.status == 507) return Kind::kRejected;
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
  if (kind != Kind::kOverloaded) node_ = run_.nodes.one_of(draws_.next());
  std::this_thread::sleep_for(kPauseAfterFailure);
}

// --- The whole run ---

// The threads of a phase, one a client.
class Crew {
 public:
  template <class Task>
  Crew(std::uint64_t size, Task task) : busy_(size) {
    for (std::uint64_t i = 0; i < size; ++i) {
      threads_.emplace_back([this, task, i] {
        task(i);
        leave();
      });
    }
  }
  ~Crew() {
    for (std::thread& thread : threads_) thread.join();
  }
  // True once all have ended.
  bool wait_until(Clock::time_point end) {
    std::unique_lock lock(mutex_);
    return left_.wait_until(lock, end, [this] { return busy_ == 0; });
  }

 private:
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) left_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable left_;
  std::uint64_t busy_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

Clock::duration of_seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::uint64_t done_in(const std::vector<Tally>& tallies) {
  std::uint64_t done = 0;
  for (const Tally& tally : tallies) done += tally.done.load(std::memory_order_relaxed);
  return done;
}

void show_progress(const std::vector<Tally>& tallies, const std::string& what,
                   Clock::time_point start) {
  if (isatty(STDERR_FILENO) == 0) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const std::uint64_t done = done_in(tallies);
  fmt::print(stderr, "\r{:5.1f} of {}: {} done, {:.0f}/s ", seconds, what, done,
             static_cast<double>(done) / seconds);
}

void clear_progress() {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{:70}\r", "");
}

using Workers = std::vector<std::unique_ptr<Worker>>;

void run_fill(Run& run, Workers& workers, std::vector<Tally>& tallies) {
  const Clock::time_point start = Clock::now();
  const Clock::time_point end = start + of_seconds(run.options.fill_seconds);
  const std::string what = fmt::format("at most {:.0f} s, putting {} keys first",
                                       run.options.fill_seconds, run.options.keys);
  Crew crew(workers.size(), [&](std::uint64_t i) { workers[i]->fill(tallies[i], end); });
  while (!crew.wait_until(Clock::now() + kProgressInterval)) show_progress(tallies, what, start);
  clear_progress();
}

void run_load(Run& run, Workers& workers, std::vector<Tally>& tallies) {
  const Clock::time_point start = Clock::now();
  const Clock::time_point end = start + of_seconds(run.options.seconds);
  const std::string what = fmt::format("{:.0f} s", run.options.seconds);
  Crew crew(workers.size(), [&](std::uint64_t i) { workers[i]->work(tallies[i]); });
  while (Clock::now() < end) {
    crew.wait_until(std::min(end, Clock::now() + kProgressInterval));
    show_progress(tallies, what, start);
  }
  run.is_over = true;
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

void write_history(std::ofstream& out, const std::vector<Tally>& tallies) {
  for (const Tally& tally : tallies) {
    for (const Operation& operation : tally.history) out << history_line(operation);
  }
}

int fail(const std::string& what) {
  fmt::print(stderr, "vesperctl: {}\n", what);
  return kFail;
}

// Requires: the fill is over before its end.
std::string why_not_filled(const BenchOptions& options, const std::vector<Tally>& tallies) {
  const Result result = sum_up(tallies, options.fill_seconds);
  if (result.by_kind[static_cast<std::size_t>(Kind::kRefused)] > 0) {
    return "a node refused a put: is --value-size beyond its --max-body?";
  }
  return fmt::format(
      "only {} of {} keys were put within {} s: is there a leader, or are there too many --keys?",
      result.ok(), options.keys, options.fill_seconds);
}

}  // namespace

int run_bench(const BenchOptions& options) {
  Run run;
  run.options = options;
  run.name = fmt::format("b{:x}", nanoseconds(Clock::now()));
  if (!run.nodes.start(options.address)) {
    fmt::print(stderr, "vesperctl: no node could be reached at {}\n", options.address);
    return kUnreachable;
  }
  std::ofstream history;
  if (!options.history_file.empty()) history.open(options.history_file, std::ios::trunc);
  const std::string unwritten = options.history_file + " could not be written";
  if (!history.good()) return fail(unwritten);  // now, not after the whole run

  Workers workers;
  for (std::uint64_t i = 0; i < options.clients; ++i) {
    workers.push_back(std::make_unique<Worker>(run, i));
  }
  std::vector<Tally> filled(options.clients);
  if (options.op == "get") run_fill(run, workers, filled);
  const bool is_filled = !run.is_over;

  std::vector<Tally> tallies(options.clients);
  const Clock::time_point start = Clock::now();
  if (is_filled) run_load(run, workers, tallies);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  clear_progress();

  const Result result = sum_up(tallies, seconds);
  if (is_filled) print_result(options, result);
  write_history(history, filled);
  write_history(history, tallies);
  history.flush();
  if (!history.good()) return fail(unwritten);
  if (!is_filled) return fail(why_not_filled(options, filled));
  return result.ok() > 0 ? kSuccess : kFail;
}

}  // namespace vesper::ctl
