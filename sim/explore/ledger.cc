#include "sim/explore/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/raft/quorum.h"

namespace vesper::sim::explore {

namespace {

class Judge {
 public:
  Judge(const Catalog& catalog, std::span<const MachineId> machines, Ledger& ledger)
      : catalog_(catalog), machines_(machines), ledger_(ledger) {}

  std::optional<Finding> run(std::uint32_t node, Term elected) {
    if (elected != Term()) note_elected(node, elected);
    note_committed(node);
    check_copies();
    if (elected != Term()) check_leader(node);
    check_matching(node);
    return finding_;
  }

 private:
  // A log in memory or on a disk.
  struct View {
    const raft::Log* memory = nullptr;
    const std::vector<raft::Entry>* disk = nullptr;

    std::uint64_t last() const { return memory ? memory->last_index().value() : disk->size(); }
    const raft::Entry& at(std::uint64_t index) const {
      return memory ? memory->at(Index(index)) : (*disk)[index - 1];
    }
    bool holds(std::uint64_t index, const Ledger::Committed& entry) const {
      return index <= last() && at(index).term() == entry.term &&
             at(index).checksum() == entry.checksum;
    }
  };

  const Machine& machine(std::uint32_t node) const { return catalog_.machine(machines_[node]); }
  View memory(std::uint32_t node) const { return {&machine(node).raft.log(), nullptr}; }
  View disk(std::uint32_t node) const { return {nullptr, &machine(node).disk.log}; }

  void report(const char* invariant, std::string detail) {
    if (!finding_) finding_ = Finding{invariant, std::move(detail)};
  }

  void note_elected(std::uint32_t node, Term term) {
    const std::uint64_t bit = std::uint64_t{1} << (term.value() % 64);
    if ((ledger_.led_terms & bit) != 0) {
      report("election-safety",
             fmt::format("n{} leads term {}, which had a leader before", node, term.value()));
    }
    ledger_.led_terms |= bit;
  }

  void note_committed(std::uint32_t node) {
    const raft::Raft& raft = machine(node).raft;
    for (std::uint64_t index = 1; index <= raft.commit().value(); ++index) {
      const raft::Entry& entry = memory(node).at(index);
      if (index > ledger_.committed.size()) {
        ledger_.committed.push_back({entry.term(), entry.checksum(), raft.term()});
        continue;
      }
      Ledger::Committed& known = ledger_.committed[index - 1];
      if (!memory(node).holds(index, known)) {
        report("state-machine-safety",
               fmt::format("n{} commits another entry {}, of term {} instead of {}", node, index,
                           entry.term().value(), known.term.value()));
      }
      known.by = std::min(known.by, raft.term());
    }
  }

  void check_copies() {
    for (std::uint64_t index = 1; index <= ledger_.committed.size(); ++index) {
      std::size_t copies = 0;
      for (std::uint32_t node = 0; node < machines_.size(); ++node) {
        if (disk(node).holds(index, ledger_.committed[index - 1])) ++copies;
      }
      if (copies >= raft::majority_of(machines_.size())) continue;
      report("commit-durable",
             fmt::format("entry {} of term {} is committed and on {} disks of {}", index,
                         ledger_.committed[index - 1].term.value(), copies, machines_.size()));
    }
  }

  void check_leader(std::uint32_t node) {
    const raft::Raft& raft = machine(node).raft;
    if (!raft.is_leader()) return;
    for (std::uint64_t index = 1; index <= ledger_.committed.size(); ++index) {
      const Ledger::Committed& entry = ledger_.committed[index - 1];
      if (entry.by >= raft.term() || memory(node).holds(index, entry)) continue;
      report("leader-completeness",
             fmt::format("n{} leads term {} without entry {}, committed in term {}", node,
                         raft.term().value(), index, entry.by.value()));
    }
  }

  void check_matching(std::uint32_t node) {
    for (std::uint32_t other = 0; other < machines_.size(); ++other) {
      if (other == node) continue;
      for (const View& mine : {memory(node), disk(node)}) {
        for (const View& theirs : {memory(other), disk(other)}) {
          if (agree(mine, theirs)) continue;
          report("log-matching", fmt::format("the logs of n{} and n{} share an entry and differ "
                                             "before it",
                                             node, other));
        }
      }
    }
  }

  static bool agree(const View& a, const View& b) {
    bool must_be_equal = false;
    for (std::uint64_t index = std::min(a.last(), b.last()); index > 0; --index) {
      must_be_equal = must_be_equal || a.at(index).term() == b.at(index).term();
      if (must_be_equal && a.at(index).checksum() != b.at(index).checksum()) return false;
    }
    return true;
  }

  const Catalog& catalog_;
  std::span<const MachineId> machines_;
  Ledger& ledger_;
  std::optional<Finding> finding_;
};

}  // namespace

Ledgers::Id Ledgers::add(const Ledger& ledger) {
  const auto next = static_cast<Id>(kept_.size());
  const auto [at, is_new] = ids_.try_emplace(ledger, next);
  if (!is_new) return at->second;
  std::uint64_t hash = mix64(3, ledger.led_terms);
  for (const Ledger::Committed& entry : ledger.committed) {
    hash = mix64(mix64(mix64(hash, entry.term.value()), entry.checksum), entry.by.value());
  }
  kept_.push_back({ledger, hash});
  return next;
}

std::optional<Finding> judge(const Catalog& catalog, std::span<const MachineId> machines,
                             std::uint32_t node, Term elected, Ledger& ledger) {
  return Judge(catalog, machines, ledger).run(node, elected);
}

}  // namespace vesper::sim::explore
