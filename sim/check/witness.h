// Judges a history of puts and gets while it is made, by the order in which the puts were applied:
// then only one instant for each put needs to be found, in that order, and the earliest possible is
// always the best. Each operation costs the same however long the history is, and what no operation
// can belong to any more is placed for good and forgotten. HistoryChecker owns one, and
// check_by_witness makes one for a whole history.
//
// Keys and values are told apart by hashes of 63 bits.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/check/history.h"
#include "sim/check/linearizability.h"
#include "sim/check/name_table.h"

namespace vesper::sim {

class Witness {
 public:
  // The next put in the order. Requires: no two puts of one key have the same value.
  void on_applied(std::string_view key, std::string_view value);
  // An operation that has ended; a put that succeeded was applied before. One that may take effect
  // later has ended too, as unknown.
  void add(const HistoryOperation& operation);
  // Every operation that is added from here on started at `since` or later.
  void settle(Instant since);
  // What is wrong so far.
  const Linearizability& found() const { return found_; }
  // What is wrong, were this all.
  Linearizability judged() const;
  // Of all keys: what is not settled.
  std::size_t versions() const { return known_.size(); }

 private:
  struct Call {
    std::uint64_t client = 0;
    Instant start;
    Instant end;
  };
  // A value that its key had, until the next one.
  struct Version {
    std::optional<std::string> value;  // none: absent
    std::optional<Call> put;           // none: it is not in the history, or has not ended
    std::optional<Call> read;          // of those that found it, the one that ended first
    Instant latest_start = Instant::from_nanoseconds(INT64_MIN);  // of those
  };
  struct Register {
    std::string key;
    std::uint64_t first = 0;  // the number of versions.front(); version 0 is "absent"
    std::deque<Version> versions;
    Instant earliest = Instant::from_nanoseconds(INT64_MIN);  // where versions.front() can be
  };
  struct Known {
    std::size_t place = 0;  // of its register
    std::uint64_t version = 0;
  };

  std::size_t register_of(std::string_view key);
  Version* version_of(const HistoryOperation& operation);
  void settle(Register& key, Instant since);
  static std::string place(const Register& key, const Version& version, Instant& earliest);
  void report(std::string detail);

  NameTable<std::size_t> places_;  // of registers, by key, from 1
  std::vector<Register> registers_;
  NameTable<Known> known_;   // by key and value
  NameTable<Call> unknown_;  // puts that may yet be applied
  Linearizability found_;
};

}  // namespace vesper::sim
