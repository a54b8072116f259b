#include "apps/ctl/api.h"

#include <httplib.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <utility>

#include "net/ip_list.h"

namespace vesper::ctl {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;
using CheckingWriter =
    rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                      rapidjson::CrtAllocator, rapidjson::kWriteValidateEncodingFlag>;

constexpr std::chrono::milliseconds kConnectTimeout{500};

rapidjson::SizeType size_of(std::string_view text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

// Numbers keep all their digits: they are texts here.
void parse(const std::string& body, rapidjson::Document& document) {
  document.Parse<rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag>(
      body.data(), body.size());
}

const rapidjson::Value* member(const rapidjson::Value& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

// A string, or a number's digits, in the payload.
std::optional<std::string> payload_text(const std::string& body, const char* name) {
  rapidjson::Document document;
  parse(body, document);
  if (document.HasParseError()) return std::nullopt;
  const auto* payload = member(document, "payload");
  const auto* value = payload == nullptr ? nullptr : member(*payload, name);
  if (value == nullptr || !value->IsString()) return std::nullopt;
  return std::string(value->GetString(), value->GetStringLength());
}

// What a client acts on.
void read_body(Reply& reply) {
  rapidjson::Document document;
  parse(reply.body, document);
  if (document.HasParseError()) return;
  const auto* code = member(document, "code");
  reply.is_success = reply.status == 200 && code != nullptr && code->IsString() &&
                     std::string_view(code->GetString()) == "success";
  const auto* payload = member(document, "payload");
  const auto* message = payload == nullptr ? nullptr : member(*payload, "message");
  if (!reply.is_success && message != nullptr && message->IsString()) {
    reply.redirect.emplace(message->GetString(), message->GetStringLength());
  }
}

bool is_not_sent(httplib::Error error) {
  return error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout ||
         error == httplib::Error::BindIPAddress;
}

}  // namespace

struct Api::Connection {
  // Split already: the library takes no letters in an IPv6 address.
  Connection(const net::NodeAddress& to, std::chrono::milliseconds answer_timeout)
      : address(to.line), client(to.host, to.port) {
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    set_answer_timeout(answer_timeout);
  }
  void set_answer_timeout(std::chrono::milliseconds timeout) {
    client.set_connection_timeout(std::min(timeout, kConnectTimeout));
    client.set_read_timeout(timeout);
    client.set_write_timeout(timeout);
  }
  std::string address;
  httplib::Client client;
};

Api::Api(std::chrono::milliseconds answer_timeout)
    : answer_timeout_(answer_timeout), watchdog_([this] { stop(); }) {}
Api::~Api() = default;

void Api::stop() {
  connection_->client.stop();
}

bool Api::is_address(std::string_view text) {
  return net::parse_address(text).ok();
}

void Api::set_answer_timeout(std::chrono::milliseconds timeout) {
  answer_timeout_ = timeout;
  if (connection_) connection_->set_answer_timeout(timeout);
}

Reply Api::send(const std::string& address, const char* method, const char* path,
                const std::string& body, const std::string& idempotency_key) {
  if (connection_ == nullptr || connection_->address != address) {
    const auto to = net::parse_address(address);
    if (!to.ok()) return {};
    connection_ = std::make_unique<Connection>(to.value(), answer_timeout_);
  }
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.body = body;
  if (!body.empty()) request.set_header("Content-Type", "application/json");
  if (!idempotency_key.empty()) request.set_header("Idempotency-Key", idempotency_key);
  watchdog_.arm(Watchdog::Clock::now() + answer_timeout_);
  const httplib::Result result = connection_->client.send(request);
  watchdog_.disarm();

  Reply reply;
  if (!result) {
    reply.delivery = is_not_sent(result.error()) ? Delivery::kNotSent : Delivery::kBroken;
    connection_.reset();
    return reply;
  }
  reply.delivery = Delivery::kAnswered;
  reply.status = result->status;
  reply.body = result->body;
  reply.outcome = result->get_header_value("Vesper-Outcome");
  reply.retry_after = result->get_header_value("Retry-After");
  read_body(reply);
  return reply;
}

std::string get_body(std::string_view key) {
  return R"({"type":"get","payload":{"key":)" + json_string(key) + "}}";
}

std::string put_body(std::string_view key, std::string_view value) {
  std::string body = R"({"type":"put","payload":{"key":)" + json_string(key) + R"(,"value":)";
  body.append(value);
  return body + "}}";
}

std::string json_string(std::string_view text) {
  rapidjson::StringBuffer buffer;
  Writer(buffer).String(text.data(), size_of(text));
  return {buffer.GetString(), buffer.GetSize()};
}

bool is_utf8(std::string_view text) {
  rapidjson::StringBuffer buffer;
  return CheckingWriter(buffer).String(text.data(), size_of(text));
}

std::optional<std::string> string_value_of(const std::string& body) {
  const auto value = payload_text(body, "value");
  return value ? std::optional(json_string(*value)) : std::nullopt;
}

std::string text_of(const std::string& body, const char* name) {
  rapidjson::Document document;
  parse(body, document);
  const auto* value = document.HasParseError() ? nullptr : member(document, name);
  if (value == nullptr || !value->IsString()) return {};
  return {value->GetString(), value->GetStringLength()};
}

std::optional<std::string> client_of(const std::string& body) {
  auto client = payload_text(body, "client");
  const bool is_number =
      client && !client->empty() && client->find_first_not_of("0123456789") == std::string::npos;
  return is_number ? std::move(client) : std::nullopt;
}

}  // namespace vesper::ctl
