#include <fmt/format.h>

#include "apps/vesper_sim_commands.h"

namespace vesper::app {

int check_command(const std::string& history_file) {
  const Result<std::string> text = read_file(history_file);
  if (!text.ok()) {
    fmt::print(stderr, "{}\n", text.error().message);
    return kExitBadInput;
  }
  fmt::print(stderr, "checking histories is not built in yet\n");
  return kExitBadInput;
}

}  // namespace vesper::app
