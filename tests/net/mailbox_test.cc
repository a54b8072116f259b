#include "net/mailbox.h"

#include <doctest/doctest.h>

#include <thread>

#include "net/real_clock.h"

namespace vesper::net_test {

namespace {

using net::Mail;
using net::Mailbox;

SharedBytes frame_of(std::size_t bytes) {
  return SharedBytes::copy_of(as_bytes(std::string(bytes, 'f')));
}

}  // namespace

TEST_SUITE_BEGIN("mailbox");

TEST_CASE("a drain takes everything, in order, and the deadline ends an empty one") {
  Mailbox mailbox({});
  CHECK(mailbox.put_frame(frame_of(1)));
  CHECK(mailbox.put_frame(frame_of(2)));
  CHECK(mailbox.put_request({nullptr, node::RequestKind::kGet, "k", ""}));
  mailbox.put_disk_done({{storage::DiskLane::kLog, 7, {}}, {}});

  Mail mail;
  mailbox.drain(Instant::never(), mail);
  REQUIRE(mail.frames.size() == 2);
  CHECK(mail.frames[1].size() == 2);
  REQUIRE(mail.requests.size() == 1);
  CHECK(mail.requests[0].key == "k");
  REQUIRE(mail.disk.size() == 1);
  CHECK(mail.disk[0].batch.ticket == 7);
  CHECK(!mail.stop);

  mail.clear();
  const net::RealClock clock;
  const Instant deadline = clock.now() + Duration::milliseconds(5);
  mailbox.drain(deadline, mail);
  CHECK(clock.now() >= deadline);
  CHECK(mail.frames.empty());
}

TEST_CASE("a full mailbox refuses, and takes again once it is drained") {
  Mailbox mailbox({.frame_bytes = 10, .requests = 1, .request_bytes = 4});
  CHECK(mailbox.put_frame(frame_of(6)));
  CHECK(!mailbox.put_frame(frame_of(5)));
  CHECK(mailbox.put_frame(frame_of(4)));
  CHECK(!mailbox.put_request({nullptr, node::RequestKind::kPut, "key", "va"}));
  CHECK(mailbox.put_request({nullptr, node::RequestKind::kPut, "k", "v"}));
  CHECK(!mailbox.put_request({nullptr, node::RequestKind::kPut, "k", "v"}));

  Mail mail;
  mailbox.drain(Instant::never(), mail);

  CHECK(mailbox.put_frame(frame_of(10)));
  CHECK(mailbox.put_request({nullptr, node::RequestKind::kPut, "k", "v"}));
}

TEST_CASE("a closed mailbox wakes its drainer and refuses all but completions") {
  Mailbox mailbox({});
  std::thread closer([&mailbox] { mailbox.close(); });

  Mail mail;
  mailbox.drain(Instant::never(), mail);
  closer.join();

  CHECK(mail.stop);
  CHECK(!mailbox.put_frame(frame_of(1)));
  CHECK(!mailbox.put_request({nullptr, node::RequestKind::kGet, "k", ""}));
  mailbox.put_disk_done({});
  mailbox.drain(Instant::never(), mail);
  CHECK(mail.stop);
  CHECK(mail.disk.size() == 1);
}

TEST_CASE("nothing is lost between many writers and one drainer") {
  constexpr int kWriters = 4;
  constexpr int kFrames = 2000;
  Mailbox mailbox({});
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&mailbox] {
      for (int n = 0; n < kFrames; ++n) mailbox.put_frame(frame_of(8));
    });
  }
  std::size_t drained = 0;
  Mail mail;
  while (drained < kWriters * kFrames) {
    mailbox.drain(Instant::never(), mail);
    drained += mail.frames.size();
    mail.clear();
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(drained == kWriters * kFrames);
}

TEST_SUITE_END();

}  // namespace vesper::net_test
