#include "apps/ctl/words.h"

#include <charconv>

#include "apps/ctl/api.h"
#include "net/ip_list.h"

namespace vesper::ctl {

namespace {

using Words = std::span<const std::string>;

constexpr std::string_view kTimeout = "--timeout";
constexpr std::string_view kTimeoutIs = "--timeout=";
constexpr std::string_view kFollower = "--follower";
constexpr std::uint64_t kTimeoutMsMax = 86'400'000;  // a day

Error invalid(std::string what) {
  return {ErrorCode::kInvalid, std::move(what)};
}

Form form_of(Words words) {
  if (words.empty()) return Form::kAny;
  return words[0] == "get" ? Form::kGet : words[0] == "put" ? Form::kPut : Form::kAny;
}

bool is_timeout(const std::string& word) {
  return word == kTimeout || word.starts_with(kTimeoutIs);
}

Status read_timeout(std::string_view digits, RequestOptions& options) {
  std::uint64_t ms = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, ms);
  if (read.ec != std::errc() || read.ptr != end || ms > kTimeoutMsMax) {
    return invalid("--timeout takes whole milliseconds from 0 to " + std::to_string(kTimeoutMsMax) +
                   ", not '" + std::string(digits) + "'");
  }
  options.timeout = std::chrono::milliseconds(ms);
  return {};
}

// Options before the address. What only a get has is taken there alone: behind KEY it may be a
// VALUE.
Status take_leading(Words& words, Form form, RequestOptions& options) {
  while (!words.empty() && (is_timeout(words[0]) || words[0] == kFollower)) {
    if (words[0] == kFollower) {
      if (form != Form::kGet) return invalid("--follower is for a get: vesperctl get --follower");
      options.at_follower = true;
      words = words.subspan(1);
      continue;
    }
    const bool is_one_word = words[0] != kTimeout;
    if (!is_one_word && words.size() == 1)
      return invalid("--timeout: the milliseconds are missing");
    VESPER_TRY(read_timeout(is_one_word ? std::string_view(words[0]).substr(kTimeoutIs.size())
                                        : std::string_view(words[1]),
                            options));
    words = words.subspan(is_one_word ? 1 : 2);
  }
  return {};
}

// An option behind KEY [VALUE]: only where VALUE cannot stand, so at a third word at least, but for
// a get, which has no VALUE.
Status take_trailing(Words& words, Form form, RequestOptions& options) {
  const std::size_t count = words.size();
  if (count >= (form == Form::kGet ? 2 : 3) && words.back().starts_with(kTimeoutIs)) {
    VESPER_TRY(read_timeout(std::string_view(words.back()).substr(kTimeoutIs.size()), options));
    words = words.first(count - 1);
  } else if (count >= 3 && words[count - 2] == kTimeout) {
    VESPER_TRY(read_timeout(words.back(), options));
    words = words.first(count - 2);
  }
  return {};
}

Status check_text(const char* name, const std::string& text) {
  if (!is_utf8(text)) return invalid(std::string(name) + " is not UTF-8: JSON cannot carry it");
  return {};
}

}  // namespace

bool is_request(Words words) {
  if (words.empty()) return false;
  return form_of(words) != Form::kAny || words[0].starts_with("http") || is_timeout(words[0]) ||
         words[0] == kFollower;
}

bool is_request_help(Words words) {
  if (words.size() != 2) return false;
  return words[1] == "--help" || (words[1] == "-h" && form_of(words) != Form::kAny);
}

Result<RequestOptions> parse_request(Words words) {
  RequestOptions options;
  const Form form = form_of(words);
  if (form != Form::kAny) words = words.subspan(1);
  VESPER_TRY(take_leading(words, form, options));
  if (words.empty()) return invalid("ADDRESS is missing");
  const auto address = net::parse_address(words[0]);
  if (!address.ok()) return invalid("ADDRESS " + address.error().message);
  options.address = words[0];
  words = words.subspan(1);

  VESPER_TRY(take_trailing(words, form, options));
  if (words.empty()) return invalid("KEY is missing");
  options.key = words[0];
  if (options.key.empty()) return invalid("KEY is empty");
  VESPER_TRY(check_text("KEY", options.key));
  if (words.size() == 1 && form == Form::kPut) return invalid("VALUE is missing");
  if (words.size() == 2 && form == Form::kGet) return invalid("get takes no VALUE");
  if (words.size() > 2) return invalid("'" + words[2] + "' is one word too many");
  if (words.size() == 2) {
    options.value = words[1];
    VESPER_TRY(check_text("VALUE", *options.value));
  }
  return options;
}

}  // namespace vesper::ctl
