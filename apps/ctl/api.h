// One client's kept connection to one node at a time, speaking the documented REST API. One thread
// owns an Api.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/ctl/watchdog.h"

namespace vesper::ctl {

enum class Delivery {
  kAnswered,
  kNotSent,  // nobody listens there, so nothing can have happened
  kBroken,   // the connection broke, or no answer came in time: who knows
};

struct Reply {
  Delivery delivery = Delivery::kNotSent;
  int status = 0;
  std::string body;
  std::string outcome;      // the header Vesper-Outcome: "", "rejected" or "unknown"
  std::string retry_after;  // seconds, as the header says
  // Of the body, if it is such an answer.
  bool is_success = false;
  std::optional<std::string> redirect;  // payload.message
};

class Api {
 public:
  explicit Api(std::chrono::milliseconds answer_timeout);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // For the next requests, from their beginning to the last byte of their answers. (Not for a
  // resolver that hangs.)
  void set_answer_timeout(std::chrono::milliseconds timeout);

  // "http://host:port", as an ip list may name a node. Another is kNotSent.
  static bool is_address(std::string_view text);

  // The connection is kept while the address stays the same. `idempotency_key`: the header's value;
  // empty: none.
  Reply send(const std::string& address, const char* method, const char* path,
             const std::string& body, const std::string& idempotency_key = {});

 private:
  struct Connection;
  void stop();

  std::chrono::milliseconds answer_timeout_;
  std::unique_ptr<Connection> connection_;  // changes only while the watchdog is disarmed
  Watchdog watchdog_;
};

// The documented request bodies.
std::string get_body(std::string_view key);
// `value` is JSON text already.
std::string put_body(std::string_view key, std::string_view value);
// A string as JSON text. Requires: is_utf8(text).
std::string json_string(std::string_view text);
bool is_utf8(std::string_view text);

// The JSON text of payload.value in a get's answer; nothing if there is none, or if it is no
// string.
std::optional<std::string> string_value_of(const std::string& body);
// payload.client of a registration's answer, in digits; nothing if there is none.
std::optional<std::string> client_of(const std::string& body);
// The string, or the digits of the number, that a reply's member holds; empty if there is none.
std::string text_of(const std::string& body, const char* name);

}  // namespace vesper::ctl
