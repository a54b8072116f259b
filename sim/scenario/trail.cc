#include "sim/scenario/trail.h"

#include "core/base/hash.h"

namespace vesper::sim {

// The words of a message leave out what its entries say.
void Trail::on_deliver(Instant at, NodeId from, NodeId to, ByteView frame) {
  hash_ = mix64(hash_, hash64(frame));
  Trace::on_deliver(at, from, to, frame);
}

// The time too: an event that is told in no word, a timer that had moved, is an event all the same.
void Trail::on_event_end(Instant at, std::uint64_t event) {
  hash_ = mix64(hash_, static_cast<std::uint64_t>(at.nanoseconds()));
  hash_ = mix64(hash_, hash64(as_bytes(text_)));
  reader_.on_event(event, hash_, text_);
  text_.clear();
}

}  // namespace vesper::sim
