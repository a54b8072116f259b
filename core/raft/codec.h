// The bytes of a Raft message between nodes: a body for the frame of core/node/wire.h, which adds
// length, checksum and version. Strict both ways: any bytes give a message or an error that says
// what is wrong and at which offset; nothing is allocated on a stranger's word, only for bytes that
// are there.
#pragma once

#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/raft/message.h"

namespace vesper::raft {

// Appends term and body to `out`; from and to travel in the frame.
void encode_message(const Message& message, std::vector<std::byte>& out);

// Decodes the whole of `bytes` (left-over bytes are an error). Entries share `bytes`. from and to
// stay unset.
Result<Message> decode_message(const SharedBytes& bytes);
// The same of the bytes from `begin` on, into a message that is there; from and to stay as they
// are. After an error the rest of it says nothing. Requires: begin <= bytes.size().
Status decode_message(const SharedBytes& bytes, std::size_t begin, Message& message);

}  // namespace vesper::raft
