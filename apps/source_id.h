// Which program this is: hashes of the sources that decide how a run goes. The build writes them
// (apps/source-id). Two programs of the same sources give the same runs, whatever compiler made
// them. 16 hexadecimal digits each.
#pragma once

#include <string_view>

namespace vesper::app {

// Of core: what a node does with what came into it. A recording names it.
std::string_view core_source_id();
// Of core, sim and vesper-sim itself: how a simulated run goes. A hunt's results name it, and those
// of others are not mixed with them.
std::string_view run_source_id();

}  // namespace vesper::app
