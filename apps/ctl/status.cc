#include "apps/ctl/status.h"

#include <fmt/core.h>
#include <rapidjson/document.h>

#include <algorithm>
#include <cstdio>

#include "apps/ctl/api.h"
#include "apps/ctl/request.h"

namespace vesper::ctl {

namespace {

const rapidjson::Value* find(const rapidjson::Document& from, const char* name) {
  const auto found = from.FindMember(name);
  return found == from.MemberEnd() ? nullptr : &found->value;
}

std::uint64_t number(const rapidjson::Document& from, const char* name) {
  const auto* value = find(from, name);
  return value != nullptr && value->IsUint64() ? value->GetUint64() : 0;
}

std::string text(const rapidjson::Document& from, const char* name) {
  const auto* value = find(from, name);
  return value != nullptr && value->IsString() ? value->GetString() : "";
}

std::string what_is_lost(const rapidjson::Document& from) {
  const auto* doubt = find(from, "doubt");
  if (doubt == nullptr || !doubt->IsObject()) return "";
  const auto where = doubt->FindMember("where");
  return where != doubt->MemberEnd() && where->value.IsString() ? where->value.GetString() : "";
}

void print_row(const NodeStatus& node) {
  if (!node.is_reachable) {
    fmt::print("{:<5} {:<28} unreachable\n", "-", node.address);
    return;
  }
  const bool is_learner = node.is_learner && node.role == "follower";
  const std::string role = node.phase != "running" ? node.phase
                           : is_learner            ? "learner"
                                                   : node.role;
  const std::string leader = node.leader ? fmt::format("n{}", *node.leader) : "-";
  const std::string lost = node.lost.empty() ? "" : "  in doubt: " + node.lost;
  fmt::print("{:<5} {:<28} {:<13} {:>6} {:>9} {:>9} {:>9} {:>8} {:>8}{}{}\n",
             fmt::format("n{}", node.id), node.address, role, node.term, node.commit, node.applied,
             node.last, node.keys, leader, node.is_disk_full ? "  disk full" : "", lost);
}

}  // namespace

NodeStatus ask_status(const std::string& address, std::chrono::milliseconds timeout) {
  NodeStatus status;
  status.address = address;
  const Reply reply = Api(timeout).send(address, "GET", "/status", "");
  if (reply.delivery != Delivery::kAnswered || reply.status != 200) return status;
  rapidjson::Document json;
  json.Parse(reply.body.data(), reply.body.size());
  if (json.HasParseError() || !json.IsObject()) return status;

  status.is_reachable = true;
  status.id = number(json, "id");
  status.pid = number(json, "pid");
  status.phase = text(json, "phase");
  status.role = text(json, "role");
  status.term = number(json, "term");
  const auto* leader = find(json, "leader");
  if (leader != nullptr && leader->IsUint64()) status.leader = leader->GetUint64();
  status.commit = number(json, "commit");
  status.applied = number(json, "applied");
  status.last = number(json, "last");
  status.durable = number(json, "durable");
  status.keys = number(json, "keys");
  status.cluster = text(json, "cluster");
  status.snapshot = number(json, "snapshot");
  status.snapshot_bytes = number(json, "snapshot_bytes");
  const auto* disk_full = find(json, "disk_full");
  status.is_disk_full = disk_full != nullptr && disk_full->IsTrue();
  status.lost = what_is_lost(json);
  const auto* voter = find(json, "voter");
  status.is_learner = voter != nullptr && voter->IsFalse();
  const auto* nodes = find(json, "nodes");
  if (nodes != nullptr && nodes->IsArray()) {
    for (const auto& node : nodes->GetArray()) {
      if (node.IsString()) status.nodes.emplace_back(node.GetString());
    }
  }
  return status;
}

int run_status(const StatusOptions& options) {
  const NodeStatus asked = ask_status(options.address, options.timeout);
  if (!asked.is_reachable) {
    fmt::print(stderr, "vesperctl: no node could be reached at {} within {} ms\n", options.address,
               options.timeout.count());
    return kUnreachable;
  }
  fmt::print("{:<5} {:<28} {:<13} {:>6} {:>9} {:>9} {:>9} {:>8} {:>8}\n", "node", "address", "role",
             "term", "commit", "applied", "last", "keys", "follows");
  const NodeStatus* leader = nullptr;
  std::vector<NodeStatus> all;
  for (const std::string& address : asked.nodes) {
    all.push_back(ask_status(address, options.timeout));
  }
  for (const NodeStatus& node : all) {
    print_row(node);
    const bool leads = node.is_reachable && node.role == "leader";
    if (leads && (leader == nullptr || node.term > leader->term)) leader = &node;
  }
  if (leader == nullptr) {
    fmt::print("no leader\n");
    return kFail;
  }
  fmt::print("leader: n{} {} in term {}\n", leader->id, leader->address, leader->term);
  return kSuccess;
}

}  // namespace vesper::ctl
