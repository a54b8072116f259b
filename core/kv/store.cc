#include "core/kv/store.h"

#include "core/kv/command.h"

namespace vesper::kv {

Status Store::apply(const SharedBytes& payload) {
  const auto command = decode_put(payload.view());
  if (!command.ok()) return command.error();
  const ByteView key = command.value().key;
  const std::size_t offset = command.value().value_offset;
  SharedBytes value = payload.slice(offset, payload.size() - offset);

  sum_ += pair_hash(key, value.view());
  const auto at = values_.lower_bound(as_text(key));
  if (at != values_.end() && at->first == as_text(key)) {
    sum_ -= pair_hash(key, at->second.view());
    at->second = std::move(value);
  } else {
    values_.emplace_hint(at, as_text(key), std::move(value));
  }
  return {};
}

const SharedBytes* Store::get(std::string_view key) const {
  const auto at = values_.find(key);
  return at == values_.end() ? nullptr : &at->second;
}

}  // namespace vesper::kv
