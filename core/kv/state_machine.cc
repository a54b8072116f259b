#include "core/kv/state_machine.h"

#include "core/kv/command.h"

namespace vesper::kv {

Result<Verdict> StateMachine::apply(Index index, const SharedBytes& payload) {
  if (is_register(payload.view())) {
    sessions_.open(index);
    return Verdict::kApplied;
  }
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

}  // namespace vesper::kv
