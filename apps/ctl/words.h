// The command line of a get or a put: [get|put] ADDRESS KEY [VALUE] [--timeout N]. KEY and VALUE
// are taken by their places, as they stand, whatever they look like: a value `--help` that is taken
// for a question, or `--timeout=5` for an option, would be a put that is never sent. Pure.
#pragma once

#include <span>
#include <string>

#include "apps/ctl/request.h"
#include "core/base/result.h"

namespace vesper::ctl {

enum class Form { kAny, kGet, kPut };  // without a first word it is VALUE that makes it a put

inline constexpr const char* kRequestUsage =
    "usage: vesperctl ADDRESS KEY [VALUE] [--timeout N]\n"
    "       vesperctl get [--follower] ADDRESS KEY [--timeout N]\n"
    "       vesperctl put ADDRESS KEY VALUE [--timeout N]\n"
    "\n"
    "ADDRESS is any node, as http://host:port. VALUE is put as a JSON string. KEY and VALUE may "
    "be\n"
    "any UTF-8 text; a word after them is an option only if it stands where no VALUE can.\n"
    "--follower: ADDRESS may answer though it does not lead, after it has asked the leader how far "
    "it\n"
    "must have come; no less up to date than the leader's own answer\n"
    "N: wait and try again, as through an election, for at most N milliseconds (default 5000)\n";

// Whether these words, without the program's name, are a get or a put.
bool is_request(std::span<const std::string> words);

// Nothing is wrong, but the usage is asked for: exactly `ADDRESS --help`, `get --help`, and so on.
bool is_request_help(std::span<const std::string> words);

// Requires: is_request(words). Errors: kInvalid, saying what is missing, wrong or too much.
Result<RequestOptions> parse_request(std::span<const std::string> words);

}  // namespace vesper::ctl
