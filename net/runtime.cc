#include "net/runtime.h"

#include <sys/eventfd.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
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

Runtime::Runtime(Options options, Logger& logger)
    : options_(std::move(options)),
      logger_(logger),
      book_(options_.addresses),
      peers_({options_.node.id, book_.line_of(options_.node.id)}, book_),
      mailbox_(options_.mailbox),
      failed_(::eventfd(0, EFD_CLOEXEC)) {
  VESPER_CHECK(options_.addresses.contains(options_.node.id));
}

Runtime::~Runtime() {
  stop();
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
  disk_->start([this](storage::DiskDone done) { mailbox_.put_disk_done(std::move(done)); });
  thread_ = std::thread([this] { run(); });
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

void Runtime::stop() {
  mailbox_.close();
  if (thread_.joinable()) thread_.join();
  peers_.stop();
  disk_.reset();
}

std::optional<node::Answer> Runtime::request(MailRequest request) {
  AnswerSlot slot;
  request.slot = &slot;
  if (!mailbox_.put_request(std::move(request))) return std::nullopt;
  return slot.wait();
}

void Runtime::hand_over(std::chrono::milliseconds at_most) {
  const auto end = std::chrono::steady_clock::now() + at_most;
  if (view().role != node::Role::kLeader) return;
  if (!mailbox_.put_request({.slot = &handed_over_, .kind = node::RequestKind::kTransfer})) return;
  auto answer = handed_over_.take_if_given();
  while (!answer && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kWaitingPause);
    answer = handed_over_.take_if_given();
  }
  if (!answer.has_value() || answer->outcome != node::Outcome::kSuccess) return;
  // What it had proposed is committed by the new leader, which says so with its next message.
  while (std::chrono::steady_clock::now() < end && waiting() > 0) {
    std::this_thread::sleep_for(kWaitingPause);
  }
}

std::size_t Runtime::waiting() const {
  const std::lock_guard lock(published_mutex_);
  return published_waiting_;
}

bool Runtime::deliver(SharedBytes frame) {
  return mailbox_.put_frame(std::move(frame));
}

node::NodeView Runtime::view() const {
  const std::lock_guard lock(published_mutex_);
  return published_;
}

Error Runtime::failure() const {
  const std::lock_guard lock(published_mutex_);
  return failure_;
}

// --- The core thread ---

void Runtime::run() {
  Mail mail;
  while (true) {
    mailbox_.drain(deadline_, mail);
    const bool stop = mail.stop;
    take_in(mail);
    mail.clear();
    if (stop) break;
    take_turn();
    if (node_->stopped()) break;
  }
  // From here on the mailbox refuses; whoever got in before is answered.
  mailbox_.close();
  mailbox_.drain(Instant(), mail);
  take_in(mail);
  mail.clear();
  give_up_waiting();
  if (recorder_) recorder_->end();
  if (!node_->stopped()) return;
  {
    const std::lock_guard lock(published_mutex_);
    failure_ = node_->stop_reason();
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(failed_.get(), &one, sizeof one);
}

void Runtime::take_turn() {
  if (recorder_) recorder_->begin_turn();
  node_->run_turn();
  publish();
  deadline_ = node_->next_deadline();
  if (!recorder_) return;
  recorder_->seen(published_, deadline_);  // this thread alone writes it
  watch_recording();
}

void Runtime::take_in(Mail& mail) {
  for (const SharedBytes& frame : mail.frames) {
    if (recorder_) recorder_->on_message(frame);
    node_->on_message(frame);
  }
  for (storage::DiskDone& done : mail.disk) {
    if (recorder_) recorder_->on_disk_done(done);
    node_->on_disk_done(std::move(done));
  }
  for (const MailRequest& request : mail.requests) {
    const RequestId id(++last_request_);
    waiting_.emplace(id.value(), Waiting{request.slot, request.kind});
    const node::Request asked{.kind = request.kind,
                              .key = request.key,
                              .value = request.value,
                              .once = request.once,
                              .target = request.target,
                              .address = request.address,
                              .change = request.change,
                              .at_follower = request.at_follower,
                              .snapshot = request.snapshot,
                              .offset = request.offset};
    if (recorder_) recorder_->on_request(id, asked);
    node_->on_request(id, asked);
  }
}

// A put that is under way may yet be committed by the others, a transfer or a change be completed.
void Runtime::give_up_waiting() {
  for (const auto& [id, waiting] : std::exchange(waiting_, {})) {
    const bool only_reads =
        waiting.kind == node::RequestKind::kGet || waiting.kind == node::RequestKind::kListMembers;
    waiting.slot->give(
        {.outcome = only_reads ? node::Outcome::kRejected : node::Outcome::kUnknown});
  }
}

void Runtime::publish() {
  const node::NodeView view = node_->view();
  const std::lock_guard lock(published_mutex_);
  published_ = view;
  published_waiting_ = waiting_.size();
}

void Runtime::send(NodeId to, ByteView frame) {
  peers_.send(to, frame);
}

void Runtime::meet(const raft::Configuration& configuration) {
  book_.meet(configuration);
  peers_.meet(configuration);
}

void Runtime::answer(RequestId request, const node::Answer& answer) {
  const auto found = waiting_.find(request.value());
  VESPER_CHECK(found != waiting_.end());
  found->second.slot->give(answer);
  waiting_.erase(found);
}

}  // namespace vesper::net
