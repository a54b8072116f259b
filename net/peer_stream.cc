#include "net/peer_stream.h"

#include <algorithm>

#include "core/node/wire.h"

namespace vesper::net {

namespace {

// Of a frame: enough to tell of which version it is.
constexpr std::size_t kVersionBytes = 12;

}  // namespace

Result<std::size_t> PeerStream::take(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  std::size_t whole = 0;
  Status status;
  while (status.ok() && whole < bytes.size()) {
    const auto size = node::frame_size(bytes.subspan(whole));
    if (!size.ok()) {
      status = size.error();
    } else if (!size.value() || *size.value() > bytes.size() - whole) {
      break;
    } else {
      whole += *size.value();
    }
  }
  // The frames share one copy: their entries are kept in it.
  const SharedBytes frames = SharedBytes::copy_of(bytes.first(whole));
  for (std::size_t at = 0; at < whole;) {
    const std::size_t size = *node::frame_size(frames.view().subspan(at)).value();
    deliver_(frames.slice(at, size));
    at += size;
  }
  if (status.ok()) return whole;
  // The node says in its log that somebody speaks another version, at the pace of such lines.
  if (status.error().code == ErrorCode::kMismatch) {
    const ByteView rest = bytes.subspan(whole);
    deliver_(SharedBytes::copy_of(rest.first(std::min(rest.size(), kVersionBytes))));
  }
  return status.error();
}

}  // namespace vesper::net
