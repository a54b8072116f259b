// Checks that stay on in every build, release included. A VESPER_CHECK states what only a bug in
// this program can break: it prints the condition and its place, and aborts. What the outside world
// can do (a peer's bytes, a disk's error, a client's request) is never checked this way: that is a
// Status (result.h).
#pragma once

namespace vesper {

// Cold, so that what leads to it stands away from the code that runs.
[[noreturn, gnu::cold]] void check_failed(const char* condition, const char* file, int line);

}  // namespace vesper

#define VESPER_CHECK(condition)                        \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::vesper::check_failed(#condition, __FILE__, __LINE__))

#define VESPER_UNREACHABLE() ::vesper::check_failed("unreachable", __FILE__, __LINE__)
