// How the core calls things in texts for people.
#pragma once

#include <string>

#include "core/base/types.h"

namespace vesper {

inline std::string name_of(NodeId node) {
  return "n" + std::to_string(node.value());
}

}  // namespace vesper
