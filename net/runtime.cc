#include "net/runtime.h"

#include <sys/eventfd.h>
#include <sys/random.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <thread>
#include <utility>

namespace vesper::net {

namespace {

// Between two looks at what a stop waits for: beside it, nobody notices.
constexpr std::chrono::milliseconds kWaitingPause{2};
// What a recording may hold the node up for while it runs, and that only where its disk is slow to
// allocate: less than anyone else notices.
constexpr std::chrono::milliseconds kRecordingPatience{50};

Result<Random> seeded_by_the_system() {
  std::uint64_t seed = 0;
  ssize_t count = 0;
  do {
    count = ::getrandom(&seed, sizeof seed, 0);  // it waits while the system has no entropy yet
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof seed)) {
    return Error{ErrorCode::kIo, std::string("no random seed: ") + std::strerror(errno)};
  }
  return Random(seed);
}

}  // namespace

Runtime::Runtime(Options options, EventLoop& loop, Logger& logger)
    : options_(std::move(options)),
      loop_(loop),
      logger_(logger),
      book_(options_.addresses),
      failed_(::eventfd(0, EFD_CLOEXEC)),
      peers_({options_.node.id, book_.line_of(options_.node.id)}, book_, loop) {
  VESPER_CHECK(options_.addresses.contains(options_.node.id));
  loop.add(*this);
  loop.add(peers_);
}

Runtime::~Runtime() {
  disk_.reset();  // its lanes first: they use the rest
}

Status Runtime::start() {
  VESPER_CHECK(node_ == nullptr);
  auto random = seeded_by_the_system();
  if (!random.ok()) return random.error();
  auto disk = PosixDisk::open(options_.disk);
  if (!disk.ok()) return disk.error();
  disk_ = std::move(disk.value());
  VESPER_TRY(open_node(random.value()));
  publish();
  disk_->start([this](storage::DiskDone done) {
    {
      const std::lock_guard lock(done_mutex_);
      done_.push_back(std::move(done));
    }
    loop_.wake();
  });
  return {};
}

Status Runtime::open_node(Random random) {
  node::Environment environment{clock_, *this, *disk_, *this, *this, random};
  if (!options_.record.path.empty()) begin_recording(environment);
  node_ = std::make_unique<node::Node>(options_.node,
                                       recorder_ ? recorder_->environment() : environment);
  const Status opened = node_->open();
  if (recorder_) recorder_->opened(opened);
  if (!opened.ok()) {
    if (recorder_) recorder_->end();
    return opened.error();
  }
  deadline_ = node_->next_deadline();
  if (recorder_) recorder_->seen(node_->view(), deadline_);
  if (record_) record_->set_patience(kRecordingPatience);
  watch_recording();
  return {};
}

// A node that was asked for a recording and cannot make one serves all the same.
void Runtime::begin_recording(const node::Environment& environment) {
  auto file = RecordFile::create(options_.record);
  if (!file.ok()) {
    return logger_.line(LogLevel::kError, "records nothing: " + file.error().message);
  }
  record_ = std::move(file.value());
  recorder_ = std::make_unique<node::Recorder>(
      *record_,
      node::Recorder::Life{options_.program, options_.sources, options_.node, environment});
  is_recording_ = true;
  logger_.line(LogLevel::kInfo, "records to " + record_->path());
}

void Runtime::watch_recording() {
  if (!is_recording_ || recorder_->is_recording()) return;
  is_recording_ = false;
  std::string why = record_->failure();
  if (why.empty()) why = "something came in that is longer than a record may be";
  logger_.line(LogLevel::kError, "records no more: " + why);
}

// --- Any thread ---

namespace {

// Where hand_over waits: it may go before the answer comes.
class Handed : public Asker {
 public:
  void answered(std::uint32_t /*token*/, const node::Answer& answer) override {
    const std::lock_guard lock(mutex_);
    is_done_ = answer.outcome == node::Outcome::kSuccess;
    is_over_ = true;
    over_.notify_one();
  }
  // Whether leadership was handed over by then.
  bool wait_until(std::chrono::steady_clock::time_point end) {
    std::unique_lock lock(mutex_);
    over_.wait_until(lock, end, [this] { return is_over_; });
    return is_done_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false;  // guarded by mutex_
  bool is_done_ = false;  // likewise
};

}  // namespace

void Runtime::hand_over(std::chrono::milliseconds at_most) {
  const auto end = std::chrono::steady_clock::now() + at_most;
  if (view().role != node::Role::kLeader) return;
  handed_over_ = std::make_unique<Handed>();
  auto& handed = static_cast<Handed&>(*handed_over_);
  loop_.post([this, &handed] {
    if (!ask({.kind = node::RequestKind::kTransfer}, handed, 0)) handed.answered(0, {});
  });
  if (!handed.wait_until(end)) return;
  // What it had proposed is committed by the new leader, which says so with its next message.
  while (std::chrono::steady_clock::now() < end && waiting() > 0) {
    std::this_thread::sleep_for(kWaitingPause);
  }
}

std::size_t Runtime::waiting() const {
  const std::lock_guard lock(published_mutex_);
  return published_waiting_;
}

node::NodeView Runtime::view() const {
  const std::lock_guard lock(published_mutex_);
  return published_;
}

Error Runtime::failure() const {
  const std::lock_guard lock(published_mutex_);
  return failure_;
}

// --- The loop's thread ---

bool Runtime::ask(const node::Request& request, Asker& asker, std::uint32_t token) {
  if (has_ended_) return false;
  const auto id = waiting_.add(asker, token, request.kind);
  if (!id) return false;
  if (recorder_) recorder_->on_request(*id, request);
  node_->on_request(*id, request);
  is_fed_ = true;
  return true;
}

void Runtime::deliver(const SharedBytes& frame) {
  if (has_ended_) return;
  if (recorder_) recorder_->on_message(frame);
  node_->on_message(frame);
  is_fed_ = true;
}

LoopTime Runtime::next_deadline() const {
  return has_ended_ || deadline_ == Instant::never() ? kNever : to_time_point(deadline_);
}

void Runtime::end_round() {
  if (has_ended_) return;
  {
    const std::lock_guard lock(done_mutex_);
    std::swap(taken_, done_);
  }
  for (storage::DiskDone& done : taken_) {
    if (recorder_) recorder_->on_disk_done(done);
    node_->on_disk_done(std::move(done));
    is_fed_ = true;
  }
  taken_.clear();
  if (is_fed_ || deadline_ <= clock_.now()) take_turn();
}

void Runtime::take_turn() {
  is_fed_ = false;
  if (recorder_) recorder_->begin_turn();
  node_->run_turn();
  publish();
  deadline_ = node_->next_deadline();
  if (recorder_) {
    recorder_->seen(published_, deadline_);  // this thread alone writes it
    watch_recording();
  }
  if (node_->stopped()) on_stopped();
}

void Runtime::on_stopped() {
  on_stop();
  {
    const std::lock_guard lock(published_mutex_);
    failure_ = node_->stop_reason();
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(failed_.get(), &one, sizeof one);
}

// Answers whoever waits. A put that is under way may yet be committed by the others, a transfer or
// a change be completed.
void Runtime::on_stop() {
  if (std::exchange(has_ended_, true)) return;
  for (const WaitingRequests::Waiting& waiting : waiting_.take_all()) {
    const bool only_reads =
        waiting.kind == node::RequestKind::kGet || waiting.kind == node::RequestKind::kListMembers;
    waiting.asker->answered(waiting.token, {.outcome = only_reads ? node::Outcome::kRejected
                                                                  : node::Outcome::kUnknown});
  }
  if (recorder_) recorder_->end();
}

void Runtime::publish() {
  const node::NodeView& view = node_->view();
  const std::lock_guard lock(published_mutex_);
  published_ = view;
  published_waiting_ = waiting_.size();
}

void Runtime::meet(const raft::Configuration& configuration) {
  book_.meet(configuration);
  peers_.meet(configuration);
}

void Runtime::answer(RequestId request, const node::Answer& answer) {
  const WaitingRequests::Waiting waiting = waiting_.take(request);
  waiting.asker->answered(waiting.token, answer);
}

}  // namespace vesper::net
