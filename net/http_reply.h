// A reply as the text that leaves. Pure.
#pragma once

#include <string>

#include "net/http.h"

namespace vesper::net {

// What the request says of its reply's form.
struct ReplyForm {
  bool close = false;
  bool is_http10 = false;  // where to stay connected has to be said
  bool is_head = false;    // everything but the body
};

void append_reply(const HttpReply& reply, ReplyForm form, std::string& out);

}  // namespace vesper::net
