// GET and POST /members as values, beside net/rest.h: who takes part, and changes of it. The table
// that they implement stands in README.md; pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/node/environment.h"
#include "net/address_book.h"
#include "net/http.h"

namespace vesper::net {

// Either one to add, or a change.
struct MembersRequest {
  std::string add;  // the address of a node that is to come; empty: a change
  raft::Configuration::Change change;
};
// {"add": "http://host:port"} or {"promote": [ID, ...], "remove": [ID, ...]}. Another member is an
// error: a misspelt one would be half of a change. Errors: kInvalid; what, and where.
Result<MembersRequest> parse_members_request(std::string_view body);

HttpReply list_members_reply(const node::Answer& answer, ClusterId cluster,
                             const AddressBook& addresses);
// `leader`: as for api_reply.
HttpReply change_members_reply(const node::Answer& answer, std::string_view leader);

}  // namespace vesper::net
