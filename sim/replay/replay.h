// Runs the very same core through a recording (core/node/recording_format.h) that a node made in
// production: each input as it was, each turn when it was, each reading of the clock and each read
// of the disk with what came then; and compares all that the node does with what it did. For
// `vesper-sim replay` and tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/node/environment.h"
#include "sim/scenario/trace.h"

namespace vesper::sim {

struct ReplayOptions {
  // The version of this program; a recording of another one is refused.
  std::string_view program;
  // Ends after that record, or that turn; none: after all. Right before, vesper_replay_stop is
  // called: with an input or a turn before the node sees it, with an output out of the node's call.
  std::optional<std::uint64_t> until_event;
  std::optional<std::uint64_t> until_turn;
  // Goes on with the inputs of the last turn, which did not end any more.
  bool unfinished = false;
  // A line for each input and output; nobody: none.
  TraceSink* trace = nullptr;
};

struct ReplayDifference {
  std::uint64_t turn = 0;   // 0: the start
  std::uint64_t event = 0;  // the record
  std::uint64_t offset = 0;
  std::string what;
};

struct Replayed {
  std::string sources;       // of the program that recorded, as it named them
  std::uint64_t events = 0;  // records
  std::uint64_t turns = 0;   // that ended, all alike but for a difference in the last
  std::uint64_t frames = 0;
  std::uint64_t requests = 0;
  std::uint64_t completions = 0;
  std::uint64_t readings = 0;
  std::uint64_t outputs = 0;
  node::NodeView view;  // at the end
  std::optional<ReplayDifference> difference;
  bool is_stopped = false;  // as `until` asked
  bool has_ended = false;   // the life did, in the recording
  bool is_cut = false;      // records of a turn that is not whole follow
  // Behind the last whole turn; up to there it was replayed.
  std::optional<Error> damage;
};

// Errors: kInvalid (no recording, or not what a recorder writes), kCorruption, kMismatch (another
// format's or program's version). They name the offset.
Result<Replayed> replay(ByteView file, const ReplayOptions& options);

}  // namespace vesper::sim

// For a debugger to break at (ReplayOptions::until_event). It does nothing.
extern "C" void vesper_replay_stop(std::uint64_t event);
