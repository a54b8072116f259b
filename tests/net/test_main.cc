#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <csignal>
#include <cstdio>

#include "tests/net/counts.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const int status = doctest::Context(argc, argv).run();
  const vesper::net_test::Counts& counts = vesper::net_test::counts();
  if (counts.probes > 0) std::printf("counts: raw-socket probes: %d\n", counts.probes);
  if (counts.idle > 0) std::printf("counts: idle connections: %d\n", counts.idle);
  return status;
}
