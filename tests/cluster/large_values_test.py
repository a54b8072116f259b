"""Large values, and a follower that takes none of them, beside small requests."""

import json
import subprocess

from harness import Cluster, check, check_equal, main, wait_for

SECONDS = 8
SMALL_P99_MS_MAX = 1000  # they take some tens of ms: what is looked for is a stall
SMALL_LEAST = 200
LARGE_LEAST = 10
# The log from one snapshot to the next (64 MiB) and what is kept before it (16 MiB), the values themselves, a snapshot
# on its way, and what is on its way to four followers (4 MiB each): far less than all that is put.
LEADER_MIB_MAX = 300


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def small_requests_go_on_beside_large_values_and_a_follower_that_stands_still(programs):
    with Cluster(programs) as cluster:
        cluster.start_all()
        leader = cluster.wait_settled()
        stands_still = cluster.follower_of(leader)
        term = cluster.status(leader)["term"]
        cluster.pause(stands_still)

        def bench(*options):
            return cluster.spawn([programs.vesperctl, "bench", cluster.addresses[leader], "--seconds", str(SECONDS),
                                  "--op", "put", "--json", *options], stdout=subprocess.PIPE, text=True)
        running = {"large": bench("--clients", "4", "--keys", "8", "--value-size", "1000000"),
                   "small": bench("--clients", "16", "--keys", "100", "--value-size", "100")}
        found = {name: json.loads(process.communicate(timeout=60)[0]) for name, process in running.items()}

        for name, one in found.items():
            failed = sum(one[how] for how in ("rejected", "unknown", "overloaded", "refused", "unreachable"))
            check_equal(failed, 0, f"PUTs that failed, of {name}: {one}")
        check(found["small"]["ok"] >= SMALL_LEAST and found["large"]["ok"] >= LARGE_LEAST, f"{found}")
        check(found["small"]["p99_ms"] < SMALL_P99_MS_MAX, f"small requests stall: {found}")
        check_equal(cluster.status(leader)["term"], term, "the term")
        peak = peak_mib(cluster.processes[leader].pid)
        check(peak < LEADER_MIB_MAX, f"the leader takes {peak:.0f} MiB for {found['large']['ok']} values of 1 MB")

        cluster.resume(stands_still)
        wait_for(lambda: (cluster.status(stands_still) or {}).get("applied", 0) >= cluster.status(leader)["commit"],
                 30, "the follower that stood still to have all")
        small, large = found["small"], found["large"]
        print(f"{small['ok']} small PUTs, p99 {small['p99_ms']:.0f} ms, beside {large['ok']} of 1 MB; the leader's "
              f"memory {peak:.0f} MiB at most")


if __name__ == "__main__":
    main([small_requests_go_on_beside_large_values_and_a_follower_that_stands_still])
