// What tests/run reports of this program, counted while the tests run.
#pragma once

namespace vesper::net_test {

struct Counts {
  int probes = 0;
  int idle = 0;
};
inline Counts& counts() {
  static Counts counts;
  return counts;
}

}  // namespace vesper::net_test
