// The framing of requests without a socket: cut anywhere, the same requests come out. What is
// refused is http_server_test.cc's.
#include "net/http_reader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace vesper::net_test {

namespace {

using Got = net::HttpReader::Got;

// All that comes out of `text`, handed over in pieces of `piece` bytes.
std::vector<std::string> requests_of(std::string_view text, std::size_t piece) {
  const net::HttpLimits limits;
  net::HttpReader reader(limits);
  net::ByteBudget budget(1000);
  net::ByteBudget::Share share(budget);
  std::vector<std::string> requests;
  bool in_body = false;
  while (true) {
    const Got got = in_body ? reader.read_body(share) : reader.read_head();
    if (got == Got::kRefused) {
      requests.push_back("refused");
      return requests;
    }
    if (got == Got::kMore) {
      if (text.empty()) return requests;
      reader.append(text.substr(0, piece));
      text.remove_prefix(std::min(piece, text.size()));
      continue;
    }
    if (got == Got::kHead) reader.begin_body(100);
    if (got == Got::kWhole) {
      requests.push_back(std::string(reader.head().method) + " " +
                         std::string(reader.head().target) + " " + reader.take_body());
      share.give_back();
    }
    in_body = got == Got::kHead;
  }
}

}  // namespace

TEST_SUITE_BEGIN("http_reader");

TEST_CASE("the same requests come out however their bytes are cut") {
  const std::string text =
      "\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n"
      "PUT /b HTTP/1.1\r\nContent-Length: 7\r\n\r\nGET /x "
      "PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: "
      "x\r\n\r\n"
      "GET /d HTTP/1.1\r\n\r\n";
  const std::vector<std::string> expected = {"GET /a ", "PUT /b GET /x ", "PUT /c abcde",
                                             "GET /d "};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    CAPTURE(piece);
    CHECK(requests_of(text, piece) == expected);
  }
}

TEST_CASE("the same request is refused however its bytes are cut") {
  for (const std::string& text :
       {std::string("GET /a HTTP/1.1\nHost: h\n\n"),
        std::string("PUT /a HTTP/1.1\r\nContent-Length: 101\r\n\r\n"),
        std::string("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n")}) {
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
      CAPTURE(piece);
      CHECK(requests_of(text, piece) == std::vector<std::string>{"refused"});
    }
  }
}

TEST_CASE("what a connection becomes takes over where the upgrade ends") {
  const net::HttpLimits limits;
  net::HttpReader reader(limits);
  reader.append(
      "GET /peer HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x/1\r\n\r\nrest");
  REQUIRE(reader.read_head() == Got::kHead);
  CHECK(reader.head().upgrade == "x/1");
  CHECK(reader.waiting() == "rest");
  reader.consume(4);
  CHECK(reader.waiting().empty());

  // Said to be of the next hop only, or not at all.
  reader.append("GET /peer HTTP/1.1\r\nUpgrade: x/1\r\n\r\n");
  REQUIRE(reader.read_head() == Got::kHead);
  CHECK(reader.head().upgrade.empty());
}

TEST_SUITE_END();

}  // namespace vesper::net_test
