#include "net/peer_sender.h"

#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/limits.h"

namespace vesper::net {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectTime{300};
// A peer that takes longer for one request is as good as dead; its connection is made anew.
constexpr milliseconds kReplyTime{1000};
// Between failed tries.
constexpr milliseconds kBackoffMin{10};
constexpr milliseconds kBackoffMax{200};
constexpr milliseconds kStopRepeat{5};
constexpr milliseconds kLastWords{50};

}  // namespace

static_assert(limits::kFrameBytes <= kPeerBodyBytes);

// The library's client: one connection, one request at a time.
class PeerSender::Link {
 public:
  Link(const NodeAddress& address, std::string target)
      : target_(std::move(target)), client_(address.host, address.port) {
    client_.set_keep_alive(true);
    client_.set_tcp_nodelay(true);
    client_.set_connection_timeout(kConnectTime);
    client_.set_read_timeout(kReplyTime);
    client_.set_write_timeout(kReplyTime);
  }

  bool post(ByteView frames) {
    const auto result = client_.Post(target_, reinterpret_cast<const char*>(frames.data()),
                                     frames.size(), "application/octet-stream");
    return result && result->status == 204;
  }
  void stop() { client_.stop(); }

 private:
  const std::string target_;
  httplib::Client client_;
};

PeerSender::PeerSender(const NodeAddress& address, const std::string& target)
    : link_(std::make_unique<Link>(address, target)), thread_([this] { run(); }) {}

PeerSender::~PeerSender() {
  begin_stop();
  {
    // A request that is just about to begin does not notice the stop of its link: it is told again.
    std::unique_lock lock(mutex_);
    ended_.wait_until(lock, stopped_at_ + kLastWords, [this] { return has_ended_; });
    while (!ended_.wait_for(lock, kStopRepeat, [this] { return has_ended_; })) {
      lock.unlock();
      link_->stop();
      lock.lock();
    }
  }
  thread_.join();
}

void PeerSender::begin_stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stop_) stopped_at_ = std::chrono::steady_clock::now();
    stop_ = true;
  }
  arrived_.notify_one();
}

bool PeerSender::has_ended() const {
  const std::lock_guard lock(mutex_);
  return has_ended_;
}

void PeerSender::send(ByteView frame) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + frame.size() > kPeerBodyBytes) waiting_.clear();
    wake = waiting_.empty();
    waiting_.insert(waiting_.end(), frame.begin(), frame.end());
  }
  if (wake) arrived_.notify_one();
}

void PeerSender::run() {
  std::vector<std::byte> frames;
  milliseconds backoff = kBackoffMin;
  bool takes = false;  // the peer took the last request
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_ && (!takes || waiting_.empty())) break;
    frames.clear();
    std::swap(frames, waiting_);
    lock.unlock();
    takes = link_->post(frames);
    lock.lock();
    if (takes) {
      backoff = kBackoffMin;
      continue;
    }
    arrived_.wait_for(lock, backoff, [this] { return stop_; });
    backoff = std::min(backoff * 2, kBackoffMax);
  }
  has_ended_ = true;
  ended_.notify_one();
}

}  // namespace vesper::net
