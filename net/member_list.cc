#include "net/member_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "core/base/hash.h"
#include "net/json.h"

namespace vesper::net {

namespace {

constexpr std::string_view kFileHead = "vesper members, format version ";
constexpr std::string_view kFileVersion = "1";
constexpr std::size_t kSumLineBytes = 9;

std::string sum_line(std::string_view text) {
  return fmt::format("{:08x}\n", crc32c(as_bytes(text)));
}

Error invalid(const std::string& why) {
  return {ErrorCode::kInvalid, "not the members of a cluster: " + why};
}

void append_text_or_null(std::string_view text, std::string& out) {
  if (text.empty()) {
    out += "null";
  } else {
    append_json_string(text, out);
  }
}

void append_member(const MemberList& list, const MemberLine& member, std::string& out) {
  fmt::format_to(std::back_inserter(out), R"({{"id":{},"address":)", member.id.value());
  append_text_or_null(member.address, out);
  fmt::format_to(std::back_inserter(out), R"(,"standing":"{}","incarnation":)", member.standing);
  append_text_or_null(member.incarnation, out);
  if (member.match) {
    fmt::format_to(std::back_inserter(out), R"(,"match":{},"lag":{})", *member.match,
                   *list.lag(member));
  }
  out += '}';
}

// Reads one value after the other; the first that is of another kind than it should be stays.
class Reader {
 public:
  explicit Reader(std::string_view json) : json_(json) {}

  Result<MemberList> read();

 private:
  void fail(const char* what) {
    if (why_.empty()) why_ = fmt::format("{} at byte {}", what, json_.offset());
  }
  bool ok() const { return why_.empty() && json_.ok(); }
  bool is_null();
  void read_text(std::string& text);
  template <class Number>
  void read_number(Number& number);
  void read_bool(bool& yes);
  void read_field(const std::string& name, MemberList& list);
  void read_members(std::vector<MemberLine>& members);
  void read_field(const std::string& name, MemberLine& member);
  static MemberLine read_line(std::string_view json, std::string& why);

  JsonReader json_;
  std::string why_;
};

bool Reader::is_null() {
  if (json_.peek() != JsonReader::Kind::kNull) return false;
  std::string_view skipped;
  json_.value(skipped);
  return true;
}

// Null is an empty text.
void Reader::read_text(std::string& text) {
  text.clear();
  if (is_null()) return;
  if (json_.peek() != JsonReader::Kind::kString) return fail("no string");
  json_.string(text);
}

template <class Number>
void Reader::read_number(Number& number) {
  std::string_view text;
  json_.value(text);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) fail("no whole number");
}

void Reader::read_bool(bool& yes) {
  std::string_view text;
  json_.value(text);
  if (text != "true" && text != "false") fail("neither true nor false");
  yes = text == "true";
}

void Reader::read_field(const std::string& name, MemberLine& member) {
  std::uint32_t id = 0;
  if (name == "id") {
    read_number(id);
    member.id = NodeId(id);
  } else if (name == "address") {
    read_text(member.address);
  } else if (name == "standing") {
    read_text(member.standing);
  } else if (name == "incarnation") {
    read_text(member.incarnation);
  } else if (name == "match") {
    read_number(member.match.emplace());
  } else {
    std::string_view skipped;
    json_.value(skipped);
  }
}

MemberLine Reader::read_line(std::string_view json, std::string& why) {
  Reader reader(json);
  MemberLine member;
  std::string name;
  if (reader.json_.peek() != JsonReader::Kind::kObject) reader.fail("a member is no object");
  reader.json_.begin_object();
  while (reader.ok() && reader.json_.next_member(name)) reader.read_field(name, member);
  if (member.standing.empty()) reader.fail("a member without a standing");
  why = reader.json_.ok() ? reader.why_ : reader.json_.error();
  return member;
}

void Reader::read_members(std::vector<MemberLine>& members) {
  if (json_.peek() != JsonReader::Kind::kArray) return fail("no array");
  json_.begin_array();
  while (ok() && json_.next_element()) {
    std::string_view text;
    json_.value(text);
    if (!json_.ok()) return;
    members.push_back(read_line(text, why_));
  }
}

void Reader::read_field(const std::string& name, MemberList& list) {
  std::uint32_t leader = 0;
  if (name == "cluster") {
    read_text(list.cluster);
  } else if (name == "index") {
    read_number(list.index);
  } else if (name == "committed") {
    read_bool(list.is_committed);
  } else if (name == "joint") {
    read_bool(list.is_joint);
  } else if (name == "next") {
    read_number(list.next_id);
  } else if (name == "leader") {
    if (is_null()) return;
    read_number(leader);
    list.leader = NodeId(leader);
  } else if (name == "leader_address") {
    read_text(list.leader_address);
  } else if (name == "last") {
    read_number(list.last);
  } else if (name == "members") {
    read_members(list.members);
  } else {
    std::string_view skipped;
    json_.value(skipped);
  }
}

Result<MemberList> Reader::read() {
  MemberList list;
  std::string name;
  if (json_.peek() != JsonReader::Kind::kObject) return invalid("no JSON object");
  json_.begin_object();
  while (ok() && json_.next_member(name)) read_field(name, list);
  if (ok()) json_.end();
  if (!json_.ok()) return invalid(json_.error());
  if (!why_.empty()) return invalid(why_);
  if (list.members.empty()) return invalid("there are none");
  return list;
}

}  // namespace

const MemberLine* MemberList::find(NodeId id) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [id](const MemberLine& member) { return member.id == id; });
  return found == members.end() ? nullptr : &*found;
}

const MemberLine* MemberList::find_at(std::string_view address) const {
  const auto found =
      std::find_if(members.begin(), members.end(), [address](const MemberLine& member) {
        return !address.empty() && member.address == address;
      });
  return found == members.end() ? nullptr : &*found;
}

bool MemberList::is_of_leader() const {
  return !members.empty() && members.front().match.has_value();
}

std::optional<std::uint64_t> MemberList::lag(const MemberLine& member) const {
  if (!member.match) return std::nullopt;
  return last - std::min(last, *member.match);
}

std::string to_json(const MemberList& list) {
  std::string json = R"({"code":"success","cluster":)";
  append_json_string(list.cluster, json);
  fmt::format_to(std::back_inserter(json),
                 R"(,"index":{},"committed":{},"joint":{},"next":{},"leader":{},"leader_address":)",
                 list.index, list.is_committed, list.is_joint, list.next_id,
                 list.leader ? std::to_string(list.leader->value()) : "null");
  append_text_or_null(list.leader_address, json);
  fmt::format_to(std::back_inserter(json), R"(,"last":{},"members":[)", list.last);
  for (const MemberLine& member : list.members) {
    if (&member != &list.members.front()) json += ',';
    append_member(list, member, json);
  }
  return json + "]}";
}

Result<MemberList> parse_member_list(std::string_view json) {
  return Reader(json).read();
}

// --- The file ---

std::string to_file(const std::string& json) {
  std::string file = std::string(kFileHead) + std::string(kFileVersion) + '\n' + json + '\n';
  return file + sum_line(file);
}

Result<MemberList> parse_member_file(std::string_view file) {
  const std::size_t size = file.size() - std::min(kSumLineBytes, file.size());
  const std::string_view summed = file.substr(0, size);
  if (file.substr(size) != sum_line(summed) || !summed.starts_with(kFileHead)) {
    return Error{ErrorCode::kCorruption, "the file is damaged"};
  }
  const std::string_view rest = summed.substr(kFileHead.size());
  const std::string_view version = rest.substr(0, rest.find('\n'));
  if (version != kFileVersion) {
    return Error{ErrorCode::kMismatch,
                 fmt::format("format version {}, this program reads {}", version, kFileVersion)};
  }
  return parse_member_list(rest.substr(std::min(version.size() + 1, rest.size())));
}

}  // namespace vesper::net
