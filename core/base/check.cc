#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace vesper {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "vesper: check failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace vesper
