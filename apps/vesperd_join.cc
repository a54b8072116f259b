#include "apps/vesperd_join.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "apps/ctl/api.h"
#include "net/file_descriptor.h"
#include "net/member_list.h"

namespace vesper {

namespace {

using Clock = std::chrono::steady_clock;
using net::LogLevel;

constexpr std::chrono::milliseconds kAnswerTimeout{1000};
constexpr std::chrono::milliseconds kPause{200};
constexpr const char* kFile = "members";

std::string name(NodeId id) {
  return fmt::format("n{}", id.value());
}

// --- The file: the answer, kept ---

std::optional<net::MemberList> kept_members(const std::string& directory, net::Logger& logger) {
  const std::string file = directory + "/" + kFile;
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  auto list = net::parse_member_file(text);
  if (list.ok()) return std::move(list.value());
  logger.line(LogLevel::kWarning,
              file + ": " + list.error().message + ": the members are asked as at the first start");
  return std::nullopt;
}

Error io_error(const std::string& operation, const std::string& file) {
  return {ErrorCode::kIo, operation + " " + file + ": " + std::strerror(errno)};
}

// --- Asking ---

std::optional<net::MemberList> ask(ctl::Api& api, const std::string& address, std::string& why) {
  const ctl::Reply reply = api.send(address, "GET", "/members", {});
  if (reply.delivery != ctl::Delivery::kAnswered) {
    why = address + " does not answer";
    return std::nullopt;
  }
  if (!reply.is_success) {
    why = address + " is of no cluster now";
    return std::nullopt;
  }
  auto list = net::parse_member_list(reply.body);
  if (list.ok()) return std::move(list.value());
  why = address + ": " + list.error().message;
  return std::nullopt;
}

// The leader knows best, and a node that is behind does not know of a newcomer.
std::optional<net::MemberList> ask_for_leader(ctl::Api& api, const std::string& address,
                                              std::string& why) {
  auto list = ask(api, address, why);
  if (!list || list->is_of_leader() || list->leader_address.empty()) return list;
  std::string unused;
  auto of_leader = ask(api, list->leader_address, unused);
  return of_leader ? of_leader : list;
}

Result<Join> join_by(const net::MemberList& list, NodeId id) {
  Join join{.addresses = {}, .others = {}, .record = net::to_json(list)};
  for (const net::MemberLine& member : list.members) {
    auto address = net::parse_address(member.address);
    if (member.id == id && !address.ok()) return address.error();
    if (address.ok()) join.addresses.emplace(member.id, std::move(address.value()));
    if (member.id != id) join.others.push_back(member.id);
  }
  return join;
}

// Why this list does not take the node in.
Error refusal(const net::MemberList& list, const JoinOptions& options) {
  const std::string id = name(options.id);
  if (options.id.value() < list.next_id) {
    return {ErrorCode::kRemoved, id +
                                     " was removed from the cluster; ids are not used again. Ask " +
                                     "for a new one with: vesperctl member add " +
                                     options.ask.front() + " http://<this host>:<port>"};
  }
  return {ErrorCode::kUnavailable,
          id + " is no member of the cluster. Ask for an id with: vesperctl " + "member add " +
              options.ask.front() + " http://<this host>:<port>"};
}

}  // namespace

Result<Join> ask_members(const JoinOptions& options, net::Logger& logger) {
  const auto kept = kept_members(options.data_directory, logger);
  const bool is_known = kept && kept->find(options.id) != nullptr;
  const Clock::time_point end = Clock::now() + options.timeout;
  ctl::Api api(kAnswerTimeout);
  std::string said;
  while (true) {
    std::string why;
    for (const std::string& address : options.ask) {
      const auto list = ask_for_leader(api, address, why);
      if (!list) continue;
      if (kept && kept->cluster != list->cluster) {
        why = address + " is of another cluster than this data directory";
        continue;
      }
      if (list->find(options.id) != nullptr) return join_by(*list, options.id);
      why = refusal(*list, options).message;
      // With what it keeps, a node that was removed starts, and is told so by the members.
      if (list->is_of_leader() && list->is_committed && !is_known) return refusal(*list, options);
    }
    if (why != said) logger.line(LogLevel::kWarning, "looks for the members: " + why);
    said = why;
    if (is_known) {
      logger.line(LogLevel::kInfo, "starts with the members as they were when it last asked");
      return join_by(*kept, options.id);
    }
    if (Clock::now() + kPause >= end) {
      return Error{ErrorCode::kUnavailable,
                   fmt::format("no member told within {} ms where this node belongs: {}",
                               options.timeout.count(), why)};
    }
    std::this_thread::sleep_for(kPause);
  }
}

Status keep_members(const std::string& data_directory, const std::string& record) {
  const std::string file = data_directory + "/" + kFile;
  const std::string temporary = file + ".new";
  const std::string text = net::to_file(record);
  {
    const net::FileDescriptor out(
        ::open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
    if (!out.is_open()) return io_error("create", temporary);
    errno = ENOSPC;  // a short write says no more than that
    if (::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return io_error("write", temporary);
    }
    if (::fdatasync(out.get()) != 0) return io_error("sync", temporary);
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) return io_error("rename", temporary);
  const net::FileDescriptor directory(
      ::open(data_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0) {
    return io_error("sync the directory", data_directory);
  }
  return {};
}

}  // namespace vesper
