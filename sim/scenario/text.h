// The text forms of the small values: "150ms", "200/s", "follower[0]", "lose-all". Each is read
// strictly and written so that reading it again gives the same value. Errors say what was expected.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/storage/disk.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// "150ms", "1.5s", "20us", "100ns", "2m"; "-3ms" where a clock may be behind.
Result<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);
// A duration, or "10 election timeouts".
Result<Span> parse_span(std::string_view text);
std::string format_span(const Span& span);
// "200/s", "0.5/s".
Result<Rate> parse_rate(std::string_view text);
std::string format_rate(Rate rate);
// "0.25" as a TOML number writes it.
std::string format_parts(Parts parts);

Result<Selector> parse_selector(std::string_view text);
std::string format_selector(const Selector& selector);
// A name that a step may give: letters, digits, '-' and '_', beginning with a letter, and no word
// of the language.
bool is_free_name(std::string_view text);
// "n3" gives 3.
std::optional<std::uint32_t> parse_node(std::string_view text);

// "3", "5..8", "12.." as numbers of frames, counted from 1.
Result<FrameSpan> parse_frame_span(std::string_view text);
std::string format_frame_span(const FrameSpan& span);

const char* distribution_name(Distribution value);
const char* crash_loss_name(CrashLoss value);
const char* damage_part_name(DamagePart value);
const char* operation_name(DiskOperation value);
const char* lane_name(storage::DiskLane value);
const char* action_name(Action value);
const char* expectation_name(Expectation::Kind value);
std::optional<Distribution> parse_distribution(std::string_view text);
std::optional<CrashLoss> parse_crash_loss(std::string_view text);
std::optional<DamagePart> parse_damage_part(std::string_view text);
std::optional<DiskOperation> parse_operation(std::string_view text);
std::optional<storage::DiskLane> parse_lane(std::string_view text);
std::optional<Action> parse_action(std::string_view text);
// The names in order, for "expected one of ...".
std::string distribution_names();
std::string crash_loss_names();
std::string damage_part_names();
std::string operation_names();
std::string lane_names();
std::string action_names();
bool is_message_type(std::string_view text);
std::string message_types();
// "sync", "rename": what a disk is asked to do.
const char* disk_op_name(const storage::DiskOp& op);
bool is_disk_op(std::string_view text);
std::string disk_ops();
const char* disk_lane_name(storage::DiskLane lane);
bool is_disk_lane(std::string_view text);
std::string disk_lanes();

}  // namespace vesper::sim
