#include "sim/scenario/checks.h"

namespace vesper::sim {

Duration Checks::progress_bound() const {
  const ClusterSpec& cluster = scenario_.cluster;
  return cluster.election_timeout_max.value() * 40 + cluster.request_timeout.value() * 4 +
         Duration::seconds(5);
}

}  // namespace vesper::sim
