// How two runs are compared while both go on: vesper-sim verify starts `vesper-sim trail` twice, of
// this build or of two, and each tells a hash an event, block by block:
//
//   0123456789abcdef      an event, kBlock of them, or fewer before the end
//   ?                     what now? The answer is `go`, or `tell K`: the words of the block's K-th
//                         event (from 0) and of the one before, and then the trail ends
//   end PASS events=...   instead of ?, how the run ended; also answered
//
// As plain text, so that two machines can compare their files with the usual tools: where nobody
// answers, the trail goes on.
#pragma once

#include <cstddef>
#include <string_view>

namespace vesper::app {

// Little enough for its words to be kept until the block has been compared.
inline constexpr std::size_t kTrailBlock = 4096;
inline constexpr std::string_view kTrailAsks = "?";
inline constexpr std::string_view kTrailEnds = "end ";
inline constexpr std::string_view kTrailGo = "go\n";
inline constexpr std::string_view kTrailTell = "tell ";
// Between the words of two events.
inline constexpr std::string_view kTrailBetween = "--";

}  // namespace vesper::app
