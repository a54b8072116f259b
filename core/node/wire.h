// Frames between nodes: what travels over their connections and through the simulator's network.
//   0  u32 magic "VSP1": the last digit is the format's version, of all that the frame holds
//   4  u8  kind: 1 Raft message, 2 Hello, 3 Form, 4 Refusal, 16 Fingerprint; then 3 zero bytes
//   8  u32 body length                    16  u64 cluster id (0: not formed)
//  12  u32 CRC-32C of all other bytes     24  u64 sender's incarnation
//  32  u32 from, 36 u32 to                40  body
// Frames stand one after another in a stream; a frame's size is known from its first 12 bytes.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "core/raft/message.h"

namespace vesper::node {

// "I am up and empty" (cluster id 0), sent by a node that waits for its cluster to be formed, or to
// be taken in by one. A learner that hears from no leader says it too.
struct Hello {
  // The lines of the sender's ip list: all must agree. 0: it joins a cluster.
  std::uint32_t cluster_size = 0;
  Incarnation heard;  // of the receiver, as the sender heard it last; 0: not yet
};
// "The cluster is formed, of these founders", sent by a formed node to whoever says Hello.
struct Form {
  std::vector<Incarnation> founders;  // by node id
};

// "You do not take part any more", of a committed configuration.
struct Refusal {
  enum class Reason : std::uint8_t {
    kRemoved = 1,         // the id's member was removed; ids are not used again
    kOtherDirectory = 2,  // the id is another data directory's
  };
  Reason reason = Reason::kRemoved;
};

// "My state, right after the check point at `index` was applied" (core/node/consistency.h).
struct Fingerprint {
  Index index;
  std::uint64_t state_hash = 0;
};

using FrameBody = std::variant<raft::Message, Hello, Form, Refusal, Fingerprint>;
struct Frame {
  ClusterId cluster;
  Incarnation incarnation;
  NodeId from;
  NodeId to;
  FrameBody body;
};

inline constexpr std::size_t kFrameHeaderBytes = 40;

// Appends the frame to `out`.
void encode_frame(const Frame& frame, std::vector<std::byte>& out);
// The same for a Raft message without copying it into a Frame.
struct FrameHead {
  ClusterId cluster;
  Incarnation incarnation;
};
void encode_raft_frame(const FrameHead& head, const raft::Message& message,
                       std::vector<std::byte>& out);

// The whole size of the frame that starts with these bytes; nothing if fewer than 12 are there.
// Errors: kMismatch (another format version), kInvalid (no frame), kLimit (longer than
// limits::kFrameBytes).
Result<std::optional<std::size_t>> frame_size(ByteView bytes);

// Decodes exactly one frame. Entries share `bytes`. Errors: those of frame_size; never a crash.
Result<Frame> decode_frame(const SharedBytes& bytes);
// The same into a new frame. After an error it says nothing.
Status decode_frame(const SharedBytes& bytes, Frame& frame);

}  // namespace vesper::node
