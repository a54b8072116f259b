#include "sim/check/witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/kv/command.h"

namespace vesper::sim {

namespace {

std::uint64_t name_of(std::string_view key, std::string_view value) {
  return kv::pair_hash(as_bytes(key), as_bytes(value)) | 1;
}

}  // namespace

void Witness::report(std::string detail) {
  if (found_.ok()) found_ = {Linearizability::Verdict::kViolated, std::move(detail)};
}

std::size_t Witness::register_of(std::string_view key) {
  std::size_t& place = places_.add(hash64(as_bytes(key)) | 1);
  if (place == 0) {
    registers_.push_back({.key = std::string(key), .versions = std::deque<Version>(1)});
    place = registers_.size();
  }
  return place - 1;
}

void Witness::on_applied(std::string_view key, std::string_view value) {
  const std::uint64_t name = name_of(key, value);
  if (known_.find(name) != nullptr) {
    return report(fmt::format("{} was applied twice to {}", value, key));
  }
  const std::size_t place = register_of(key);
  Register& written = registers_[place];
  known_.add(name) = {place, written.first + written.versions.size()};
  Version& version = written.versions.emplace_back();
  version.value = value;
  if (const Call* const put = unknown_.find(name)) {
    version.put = *put;
    unknown_.erase(name);
  }
}

// nullptr: its value was never applied, or is settled.
Witness::Version* Witness::version_of(const HistoryOperation& operation) {
  std::size_t place = 0;
  std::uint64_t number = 0;
  if (operation.value) {
    const Known* const known = known_.find(name_of(operation.key, *operation.value));
    if (known == nullptr) return nullptr;
    place = known->place;
    number = known->version;
  } else {
    place = register_of(operation.key);
  }
  Register& key = registers_[place];
  return number < key.first ? nullptr : &key.versions[number - key.first];
}

void Witness::add(const HistoryOperation& operation) {
  if (!takes_effect(operation)) return;
  const bool is_put = operation.kind == node::RequestKind::kPut;
  const Call call{operation.client, operation.start, end_of(operation)};
  Version* const version = version_of(operation);
  if (version == nullptr) {
    const bool may_come = operation.outcome == HistoryOutcome::kUnknown &&
                          known_.find(name_of(operation.key, *operation.value)) == nullptr;
    if (may_come) {
      unknown_.add(name_of(operation.key, *operation.value)) = call;
      return;
    }
    const char* const why = !operation.value ? ", though it was put before"
                            : is_put         ? ", a value that was never applied"
                                     : ", a value that was never applied or was replaced before";
    return report(describe(operation) + why);
  }
  if (is_put) {
    version->put = call;
    return;
  }
  if (!version->read || call.end < version->read->end) version->read = call;
  version->latest_start = std::max(version->latest_start, call.start);
}

// Places the version as early as it can be: after it was invoked, after the version before, and
// after each read of the version before was invoked. Empty: that is possible; `earliest` is then
// where the next one can be.
std::string Witness::place(const Register& key, const Version& version, Instant& earliest) {
  const auto told = [&](node::RequestKind kind, const Call& call) {
    return describe({.client = call.client,
                     .kind = kind,
                     .key = key.key,
                     .value = version.value,
                     .start = call.start,
                     .end = call.end});
  };
  if (version.put) {
    earliest = std::max(earliest, version.put->start);
    if (version.put->end < earliest) {
      return told(node::RequestKind::kPut, *version.put) +
             ", but what came before it in the log ended later";
    }
  }
  if (version.read && version.read->end < earliest) {
    return told(node::RequestKind::kGet, *version.read) +
           ", before that value could have been there";
  }
  earliest = std::max(earliest, version.latest_start);
  return {};
}

// A version that was there for certain before all that is still to come started: those before it
// can be found by nobody any more.
void Witness::settle(Register& key, Instant since) {
  std::size_t settled = 0;
  for (std::size_t i = 1; i < key.versions.size(); ++i) {
    const Version& each = key.versions[i];
    const bool is_put = each.put && each.put->end < since;
    const bool is_read = each.read && each.read->end < since;
    if (is_put || is_read) settled = i;
  }
  for (; settled > 0; --settled) {
    const Version& version = key.versions.front();
    if (std::string wrong = place(key, version, key.earliest); !wrong.empty()) {
      report(std::move(wrong));
    }
    // A put that ends only now came too late: that it was known has to stay.
    if (version.put) known_.erase(name_of(key.key, *version.value));
    key.versions.pop_front();
    ++key.first;
  }
}

void Witness::settle(Instant since) {
  for (Register& key : registers_) settle(key, since);
}

Linearizability Witness::judged() const {
  if (!found_.ok()) return found_;
  for (const Register& key : registers_) {
    Instant earliest = key.earliest;
    for (const Version& version : key.versions) {
      if (std::string wrong = place(key, version, earliest); !wrong.empty()) {
        return {Linearizability::Verdict::kViolated, std::move(wrong)};
      }
    }
  }
  return {};
}

}  // namespace vesper::sim
