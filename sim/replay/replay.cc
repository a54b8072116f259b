#include "sim/replay/replay.h"

#include <fmt/format.h>

#include <utility>

#include "sim/replay/replay_world.h"

namespace vesper::sim {

namespace {

using node::RecordKind;

struct Life {
  std::string sources;
  node::NodeConfig config;
  Random random{0};
};

Result<Life> read_beginning(node::RecordingReader& reader, std::string_view program) {
  if (reader.next() != RecordKind::kBegin) {
    if (reader.damage()) return *reader.damage();
    if (!reader.status().ok()) return reader.status().error();
    return Error{ErrorCode::kInvalid,
                 fmt::format("nothing whole from offset {} on: it ends before its first "
                             "turn (--unfinished goes as far as it does)",
                             node::kRecordingHeaderBytes)};
  }
  ByteReader& in = reader.fields();
  const std::string_view recorded_by = as_text(node::take_bytes(in));
  const std::string_view sources = as_text(node::take_bytes(in));
  const std::uint64_t seed = in.u64();
  const ByteView encoded = node::take_bytes(in);
  if (in.ok() && recorded_by != program) {
    return Error{ErrorCode::kMismatch,
                 fmt::format("at offset {}: recorded by version {}, this program is {}: only the "
                             "same does the same",
                             reader.offset(), recorded_by, program)};
  }
  auto config = node::decode_config(encoded);
  if (!in.ok() || !config.ok()) {
    reader.refuse();
    return reader.status().error();
  }
  return Life{std::string(sources), std::move(config.value()), Random(seed)};
}

// What the owner of a node does with it between two of its records (net/runtime.cc).
class Owner {
 public:
  Owner(Life life, ReplayWorld& world)
      : world_(world), node_(std::move(life.config), world.environment(life.random)) {}

  void start() {
    const Status opened = node_.open();
    if (world_.opened(opened) && opened.ok()) see();
  }

  void go_on(RecordKind kind) {
    switch (kind) {
      case RecordKind::kFrame:
        return on_frame();
      case RecordKind::kRequest:
        return on_request();
      case RecordKind::kDiskDone:
        return on_disk_done();
      case RecordKind::kTurn:
        world_.turn_begins();
        node_.run_turn();
        return see();
      case RecordKind::kEnd:
        return world_.ended();
      default:
        return world_.differ(fmt::format("the recording has {} here, the replay nothing more",
                                         node::record_name(kind)));
    }
  }

 private:
  void on_frame() {
    SharedBytes frame;
    if (world_.take_frame(frame)) node_.on_message(frame);
  }
  void on_request() {
    RequestId id;
    node::Request request;
    if (world_.take_request(id, request)) node_.on_request(id, request);
  }
  void on_disk_done() {
    storage::DiskDone done;
    if (world_.take_done(done)) node_.on_disk_done(std::move(done));
  }
  void see() {
    const node::NodeView view = node_.view();
    world_.turn_ended(view, node_.next_deadline());
  }

  ReplayWorld& world_;
  node::Node node_;
};

}  // namespace

Result<Replayed> replay(ByteView file, const ReplayOptions& options) {
  auto opened = node::RecordingReader::open(file);
  if (!opened.ok()) return opened.error();
  node::RecordingReader& reader = opened.value();
  if (options.unfinished) reader.go_on_unfinished();
  auto life = read_beginning(reader, options.program);
  if (!life.ok()) return life.error();

  Replayed result;
  result.is_cut = reader.is_cut();
  result.sources = life.value().sources;
  ReplayWorld world(reader, options, result);
  Owner owner(std::move(life.value()), world);
  owner.start();
  while (!world.is_over()) {
    const RecordKind kind = world.next();
    if (kind != RecordKind::kNone) owner.go_on(kind);
  }
  if (!reader.status().ok()) return reader.status().error();
  if (!result.is_stopped && !result.difference) result.damage = reader.damage();
  return result;
}

}  // namespace vesper::sim
