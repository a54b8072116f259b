#include "sim/outcome_matrix.h"

#include <fmt/format.h>

namespace vesper::sim {

namespace {

template <class Visit>
void for_each_cell(Visit visit) {
  for (std::size_t fault = 0; fault < kFaultKinds; ++fault) {
    for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome) {
      visit(static_cast<Fault>(fault), static_cast<Outcome>(outcome));
    }
  }
}

std::uint64_t cell(const Outcomes& outcomes, Fault fault, Outcome outcome) {
  return outcomes[fault].outcomes[static_cast<std::size_t>(outcome)];
}

std::string name_of_cell(Fault fault, Outcome outcome) {
  return fmt::format("{}: {}", name_of(fault), kOutcomeNames[static_cast<std::size_t>(outcome)]);
}

// "12 (3)": how many, and of how many no other fault could be the cause.
std::string shown(const Outcomes::Row& row, std::size_t outcome, std::string_view why_not) {
  const std::uint64_t number = row.outcomes[outcome];
  if (number == 0 && !why_not.empty()) return "cannot";
  if (number == 0 || outcome == static_cast<std::size_t>(Outcome::kMasked)) {
    return std::to_string(number);
  }
  return fmt::format("{} ({})", number, row.alone[outcome]);
}

std::string listed(const std::vector<std::string>& cells) {
  return cells.empty() ? "none" : fmt::format("{}", fmt::join(cells, ", "));
}

std::string listed_json(const std::vector<std::string>& cells) {
  std::vector<std::string> quoted;
  for (const std::string& each : cells) quoted.push_back(fmt::format("\"{}\"", each));
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

}  // namespace

void OutcomeMatrix::add(const Outcomes& run) {
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    const Outcomes::Row& row = run.rows[i];
    Outcomes::Row& total = total_.rows[i];
    if (row.times > 0) ++runs_[i];
    total.times += row.times;
    total.episodes += row.episodes;
    for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome) {
      total.outcomes[outcome] += row.outcomes[outcome];
      total.alone[outcome] += row.alone[outcome];
    }
  }
  for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome) {
    total_.without_fault[outcome] += run.without_fault[outcome];
  }
}

std::vector<std::string> OutcomeMatrix::empty_cells() const {
  std::vector<std::string> cells;
  for_each_cell([&](Fault fault, Outcome outcome) {
    if (!why_not(fault, outcome).empty() || cell(total_, fault, outcome) > 0) return;
    cells.push_back(name_of_cell(fault, outcome));
  });
  return cells;
}

std::vector<std::string> OutcomeMatrix::belied_cells() const {
  std::vector<std::string> cells;
  for_each_cell([&](Fault fault, Outcome outcome) {
    if (why_not(fault, outcome).empty() || cell(total_, fault, outcome) == 0) return;
    cells.push_back(name_of_cell(fault, outcome));
  });
  return cells;
}

std::string OutcomeMatrix::report() const {
  std::string text = fmt::format("{:<30}{:>9}{:>6}{:>9}{:>9}", "what was done to it (and alone)",
                                 "times", "seeds", "episodes", kOutcomeNames[0]);
  for (std::size_t o = 1; o < kOutcomes; ++o) text += fmt::format("{:>16}", kOutcomeNames[o]);
  text += '\n';
  std::string reasons;
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    const auto fault = static_cast<Fault>(i);
    const Outcomes::Row& row = total_.rows[i];
    text +=
        fmt::format("{:<30}{:>10}{:>6}{:>9}", name_of(fault), row.times, runs_[i], row.episodes);
    for (std::size_t o = 0; o < kOutcomes; ++o) {
      const std::string_view reason = why_not(fault, static_cast<Outcome>(o));
      text += o == 0 ? fmt::format("{:>9}", shown(row, o, reason))
                     : fmt::format("{:>16}", shown(row, o, reason));
      if (reason.empty()) continue;
      reasons += fmt::format("  {}: not {}: {}\n", name_of(fault), kOutcomeNames[o], reason);
    }
    text += '\n';
  }
  text += fmt::format("{:<64}", "nothing that explains it");
  for (std::size_t o = 1; o < kOutcomes; ++o)
    text += fmt::format("{:>16}", total_.without_fault[o]);
  return text + "\ncannot be:\n" + reasons +
         fmt::format("cells that are empty: {}\ncells that cannot be and are: {}\n",
                     listed(empty_cells()), listed(belied_cells()));
}

std::string OutcomeMatrix::json() const {
  std::vector<std::string> faults;
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    const auto fault = static_cast<Fault>(i);
    const Outcomes::Row& row = total_.rows[i];
    std::string text = fmt::format("\"{}\": {{\"times\": {}, \"runs\": {}, \"episodes\": {}",
                                   name_of(fault), row.times, runs_[i], row.episodes);
    for (std::size_t o = 0; o < kOutcomes; ++o) {
      const std::string_view reason = why_not(fault, static_cast<Outcome>(o));
      const bool is_number = reason.empty() || row.outcomes[o] > 0;
      text += is_number ? fmt::format(", \"{}\": {}", kOutcomeNames[o], row.outcomes[o])
                        : fmt::format(", \"{}\": \"cannot: {}\"", kOutcomeNames[o], reason);
      if (o == 0 || !is_number) continue;
      text += fmt::format(", \"{}_alone\": {}", kOutcomeNames[o], row.alone[o]);
    }
    faults.push_back(text + "}");
  }
  std::vector<std::string> others;
  for (std::size_t o = 1; o < kOutcomes; ++o) {
    others.push_back(fmt::format("\"{}\": {}", kOutcomeNames[o], total_.without_fault[o]));
  }
  return fmt::format(
      "{{\"faults\": {{{}}}, \"without_fault\": {{{}}}, \"empty\": {}, \"belied\": {}}}",
      fmt::join(faults, ", "), fmt::join(others, ", "), listed_json(empty_cells()),
      listed_json(belied_cells()));
}

}  // namespace vesper::sim
