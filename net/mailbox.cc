#include "net/mailbox.h"

#include <utility>

#include "core/base/check.h"
#include "net/real_clock.h"

namespace vesper::net {

void Mail::clear() {
  frames.clear();
  requests.clear();
  disk.clear();
}

bool Mailbox::has_mail() const {
  return mail_.stop || !mail_.frames.empty() || !mail_.requests.empty() || !mail_.disk.empty();
}

bool Mailbox::put_frame(SharedBytes frame) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (mail_.stop || frame_bytes_ + frame.size() > bounds_.frame_bytes) return false;
    frame_bytes_ += frame.size();
    mail_.frames.push_back(std::move(frame));
    wake = std::exchange(is_waiting_, false);
  }
  if (wake) arrived_.notify_one();
  return true;
}

bool Mailbox::put_request(MailRequest request) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = request.key.size() + request.value.size() + request.address.size();
    if (mail_.stop || mail_.requests.size() >= bounds_.requests ||
        request_bytes_ + bytes > bounds_.request_bytes) {
      return false;
    }
    request_bytes_ += bytes;
    mail_.requests.push_back(std::move(request));
    wake = std::exchange(is_waiting_, false);
  }
  if (wake) arrived_.notify_one();
  return true;
}

void Mailbox::put_disk_done(storage::DiskDone done) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    mail_.disk.push_back(std::move(done));
    wake = std::exchange(is_waiting_, false);
  }
  if (wake) arrived_.notify_one();
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  mail_.stop = true;
  arrived_.notify_one();
}

void Mailbox::drain(Instant deadline, Mail& mail) {
  VESPER_CHECK(mail.frames.empty() && mail.requests.empty() && mail.disk.empty());
  std::unique_lock lock(mutex_);
  while (!has_mail()) {
    is_waiting_ = true;
    if (deadline == Instant::never()) {
      arrived_.wait(lock);
    } else if (arrived_.wait_until(lock, to_time_point(deadline)) == std::cv_status::timeout) {
      break;
    }
  }
  is_waiting_ = false;
  const bool stop = mail_.stop;
  std::swap(mail, mail_);
  mail.stop = stop;
  mail_.stop = stop;  // once closed, closed
  frame_bytes_ = 0;
  request_bytes_ = 0;
}

}  // namespace vesper::net
