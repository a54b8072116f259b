#include "net/rest_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/limits.h"
#include "net/json.h"
#include "net/member_list.h"
#include "net/rest.h"

namespace vesper::net {

namespace {

Error invalid(std::string why) {
  return {ErrorCode::kInvalid, std::move(why)};
}

Status read_address(JsonReader& reader, std::string& address) {
  const bool is_string = reader.peek() == JsonReader::Kind::kString;
  const std::size_t at = reader.offset();
  if (!reader.ok()) return {};
  if (!is_string) return invalid(fmt::format("\"add\" is not a string at byte {}", at));
  if (!reader.string(address)) return {};
  const auto parsed = parse_address(address);
  if (!parsed.ok()) return invalid(fmt::format("{} at byte {}", parsed.error().message, at));
  if (address.size() > limits::kAddressBytes) {
    return invalid(
        fmt::format("the address at byte {} has more than {} bytes", at, limits::kAddressBytes));
  }
  return {};
}

Status read_ids(JsonReader& reader, const std::string& name, std::vector<NodeId>& ids) {
  if (reader.peek() != JsonReader::Kind::kArray) {
    if (!reader.ok()) return {};
    return invalid(fmt::format("\"{}\" is not an array at byte {}", name, reader.offset()));
  }
  reader.begin_array();
  while (reader.next_element()) {
    reader.peek();  // past the blanks
    const std::size_t at = reader.offset();
    std::string_view text;
    if (!reader.value(text)) return {};
    std::uint32_t id = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
      return invalid(
          fmt::format("\"{}\" holds what is not the number of a node at byte {}", name, at));
    }
    if (std::find(ids.begin(), ids.end(), NodeId(id)) != ids.end()) {
      return invalid(fmt::format("\"{}\" names node {} a second time at byte {}", name, id, at));
    }
    if (ids.size() == limits::kNodes) {
      return invalid(fmt::format("\"{}\" names more nodes than a cluster may have", name));
    }
    ids.push_back(NodeId(id));
  }
  return {};
}

// What stands in the body; nothing of what does not.
struct Body {
  std::optional<std::string> add;
  std::optional<std::vector<NodeId>> promote;
  std::optional<std::vector<NodeId>> remove;
};

Status read_member(JsonReader& reader, const std::string& name, Body& body) {
  const std::size_t at = reader.offset();
  const auto second = [&] { return invalid(fmt::format("a second \"{}\" at byte {}", name, at)); };
  if (name == "add") return body.add ? second() : read_address(reader, body.add.emplace());
  if (name == "promote") {
    return body.promote ? second() : read_ids(reader, name, body.promote.emplace());
  }
  if (name == "remove") {
    return body.remove ? second() : read_ids(reader, name, body.remove.emplace());
  }
  return invalid(fmt::format("\"{}\" is not known at byte {}", name, at));
}

Status read_body(JsonReader& reader, Body& body) {
  if (reader.peek() != JsonReader::Kind::kObject) {
    if (reader.ok()) return invalid("the body is not a JSON object");
    return invalid("not JSON: " + reader.error());
  }
  reader.begin_object();
  std::string name;
  while (reader.next_member(name)) VESPER_TRY(read_member(reader, name, body));
  reader.end();
  if (!reader.ok()) return invalid("not JSON: " + reader.error());
  return {};
}

}  // namespace

Result<MembersRequest> parse_members_request(std::string_view body) {
  JsonReader reader(body);
  Body read;
  VESPER_TRY(read_body(reader, read));
  const bool changes = read.promote || read.remove;
  if (read.add && changes) {
    return invalid("\"add\" goes with neither \"promote\" nor \"remove\": one change at a time");
  }
  if (!read.add && !changes) {
    return invalid("the body names neither whom to \"add\", nor to \"promote\", nor to \"remove\"");
  }
  return MembersRequest{.add = read.add.value_or(std::string()),
                        .change = {.promote = read.promote.value_or(std::vector<NodeId>()),
                                   .remove = read.remove.value_or(std::vector<NodeId>())}};
}

HttpReply list_members_reply(const node::Answer& answer, ClusterId cluster,
                             const AddressBook& addresses) {
  // A node that is of no cluster yet, or that ends.
  if (answer.outcome != node::Outcome::kSuccess) return rejected_reply();
  const node::MembersView& seen = *answer.members;
  MemberList list{.cluster = fmt::format("{:016x}", cluster.value()),
                  .index = seen.index.value(),
                  .is_committed = seen.is_committed,
                  .is_joint = seen.configuration.is_joint(),
                  .next_id = seen.configuration.next_id().value(),
                  .leader = answer.leader,
                  .leader_address = addresses.line_of(answer.leader),
                  .last = seen.last.value(),
                  .members = {}};
  for (const raft::Member& member : seen.configuration.members()) {
    MemberLine line{
        .id = member.id,
        .address = member.address.empty() ? addresses.line_of(member.id) : member.address,
        .standing = raft::standing_name(member.standing),
        .incarnation = {},
        .match = {}};
    if (member.incarnation != Incarnation()) {
      line.incarnation = fmt::format("{:016x}", member.incarnation.value());
    }
    if (!seen.matches.empty()) line.match = seen.matches.at(list.members.size()).value();
    list.members.push_back(std::move(line));
  }
  return {.body = to_json(list)};
}

HttpReply change_members_reply(const node::Answer& answer, std::string_view leader) {
  if (answer.outcome != node::Outcome::kSuccess) return not_done_reply(answer, leader);
  if (!answer.member) return {.body = R"({"code":"success"})"};
  return {.body = fmt::format(R"({{"code":"success","id":{}}})", answer.member->value())};
}

}  // namespace vesper::net
