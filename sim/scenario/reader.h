// The strict half of the parser: one table at a time, each key taken at most once, and whatever is
// left over is an error. Values are read by type; the first problem wins, and reading goes on with
// defaults, so that callers need not ask after each key.
#pragma once

#include <toml++/toml.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Collects the first problem with its place.
class Problems {
 public:
  explicit Problems(std::string_view file) : file_(file) {}
  void report(const toml::source_region& where, std::string_view what);
  bool any() const { return !first_.empty(); }
  const std::string& first() const { return first_; }

 private:
  std::string file_;
  std::string first_;
};

class TableReader {
 public:
  // `name` is how problems call the table: "[cluster]".
  TableReader(const toml::table& table, std::string name, Problems& problems)
      : table_(table), name_(std::move(name)), problems_(problems) {}

  // The value of a key, which counts as taken; nullptr if it is not there.
  const toml::node* take(std::string_view key);
  bool has(std::string_view key) const { return table_.contains(key); }
  const toml::node& node() const { return table_; }
  const std::string& name() const { return name_; }
  void problem(std::string_view what) {
    problems_.report(table_.source(), name_ + ": " + std::string(what));
  }
  void problem_at(std::string_view key, std::string_view what);
  // Reports every key that was not taken.
  void finish();

  // Reads the key into the member, if it is there.
  template <class T>
  void field(std::string_view key, T& member) {
    if (const toml::node* node = take(key)) read(*node, key, member);
  }

  void read(const toml::node& node, std::string_view key, std::string& out);
  void read(const toml::node& node, std::string_view key, bool& out);
  void read(const toml::node& node, std::string_view key, std::uint64_t& out);
  void read(const toml::node& node, std::string_view key, Duration& out);
  void read(const toml::node& node, std::string_view key, Span& out);
  void read(const toml::node& node, std::string_view key, Parts& out);
  void read(const toml::node& node, std::string_view key, Rate& out);
  void read(const toml::node& node, std::string_view key, Drift& out);
  void read(const toml::node& node, std::string_view key, Distribution& out);
  void read(const toml::node& node, std::string_view key, CrashLoss& out);
  void read(const toml::node& node, std::string_view key, DamagePart& out);
  void read(const toml::node& node, std::string_view key, DiskOperation& out);
  void read(const toml::node& node, std::string_view key, storage::DiskLane& out);
  void read(const toml::node& node, std::string_view key, Action& out);
  void read(const toml::node& node, std::string_view key, DelaySpec& out);
  void read(const toml::node& node, std::string_view key, BurstSpec& out);
  void read(const toml::node& node, std::string_view key, Selector& out);
  void read(const toml::node& node, std::string_view key, std::vector<Selector>& out);
  void read(const toml::node& node, std::string_view key, std::vector<std::vector<Selector>>& out);
  void read(const toml::node& node, std::string_view key, Condition& out);
  void read(const toml::node& node, std::string_view key, std::vector<std::uint64_t>& out);
  void read(const toml::node& node, std::string_view key, std::vector<FrameSpan>& out);
  // A node's own name, "n3".
  void read_node_id(const toml::node& node, std::string_view key, std::uint32_t& out);

  template <class T>
  void read(const toml::node& node, std::string_view key, std::optional<T>& out) {
    read(node, key, out.emplace());
  }
  template <class T>
  void read(const toml::node& node, std::string_view key, Range<T>& out) {
    const toml::array* array = node.as_array();
    if (array == nullptr) {
      read(node, key, out.low);
      out.high = out.low;
      return;
    }
    if (array->size() != 2) return wanted(node, key, "a value or a range [low, high]");
    read((*array)[0], key, out.low);
    read((*array)[1], key, out.high);
    if (out.high < out.low) wanted(node, key, "a range whose low is at most its high");
  }

 private:
  void wanted(const toml::node& node, std::string_view key, std::string_view what);
  void wrong(const toml::node& node, std::string_view key, const Error& error);

  const toml::table& table_;
  std::string name_;
  Problems& problems_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace vesper::sim
