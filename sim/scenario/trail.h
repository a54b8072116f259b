// What a run does, event by event: the trace's words and the bytes of every frame, made one hash
// over all that came before. Two runs of the same scenario and seed are the same as long as their
// hashes are, and part at the first event whose hash differs. An observer of the run; it hands each
// event to its reader, who keeps or compares them (vesper-sim verify).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/scenario/trace.h"

namespace vesper::sim {

class TrailReader {
 public:
  virtual ~TrailReader() = default;
  // `text`: the event's lines of trace, and those of what was done to the world just before it.
  virtual void on_event(std::uint64_t event, std::uint64_t hash, std::string_view text) = 0;
};

class Trail final : private TraceSink, public Trace {
 public:
  // The reader must outlive the trail.
  explicit Trail(TrailReader& reader) : Trace(static_cast<TraceSink&>(*this)), reader_(reader) {}

  void on_deliver(Instant at, NodeId from, NodeId to, ByteView frame) override;
  void on_event_end(Instant at, std::uint64_t event) override;

 private:
  void write(std::string_view line) override { text_ += line; }

  TrailReader& reader_;
  std::uint64_t hash_ = 0;
  std::string text_;
};

}  // namespace vesper::sim
