// How a sentence of the paper or of the dissertation stands as a test: named by its words, and
// counted when it runs.
#pragma once

#include <doctest/doctest.h>

#include "tests/core/properties.h"

#define SENTENCE(words) TEST_CASE(words* doctest::test_suite("paper"))

namespace vesper::raft::testing {

struct Counted {
  Counted() { vesper::testing::count("paper sentences", 1); }
};

}  // namespace vesper::raft::testing
