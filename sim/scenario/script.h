// Carries out a scenario's steps in a world, and answers conditions about it. Owns the state of
// each step (waiting, armed, due, done), the names that steps gave to nodes, and the rules by which
// single messages are held, dropped, repeated or delayed. The runner calls it between events only;
// as the world's interceptor it decides on frames, and puts off whatever else a message triggers
// until the event is over.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/scenario/scenario.h"
#include "sim/world.h"

namespace vesper::sim {

class Script : public ConditionContext, public Interceptor, public DiskWatcher {
 public:
  // Requires: the scenario is drawn; both outlive the script.
  Script(const Scenario& scenario, World& world);

  // Arms the first steps. Call it once, after the world's start.
  void start();
  // When a step is due by time; Instant::never() if none is.
  Instant next_at() const { return timed_.empty() ? Instant::never() : timed_.begin()->first; }
  // Runs what is due now: by time, by condition, by message. Call it after every event and after
  // each advance to next_at().
  void run_due(Instant now) {
    if (next_at() <= now || !polled_.empty() || !triggered_.empty() || !rules_.empty()) run_steps();
  }

  // The steps are over, the world is not: what a crash to come would have to end begins no more.
  void stop_crashing();

  // What steps did to messages or disks lasts: slower or more lossy than the file says, or held.
  bool is_disturbing() const {
    return loses_frames_ || network_disturbed_ || !disturbed_links_.empty() || holds_messages_ ||
           !disks_disturbed_.empty() || !full_disks_.empty() || !stalled_disks_.empty() ||
           !disturbed_clocks_.empty() || (!rules_.empty() && has_disturbing_rule());
  }
  // When the step ran; nothing: not yet.
  std::optional<Instant> ran_at(const std::string& step_name) const;
  // The first step that is not optional and has not run; nullptr if there is none.
  const Step* first_not_run() const;

  std::optional<NodeId> find(const Selector& selector) const override;
  std::optional<std::uint64_t> field(NodeId node, Field field) const override;
  std::uint64_t counter(Counter counter) const override;
  std::optional<std::uint64_t> past(const ConditionValue& value) const override;

  Fate on_frame(const node::Frame& frame) override;
  // script_disks.cc
  DiskStop on_disk_op(NodeId node, storage::DiskLane lane, const storage::DiskOp& op) override;

 private:
  struct Rule {
    std::size_t step = 0;
    std::optional<NodeId> from;  // of a disk's operation: whose disk
    std::optional<NodeId> to;
    bool can_match = false;  // its selectors name somebody
    std::uint64_t seen = 0;
    bool spent = false;
  };

  void arm(std::size_t step);
  void mark_done(std::size_t step);
  void remember(const Step& step);
  // False: the step's selectors name nobody yet.
  bool run(const Step& step);
  bool run_on_nodes(const Step& step, const std::vector<NodeId>& nodes);
  // script_links.cc: the network
  void run_network(const Step& step);
  bool run_partition(const Step& step);
  bool run_transfer(const Step& step);
  bool run_on_link(const Step& step);
  void run_calm();
  // script_disks.cc: disks and clocks
  void run_on_disk(const Step& step, NodeId node);
  void run_clock(const Step& step, NodeId node);
  bool disturbs(const Step& step) const;
  bool has_disturbing_rule() const;
  void run_steps();
  void run_triggered();
  LinkConfig link_of(const Step& step, LinkConfig link) const;
  void aim_rules();
  // Of the count-th message that the step decides on.
  Fate fate_of(std::size_t step, std::uint64_t count) const;
  std::vector<NodeId> all() const;
  // Nothing: a selector of one node names nobody.
  std::optional<std::vector<NodeId>> find_all(const std::vector<Selector>& selectors) const;

  const Scenario& scenario_;
  World& world_;
  const bool loses_frames_;                          // by their numbers, as the file says
  std::vector<std::optional<Instant>> ran_;          // by step
  std::set<std::pair<Instant, std::size_t>> timed_;  // armed by time
  std::vector<std::size_t> polled_;                  // armed `when` steps and due steps that wait
  struct Triggered {
    std::size_t step = 0;
    NodeId sender;
    NodeId receiver;
  };
  std::vector<Triggered> triggered_;  // by a message in this event
  std::vector<Rule> rules_;
  // Disturbances that last.
  bool network_disturbed_ = false;
  std::set<std::pair<NodeId, NodeId>> disturbed_links_;  // from, to
  bool holds_messages_ = false;
  std::set<NodeId> disks_disturbed_;
  std::set<NodeId> full_disks_;
  std::set<NodeId> stalled_disks_;
  std::set<NodeId> disturbed_clocks_;
  bool gives_up_optional_ = false;  // a calm has just run
  std::map<std::string, NodeId> names_;
  // What conditions ask of the past, each as it was at its step.
  struct Past {
    ConditionValue value;
    std::optional<std::uint64_t> then;
  };
  std::vector<Past> pasts_;
};

}  // namespace vesper::sim
