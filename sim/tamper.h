// What a bad network does to a frame's bytes: flips bits, cuts it short, appends to it, overwrites
// a part. Pure; the world calls it for the frames that a link's setting strikes.
#pragma once

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace vesper::sim {

// Ensures: the result differs from the frame. Requires: the frame is not empty.
SharedBytes tampered(ByteView frame, RandomStream& draws);

}  // namespace vesper::sim
