// Which program this is: a hash of the sources that decide how a run goes (core, sim, vesper-sim
// itself). The build writes it (apps/source-id). Two programs of the same sources give the same
// runs, whatever compiler made them; results of others are not mixed.
#pragma once

#include <string_view>

namespace vesper::app {

std::string_view source_id();  // 16 hexadecimal digits

}  // namespace vesper::app
