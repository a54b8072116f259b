#include "net/member_list.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/hash.h"
#include "core/base/limits.h"
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

using Json = rapidjson::Value;

// Each takes what stands there; false: it is there and of another kind. What is absent stays as it
// was.
bool take(const Json& from, const char* name, std::string& text) {
  const auto at = from.FindMember(name);
  if (at == from.MemberEnd() || at->value.IsNull()) return true;
  if (!at->value.IsString()) return false;
  text.assign(at->value.GetString(), at->value.GetStringLength());
  return true;
}
bool take(const Json& from, const char* name, bool& yes) {
  const auto at = from.FindMember(name);
  if (at == from.MemberEnd()) return true;
  if (!at->value.IsBool()) return false;
  yes = at->value.GetBool();
  return true;
}
bool take(const Json& from, const char* name, std::optional<std::uint64_t>& number) {
  const auto at = from.FindMember(name);
  if (at == from.MemberEnd() || at->value.IsNull()) return true;
  if (!at->value.IsUint64()) return false;
  number = at->value.GetUint64();
  return true;
}
bool take(const Json& from, const char* name, std::uint64_t& number) {
  std::optional<std::uint64_t> found = number;
  if (!take(from, name, found)) return false;
  number = *found;
  return true;
}
bool take(const Json& from, const char* name, std::optional<NodeId>& id) {
  std::optional<std::uint64_t> found;
  if (!take(from, name, found) || found.value_or(0) >= limits::kNodeIds) return false;
  if (found) id = NodeId(static_cast<std::uint32_t>(*found));
  return true;
}

// Nothing: it is none.
std::optional<MemberLine> member_of(const Json& json) {
  MemberLine member;
  std::optional<NodeId> id;
  if (!json.IsObject() || !take(json, "id", id) || !take(json, "address", member.address) ||
      !take(json, "standing", member.standing) || !take(json, "incarnation", member.incarnation) ||
      !take(json, "match", member.match) || !id || member.standing.empty()) {
    return std::nullopt;
  }
  member.id = *id;
  return member;
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
  rapidjson::Document read;
  read.Parse(json.data(), json.size());
  if (read.HasParseError()) {
    return invalid(fmt::format("{} at byte {}", rapidjson::GetParseError_En(read.GetParseError()),
                               read.GetErrorOffset()));
  }
  const Json& from = read;
  MemberList list;
  if (!from.IsObject() || !take(from, "cluster", list.cluster) ||
      !take(from, "index", list.index) || !take(from, "committed", list.is_committed) ||
      !take(from, "joint", list.is_joint) || !take(from, "next", list.next_id) ||
      !take(from, "leader", list.leader) || !take(from, "leader_address", list.leader_address) ||
      !take(from, "last", list.last)) {
    return invalid("a value of another kind than it should be");
  }
  const auto members = from.FindMember("members");
  if (members == from.MemberEnd() || !members->value.IsArray()) return invalid("there are none");
  for (const Json& each : members->value.GetArray()) {
    auto member = member_of(each);
    if (!member) return invalid(fmt::format("number {} is none", list.members.size()));
    list.members.push_back(std::move(*member));
  }
  if (list.members.empty()) return invalid("there are none");
  return list;
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
