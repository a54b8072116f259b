#include "net/http_reply.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "net/json.h"

namespace vesper::net {

namespace {

const char* reason_of(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Payload Too Large";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "Other";
  }
}

void append_header(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void append_reply(const HttpReply& reply, ReplyForm form, std::string& out) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", reply.status,
                 reason_of(reply.status));
  for (const auto& [name, value] : reply.headers) append_header(name, value, out);
  if (form.close) {
    append_header("Connection", "close", out);
  } else if (form.is_http10) {
    append_header("Connection", "keep-alive", out);
  }
  // RFC 9110 section 8.6: these have neither.
  if (reply.status != 204 && reply.status != 101) {
    append_header("Content-Type", reply.content_type, out);
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", reply.body.size());
  }
  out.append("\r\n");
  if (!form.is_head) out.append(reply.body);
}

HttpReply error_reply(int status, std::string_view why) {
  HttpReply reply{.status = status, .body = R"({"code":"fail","error":)"};
  append_json_string(why, reply.body);
  reply.body += '}';
  return reply;
}

HttpReply overloaded_reply(std::string_view why) {
  HttpReply reply = error_reply(503, why);
  reply.headers = {{"Retry-After", "1"}, {"Vesper-Outcome", "rejected"}};
  return reply;
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

}  // namespace vesper::net
