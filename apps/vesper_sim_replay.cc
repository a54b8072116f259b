#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/source_id.h"
#include "apps/vesper_sim_commands.h"
#include "core/base/version.h"
#include "sim/replay/replay.h"

namespace vesper::app {

namespace {

// Recordings may be longer than memory.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return error(path);
    struct stat info {};
    MappedFile mapped;
    if (::fstat(file, &info) == 0 && info.st_size > 0) {
      mapped.size_ = static_cast<std::size_t>(info.st_size);
      mapped.data_ = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    const Error failed = error(path);
    ::close(file);
    if (mapped.data_ == MAP_FAILED) return failed;
    return mapped;
  }
  // It stays mapped: the command ends the process.
  ByteView bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  static Error error(const std::string& path) {
    return {ErrorCode::kIo, path + ": " + std::strerror(errno)};
  }
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

class PrintedTrace final : public sim::TraceSink {
 public:
  void write(std::string_view line) override { fmt::print("{}", line); }
};

std::string counts(const ReplayCommand& command, const sim::Replayed& replayed) {
  return fmt::format(
      "record={} node={} turns={} events={} frames={} requests={} completions={} readings={} "
      "outputs={} applied={} state_hash={:016x}",
      command.recording, replayed.view.id.value(), replayed.turns, replayed.events, replayed.frames,
      replayed.requests, replayed.completions, replayed.readings, replayed.outputs,
      replayed.view.applied.value(), replayed.view.state_hash);
}

// How the recording ends, if not with its life.
void say_end(const ReplayCommand& command, const sim::Replayed& replayed) {
  if (replayed.is_stopped) {
    const bool by_turn = command.until_turn.has_value();
    fmt::print(
        "stopped after {} {}; to look at it: gdb -ex 'break vesper_replay_stop' -ex run --args "
        "vesper-sim replay {} --until{} {}\n",
        by_turn ? "turn" : "event", by_turn ? *command.until_turn : *command.until,
        command.recording, by_turn ? "-turn" : "", by_turn ? *command.until_turn : *command.until);
  } else if (replayed.is_cut && command.unfinished) {
    fmt::print("the recording ends in turn {}, which was replayed as far as it goes\n",
               replayed.turns + 1);
  } else if (replayed.is_cut) {
    fmt::print(
        "the recording ends in turn {}: replayed up to turn {}, the last whole one (--unfinished "
        "goes on)\n",
        replayed.turns + 1, replayed.turns);
  } else if (!replayed.has_ended) {
    fmt::print("the recording ends after turn {}, and the life went on or was ended there\n",
               replayed.turns);
  }
}

int bad_input(const ReplayCommand& command, const Error& error) {
  fmt::print(stderr, "{}: {}\n", command.recording, error.message);
  return kExitBadInput;
}

}  // namespace

int replay_command(const ReplayCommand& command) {
  const auto file = MappedFile::open(command.recording);
  if (!file.ok()) {
    fmt::print(stderr, "{}\n", file.error().message);
    return kExitBadInput;
  }
  PrintedTrace trace;
  const auto result =
      sim::replay(file.value().bytes(), {.program = kVesperVersion,
                                         .until_event = command.until,
                                         .until_turn = command.until_turn,
                                         .unfinished = command.unfinished,
                                         .trace = command.trace ? &trace : nullptr});
  if (!result.ok()) return bad_input(command, result.error());
  const sim::Replayed& replayed = result.value();
  if (const auto& difference = replayed.difference) {
    fmt::print("turn {} differs, at event {} (offset {}): {}\n", difference->turn,
               difference->event, difference->offset, difference->what);
    if (replayed.sources != core_source_id()) {
      fmt::print(
          "(it was recorded by a core of the sources {}, this one is of {}: look there first)\n",
          replayed.sources, core_source_id());
    }
    fmt::print("FAIL {}\n", counts(command, replayed));
    return kExitViolation;
  }
  if (replayed.damage) {
    fmt::print("the turns up to {} are whole and were replayed alike\n", replayed.turns);
    return bad_input(command, *replayed.damage);
  }
  if (!replayed.is_stopped && ((command.until && *command.until > replayed.events) ||
                               (command.until_turn && *command.until_turn > replayed.turns))) {
    return bad_input(command, {ErrorCode::kInvalid, fmt::format("it ends with event {} and turn {}",
                                                                replayed.events, replayed.turns)});
  }
  say_end(command, replayed);
  fmt::print("PASS {}\n", counts(command, replayed));
  return kExitPassed;
}

}  // namespace vesper::app
