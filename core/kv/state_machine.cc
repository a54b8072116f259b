#include "core/kv/state_machine.h"

#include "core/kv/command.h"

namespace vesper::kv {

Result<Verdict> StateMachine::apply(Index index, const SharedBytes& payload) {
  if (is_register(payload.view())) {
    sessions_.open(index);
    return Verdict::kApplied;
  }
  if (is_check_point(payload.view())) return Verdict::kNone;
  const auto put = decode_put(payload.view());
  if (!put.ok()) return put.error();
  if (put.value().once) {
    const ByteView value = payload.view().subspan(put.value().value_offset);
    const Verdict verdict =
        sessions_.judge(index, *put.value().once, pair_hash(put.value().key, value));
    // Dissertation section 6.3: a number that was processed is not processed again.
    if (verdict != Verdict::kApplied) return verdict;
  }
  VESPER_TRY(store_.apply(payload));
  return Verdict::kApplied;
}

std::optional<bool> StateMachine::scrub(std::size_t pairs, std::size_t bytes) {
  const std::optional<bool> store = store_.scrub(pairs, bytes);
  if (!store) return std::nullopt;
  return *store && sessions_.is_sound();
}

void StateMachine::begin_capture(std::vector<std::byte>& sessions) {
  sessions_.encode(sessions);
  store_.begin_capture();
}

Status StateMachine::load_sessions(ByteView bytes, SessionBounds bounds, Index applied) {
  auto sessions = Sessions::decode(bytes, bounds, applied);
  if (!sessions.ok()) return sessions.error();
  sessions_ = std::move(sessions.value());
  return {};
}

}  // namespace vesper::kv
