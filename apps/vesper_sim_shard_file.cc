#include "apps/vesper_sim_shard_file.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <unistd.h>

#include <charconv>
#include <utility>

#include "apps/source_id.h"
#include "apps/vesper_sim_commands.h"
#include "core/base/hash.h"
#include "core/base/version.h"

namespace vesper::app {

namespace {

constexpr std::uint64_t kFormat = 2;
constexpr std::size_t kLineBytesMost = std::size_t{1} << 20;
// ,"crc":"00000000"}
constexpr std::size_t kCrcBytes = 18;

// Closes a line that lacks only that.
std::string sealed(std::string line) {
  const std::uint32_t crc = crc32c(as_bytes(line));
  return std::move(line) + fmt::format(",\"crc\":\"{:08x}\"}}\n", crc);
}

bool is_sealed(std::string_view line) {
  if (line.size() < kCrcBytes) return false;
  const std::string_view body = line.substr(0, line.size() - kCrcBytes);
  return line.substr(body.size()) == fmt::format(",\"crc\":\"{:08x}\"}}", crc32c(as_bytes(body)));
}

std::string seeds_text(const Seeds& seeds) {
  return fmt::format("{}..{}", seeds.first, seeds.last);
}

std::string scenarios_text(const std::vector<NamedScenario>& scenarios) {
  std::vector<std::string> texts;
  for (const NamedScenario& scenario : scenarios) {
    texts.push_back(fmt::format("{} (hash {:016x})", scenario.name, scenario.hash));
  }
  return texts.empty() ? "hunt's own" : fmt::format("{}", fmt::join(texts, ", "));
}

// Reads the members of one line; the first that is missing or of another type is the error.
class Members {
 public:
  // Requires: the line is sealed, so that whoever wrote it meant it.
  explicit Members(std::string_view line) {
    json_.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (json_.HasParseError()) {
      error_ = fmt::format("column {}: {}", json_.GetErrorOffset() + 1,
                           rapidjson::GetParseError_En(json_.GetParseError()));
    } else if (!json_.IsObject()) {
      error_ = "a JSON object is expected";
    }
  }

  bool has(const char* name) const { return error_.empty() && json_.HasMember(name); }
  std::uint64_t number(const char* name) { return number_of(find(name), name); }
  double seconds(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->IsNumber() && value->GetDouble() >= 0) return value->GetDouble();
    fail(name, "a number of seconds");
    return 0;
  }
  bool truth(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->IsBool()) return value->GetBool();
    fail(name, "true or false");
    return false;
  }
  std::string text(const char* name) { return text_of(find(name), name); }
  std::uint64_t hash(const char* name) { return hash_of(find(name), name); }

  std::vector<NamedScenario> scenarios(const char* name) {
    std::vector<NamedScenario> read;
    const auto* value = find(name);
    if (value == nullptr || !value->IsArray()) fail(name, "a list of scenarios");
    if (!error_.empty()) return read;
    for (const auto& scenario : value->GetArray()) {
      read.push_back({.name = text_of(find_in(scenario, "name"), "name"),
                      .hash = hash_of(find_in(scenario, "hash"), "hash")});
    }
    return read;
  }
  sim::Marks marks(const char* name) {
    sim::Marks read;
    const auto* value = find(name);
    if (value == nullptr || !value->IsArray() || value->Size() != sim::kMarks) {
      fail(name, "a number for each mark");
      return read;
    }
    for (rapidjson::SizeType i = 0; i < sim::kMarks; ++i) {
      read.times()[i] = number_of(&(*value)[i], name);
    }
    return read;
  }

  sim::Outcomes outcomes(const char* name) {
    std::vector<std::uint64_t> numbers;
    const auto* value = find(name);
    if (value != nullptr && value->IsArray()) {
      for (const auto& each : value->GetArray()) numbers.push_back(number_of(&each, name));
    } else {
      fail(name, "a list of numbers");
    }
    const std::optional<sim::Outcomes> read = sim::outcomes_of(numbers);
    if (!read) fail(name, "eleven numbers for each fault");
    return read.value_or(sim::Outcomes());
  }

  sim::Recovery recovery(const char* name) {
    sim::Recovery read;
    const auto* value = find(name);
    if (value == nullptr || !value->IsArray() || value->Size() != sim::Recovery::kSteps) {
      fail(name, "a number or null for each step");
      return read;
    }
    for (rapidjson::SizeType i = 0; i < sim::Recovery::kSteps; ++i) {
      if (!(*value)[i].IsNull()) read.after[i] = number_of(&(*value)[i], name);
    }
    return read;
  }

  void fail(const char* name, const char* what) {
    if (error_.empty()) error_ = fmt::format("\"{}\" must be {}", name, what);
  }
  const std::string& error() const { return error_; }

 private:
  static const rapidjson::Value* find_in(const rapidjson::Value& in, const char* name) {
    if (!in.IsObject()) return nullptr;
    const auto member = in.FindMember(name);
    return member == in.MemberEnd() ? nullptr : &member->value;
  }
  const rapidjson::Value* find(const char* name) const {
    return error_.empty() ? find_in(json_, name) : nullptr;
  }
  std::uint64_t number_of(const rapidjson::Value* value, const char* name) {
    if (value != nullptr && value->IsUint64()) return value->GetUint64();
    fail(name, "a whole number that is not negative");
    return 0;
  }
  std::string text_of(const rapidjson::Value* value, const char* name) {
    if (value != nullptr && value->IsString())
      return {value->GetString(), value->GetStringLength()};
    fail(name, "a string");
    return {};
  }
  std::uint64_t hash_of(const rapidjson::Value* value, const char* name) {
    const std::string text = text_of(value, name);
    std::uint64_t hash = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
    if (text.size() != 16 || end.ptr != text.data() + text.size()) {
      fail(name, "16 hexadecimal digits");
    }
    return hash;
  }

  rapidjson::Document json_;
  std::string error_;
};

ShardHeader read_header(Members& in) {
  if (in.number("vesper-sim shard") != kFormat) {
    in.fail("vesper-sim shard",
            fmt::format("{}, the format that this program reads", kFormat).c_str());
  }
  ShardHeader header;
  header.program = in.text("program");
  header.source = in.text("source");
  header.scenarios = in.scenarios("scenarios");
  const std::optional<Seeds> seeds = parse_seeds(in.text("seeds"));
  if (!seeds) in.fail("seeds", "A..B with A <= B");
  const std::optional<Shard> shard =
      parse_shard(fmt::format("{}/{}", in.number("shard"), in.number("shards")));
  if (!shard) in.fail("shard", "less than \"shards\"");
  header.seeds = seeds.value_or(Seeds());
  header.shard = shard.value_or(Shard());
  return header;
}

sim::RunResult read_run(Members& in) {
  sim::RunResult result;
  result.seed = in.number("seed");
  result.passed = in.truth("passed");
  result.at = Instant::from_nanoseconds(static_cast<std::int64_t>(in.number("at")));
  result.event = in.number("event");
  result.counts.events = in.number("events");
  result.counts.faults = in.number("faults");
  result.counts.operations = in.number("operations");
  result.hash = in.hash("hash");
  result.marks = in.marks("marks");
  result.outcomes = in.outcomes("outcomes");
  result.recovery = in.recovery("recovery");
  if (in.has("stuck")) result.stuck = in.text("stuck");
  if (!result.passed) {
    result.violation = in.text("violation");
    result.detail = in.text("detail");
  }
  return result;
}

}  // namespace

// --- The header ---

ShardHeader header_of(const HuntPlan& whole, Shard shard) {
  return {.program = kVesperVersion,
          .source = std::string(run_source_id()),
          .seeds = whole.seeds(),
          .scenarios = whole.scenarios(),
          .shard = shard};
}

std::optional<std::string> difference(const ShardHeader& found, const ShardHeader& wanted) {
  const auto differ = [](const char* what, const std::string& a, const std::string& b) {
    return fmt::format("{} {}, not {}", what, a, b);
  };
  if (found.program != wanted.program) return differ("version", found.program, wanted.program);
  if (found.source != wanted.source) return differ("source", found.source, wanted.source);
  const std::string seeds = seeds_text(found.seeds);
  if (seeds != seeds_text(wanted.seeds)) return differ("seeds", seeds, seeds_text(wanted.seeds));
  if (found.scenarios != wanted.scenarios) {
    return differ("scenarios", scenarios_text(found.scenarios), scenarios_text(wanted.scenarios));
  }
  if (found.shard.count == wanted.shard.count) return std::nullopt;
  return differ("shards", std::to_string(found.shard.count), std::to_string(wanted.shard.count));
}

// --- Lines, written ---

std::string header_line(const ShardHeader& header) {
  std::vector<std::string> scenarios;
  for (const NamedScenario& scenario : header.scenarios) {
    scenarios.push_back(fmt::format("{{\"name\":{},\"hash\":\"{:016x}\"}}",
                                    json_text(scenario.name), scenario.hash));
  }
  std::vector<std::string> marks;
  for (const char* name : sim::kMarkNames) marks.push_back(json_text(name));
  std::vector<std::string> faults;
  for (std::size_t i = 0; i < sim::kFaultKinds; ++i) {
    faults.push_back(json_text(std::string(name_of(static_cast<sim::Fault>(i)))));
  }
  return sealed(fmt::format(
      "{{\"vesper-sim shard\":{},\"program\":{},\"source\":{},\"seeds\":\"{}\",\"scenarios\":[{}],"
      "\"shard\":{},\"shards\":{},\"runs\":{},\"marks\":[{}],\"faults\":[{}]",
      kFormat, json_text(header.program), json_text(header.source), seeds_text(header.seeds),
      fmt::join(scenarios, ","), header.shard.index, header.shard.count,
      header.whole().part(header.shard).size(), fmt::join(marks, ","), fmt::join(faults, ",")));
}

std::string run_line(const HuntPlan& part, std::size_t run, const sim::RunResult& result,
                     double wall) {
  const std::vector<std::uint64_t> outcomes = numbers_of(result.outcomes);
  std::vector<std::string> recovery;
  for (const auto& after : result.recovery.after) {
    recovery.push_back(after ? std::to_string(*after) : "null");
  }
  const std::string stuck =
      result.stuck.empty() ? std::string() : fmt::format("\"stuck\":{},", json_text(result.stuck));
  std::string failure;
  if (!result.passed) {
    failure =
        fmt::format("\"violation\":{},\"detail\":{},\"replay\":{},", json_text(result.violation),
                    json_text(result.detail), json_text(part.replay_of(run)));
  }
  return sealed(fmt::format(
      "{{\"run\":{},\"seed\":{},\"passed\":{},{}\"at\":{},\"event\":{},\"events\":{},\"faults\":{},"
      "\"operations\":{},\"hash\":\"{:016x}\",\"marks\":[{}],"
      "\"outcomes\":[{}],\"recovery\":[{}],{}\"wall\":{:.3f}",
      run, result.seed, result.passed, failure, result.at.nanoseconds(), result.event,
      result.counts.events, result.counts.faults, result.counts.operations, result.hash,
      fmt::join(result.marks.times(), ","), fmt::join(outcomes, ","), fmt::join(recovery, ","),
      stuck, wall));
}

std::string end_line(const ShardEnd& end) {
  return sealed(fmt::format("{{\"end\":true,\"runs\":{},\"failures\":{},\"hash\":\"{:016x}\"",
                            end.runs, end.failures, end.hash));
}

// --- Lines, read ---

ShardLines::Kind ShardLines::next(std::string_view& line) {
  buffer_.erase(0, used_);
  used_ = 0;
  for (std::size_t looked = 0;;) {
    const std::size_t end = buffer_.find('\n', looked);
    if (end != std::string::npos) {
      line = std::string_view(buffer_).substr(0, end);
      used_ = end + 1;
      return end > kLineBytesMost ? Kind::kTooLong : Kind::kLine;
    }
    if (buffer_.size() > kLineBytesMost) return Kind::kTooLong;
    looked = buffer_.size();
    char bytes[16 * 1024];
    const ssize_t count = read(file_, bytes, sizeof bytes);
    if (count < 0) return Kind::kUnreadable;
    if (count == 0) return buffer_.empty() ? Kind::kNone : Kind::kTorn;
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
}

Error ShardReader::error(const std::string& what) const {
  return {ErrorCode::kInvalid, fmt::format("{}:{}: {}", path_, number_, what)};
}

Error ShardReader::error_behind(const std::string& what) const {
  return {ErrorCode::kInvalid, fmt::format("{}:{}: {}", path_, number_ + 1, what)};
}

Result<std::optional<std::string_view>> ShardReader::line() {
  std::string_view line;
  switch (lines_.next(line)) {
    case ShardLines::Kind::kUnreadable:
      return Error{ErrorCode::kIo, fmt::format("{}: cannot be read", path_)};
    case ShardLines::Kind::kTooLong:
      return error_behind(fmt::format("damaged: a line of over {} bytes", kLineBytesMost));
    case ShardLines::Kind::kTorn:
      if (is_complete_) return error_behind("something behind the end");
      return std::optional<std::string_view>();
    case ShardLines::Kind::kNone:
      return std::optional<std::string_view>();
    case ShardLines::Kind::kLine:
      break;
  }
  ++number_;
  whole_bytes_ += line.size() + 1;
  if (!is_sealed(line)) return error("damaged: the line does not match its checksum");
  return std::optional(line);
}

Result<ShardHeader> ShardReader::header() {
  const auto text = line();
  if (!text.ok()) return text.error();
  if (!text.value()) return error_behind("unfinished: the shard has not begun");
  Members in(*text.value());
  ShardHeader header = read_header(in);
  if (!in.error().empty()) return error(in.error());
  part_ = header.whole().part(header.shard);
  return header;
}

Result<std::optional<sim::RunResult>> ShardReader::next() {
  VESPER_CHECK(part_.has_value());
  const auto text = line();
  if (!text.ok()) return text.error();
  if (!text.value()) return std::optional<sim::RunResult>();
  if (is_complete_) return error("a line behind the end");
  Members in(*text.value());
  if (in.has("end")) {
    const ShardEnd end{
        .runs = in.number("runs"), .failures = in.number("failures"), .hash = in.hash("hash")};
    if (!in.error().empty()) return error(in.error());
    VESPER_TRY(take_end(end));
    return next();
  }
  const std::uint64_t number = in.number("run");
  sim::RunResult result = read_run(in);
  wall_ = in.seconds("wall");
  if (!in.error().empty()) return error(in.error());
  VESPER_TRY(take_run(result, number));
  return std::optional(std::move(result));
}

Status ShardReader::take_run(const sim::RunResult& result, std::uint64_t number) {
  if (so_far_.runs == part_->size()) return error("a run more than the shard has");
  const std::uint64_t seed = part_->seed_of(so_far_.runs);
  if (number != so_far_.runs || result.seed != seed) {
    return error(fmt::format("run {} of seed {}, where run {} of seed {} must come", number,
                             result.seed, so_far_.runs, seed));
  }
  ++so_far_.runs;
  if (!result.passed) ++so_far_.failures;
  so_far_.hash = mix64(so_far_.hash, result.hash);
  return {};
}

Status ShardReader::take_end(const ShardEnd& end) {
  if (so_far_.runs != part_->size()) {
    return error(fmt::format("the end after {} of {} runs", so_far_.runs, part_->size()));
  }
  if (end != so_far_) return error("the end does not tell of the runs before it");
  is_complete_ = true;
  return {};
}

}  // namespace vesper::app
