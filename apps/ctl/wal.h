// `vesperctl wal verify DIR` and `vesperctl wal dump DIR`: what a data directory holds, and what of
// it is whole, by the code with which a node starts. Only while no node uses the directory; nothing
// in it is changed.
#pragma once

#include <string>

namespace vesper::ctl {

struct WalCommand {
  std::string directory;
  bool as_json = false;  // dump: a JSON object a line
};

// What a data directory is found to be: the exit status.
enum WalVerdict : int {
  kWhole = 0,
  kTorn = 1,     // whole but for what a crash left: nobody was told of it, and a node puts it right
  kDamaged = 2,  // or it could not be looked at
};

int run_wal_verify(const WalCommand& command);
int run_wal_dump(const WalCommand& command);

}  // namespace vesper::ctl
