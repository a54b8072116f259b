#include "sim/check/history.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace vesper::sim {

namespace {

constexpr std::size_t kMembers = 7;
constexpr const char* kOutcomes[] = {"ok", "fail", "unknown"};

Error invalid(std::string what) {
  return {ErrorCode::kInvalid, std::move(what)};
}

// Reads the members of one line; the first that is missing or of another type is the error.
class LineReader {
 public:
  explicit LineReader(const rapidjson::Document& line) : line_(line) {}

  std::uint64_t number(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->IsUint64()) return value->GetUint64();
    fail(name, "a whole number that is not negative");
    return 0;
  }
  Instant time(const char* name) {
    const std::uint64_t nanoseconds = number(name);
    if (nanoseconds > INT64_MAX) fail(name, "a time of at most 9223372036854775807 ns");
    return Instant::from_nanoseconds(static_cast<std::int64_t>(nanoseconds));
  }
  std::string text(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->IsString())
      return {value->GetString(), value->GetStringLength()};
    fail(name, "a string");
    return {};
  }
  std::optional<std::string> text_or_null(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->IsNull()) return std::nullopt;
    return text(name);
  }
  void fail(const char* name, const char* what) {
    if (error_.empty()) error_ = fmt::format("\"{}\" must be {}", name, what);
  }
  const std::string& error() const { return error_; }

 private:
  const rapidjson::Value* find(const char* name) const {
    const auto member = line_.FindMember(name);
    return member == line_.MemberEnd() ? nullptr : &member->value;
  }
  const rapidjson::Document& line_;
  std::string error_;
};

Result<HistoryOperation> parse_line(std::string_view text) {
  rapidjson::Document line;
  line.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag>(text.data(),
                                                                                     text.size());
  if (line.HasParseError()) {
    return invalid(fmt::format("column {}: {}", line.GetErrorOffset() + 1,
                               rapidjson::GetParseError_En(line.GetParseError())));
  }
  if (!line.IsObject()) return invalid("a JSON object is expected");
  if (line.MemberCount() != kMembers) {
    return invalid(fmt::format("{} members, there must be {}", line.MemberCount(), kMembers));
  }
  LineReader in(line);
  HistoryOperation operation;
  operation.client = in.number("client");
  const std::string op = in.text("op");
  if (op != "put" && op != "get") in.fail("op", "\"put\" or \"get\"");
  operation.kind = op == "put" ? node::RequestKind::kPut : node::RequestKind::kGet;
  operation.key = in.text("key");
  operation.value = in.text_or_null("value");
  operation.start = in.time("start");
  operation.end = in.time("end");
  const std::string outcome = in.text("outcome");
  bool is_outcome = false;
  for (std::uint8_t i = 0; i < std::size(kOutcomes); ++i) {
    if (outcome != kOutcomes[i]) continue;
    operation.outcome = static_cast<HistoryOutcome>(i);
    is_outcome = true;
  }
  if (!is_outcome) in.fail("outcome", "\"ok\", \"fail\" or \"unknown\"");
  if (op == "put" && !operation.value) in.fail("value", "a string: the put's JSON text");
  if (operation.end < operation.start) in.fail("end", "no earlier than \"start\"");
  if (!in.error().empty()) return invalid(in.error());
  return operation;
}

}  // namespace

Result<History> parse_history(std::string_view text) {
  History history;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto operation = parse_line(line);
    if (!operation.ok()) {
      return invalid(fmt::format("line {}: {}", number, operation.error().message));
    }
    history.push_back(std::move(operation.value()));
  }
  return history;
}

std::string history_line(const HistoryOperation& operation) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> out(buffer);
  const auto text = [&](const char* name, std::string_view value) {
    out.Key(name);
    out.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  out.StartObject();
  out.Key("client");
  out.Uint64(operation.client);
  text("op", operation.kind == node::RequestKind::kPut ? "put" : "get");
  text("key", operation.key);
  if (operation.value) {
    text("value", *operation.value);
  } else {
    out.Key("value");
    out.Null();
  }
  out.Key("start");
  out.Int64(operation.start.nanoseconds());
  out.Key("end");
  out.Int64(operation.end.nanoseconds());
  text("outcome", kOutcomes[static_cast<std::size_t>(operation.outcome)]);
  out.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

std::string describe(const HistoryOperation& operation) {
  const bool is_put = operation.kind == node::RequestKind::kPut;
  return fmt::format("client {} {} {} {} from {} to {} ns", operation.client,
                     is_put ? "put" : "got", operation.key, operation.value.value_or("nothing"),
                     operation.start.nanoseconds(), operation.end.nanoseconds());
}

bool takes_effect(const HistoryOperation& operation) {
  if (operation.outcome == HistoryOutcome::kOk) return true;
  return operation.outcome == HistoryOutcome::kUnknown && operation.kind == node::RequestKind::kPut;
}

Instant end_of(const HistoryOperation& operation) {
  return operation.outcome == HistoryOutcome::kOk ? operation.end : Instant::never();
}

}  // namespace vesper::sim
