#include "core/kv/store.h"

#include <utility>

#include "core/base/limits.h"
#include "core/kv/command.h"

namespace vesper::kv {

namespace {

constexpr std::size_t kPairHeadBytes = 8;

std::uint64_t pair_bytes(std::string_view key, const SharedBytes& value) {
  return kPairHeadBytes + key.size() + value.size();
}

void write_pair(std::string_view key, const SharedBytes& value, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u32(static_cast<std::uint32_t>(key.size()));
  out.u32(static_cast<std::uint32_t>(value.size()));
  out.bytes(as_bytes(key));
  out.bytes(value.view());
}

}  // namespace

Status Store::apply(const SharedBytes& payload) {
  const auto command = decode_put(payload.view());
  if (!command.ok()) return command.error();
  const std::string_view key = as_text(command.value().key);
  // Bytes of its own: the entry's may stand in a whole message, which would stay in memory as long
  // as the value does.
  SharedBytes value = SharedBytes::copy_of(payload.view().subspan(command.value().value_offset));

  const auto at = values_.lower_bound(key);
  const bool is_there = at != values_.end() && at->first == key;
  keep_for_capture(key, is_there ? &at->second : nullptr);
  if (!is_there) {
    insert(at, key, std::move(value));
    return {};
  }
  add_to_sum(key,
             pair_hash(as_bytes(key), value.view()) - pair_hash(as_bytes(key), at->second.view()));
  pair_bytes_ += value.size() - at->second.size();
  at->second = std::move(value);
  return {};
}

void Store::insert(Values::iterator at, std::string_view key, SharedBytes value) {
  add_to_sum(key, pair_hash(as_bytes(key), value.view()));
  pair_bytes_ += pair_bytes(key, value);
  values_.emplace_hint(at, key, std::move(value));
}

void Store::add_to_sum(std::string_view key, std::uint64_t change) {
  sum_ += change;
  if (scrub_ && key <= scrub_->passed) scrub_->sum += change;
}

std::optional<bool> Store::scrub(std::size_t pairs, std::size_t bytes) {
  VESPER_CHECK(pairs > 0 && bytes > 0);
  if (!scrub_) scrub_ = Scrub();
  auto at = values_.upper_bound(scrub_->passed);
  auto last = values_.end();
  for (std::size_t seen = 0; at != values_.end() && pairs > 0 && seen < bytes; ++at, --pairs) {
    scrub_->sum += pair_hash(as_bytes(at->first), at->second.view());
    seen += pair_bytes(at->first, at->second);
    last = at;
  }
  if (at != values_.end()) {
    scrub_->passed = last->first;
    return std::nullopt;
  }
  const bool is_sound = scrub_->sum == sum_;
  scrub_.reset();
  return is_sound;
}

const SharedBytes* Store::get(std::string_view key) const {
  const auto at = values_.find(key);
  return at == values_.end() ? nullptr : &at->second;
}

// --- Captures ---

void Store::begin_capture() {
  capture_.emplace();
}

void Store::keep_for_capture(std::string_view key, const SharedBytes* before) {
  if (!capture_ || (capture_->passed && key <= *capture_->passed)) return;
  // Only the first change counts.
  if (capture_->absent.contains(key) || capture_->before.contains(key)) return;
  if (before == nullptr) {
    capture_->absent.emplace(key);
  } else {
    capture_->before.emplace(key, *before);
  }
}

bool Store::capture_next(std::size_t bytes, std::vector<std::byte>& out) {
  VESPER_CHECK(capture_);
  Capture& capture = *capture_;
  auto at = capture.passed ? values_.upper_bound(*capture.passed) : values_.begin();
  auto last = values_.end();
  // Keys are never removed, so whatever was kept aside stands in the map too.
  for (; at != values_.end() && out.size() < bytes; ++at) {
    last = at;
    if (!capture.absent.empty() && *capture.absent.begin() == at->first) {
      capture.absent.erase(capture.absent.begin());
    } else if (!capture.before.empty() && capture.before.begin()->first == at->first) {
      write_pair(at->first, capture.before.begin()->second, out);
      capture.before.erase(capture.before.begin());
    } else {
      write_pair(at->first, at->second, out);
    }
  }
  if (at == values_.end()) {
    capture_.reset();
    return false;
  }
  if (last != values_.end()) capture.passed = last->first;
  return true;
}

Result<std::size_t> Store::load(ByteView bytes) {
  std::size_t taken = 0;
  while (bytes.size() - taken >= kPairHeadBytes) {
    ByteReader in(bytes.subspan(taken));
    const std::uint32_t key_bytes = in.u32();
    const std::uint32_t value_bytes = in.u32();
    if (key_bytes == 0 || key_bytes > limits::kKeyBytes || value_bytes > limits::kValueBytes) {
      return Error{ErrorCode::kInvalid, "a pair of a length that none may have"};
    }
    const ByteView key = in.bytes(key_bytes);
    const ByteView value = in.bytes(value_bytes);
    if (!in.ok()) break;
    if (!values_.empty() && as_text(key) <= values_.rbegin()->first) {
      return Error{ErrorCode::kInvalid, "a key that does not follow the one before"};
    }
    insert(values_.end(), as_text(key), SharedBytes::copy_of(value));
    taken += in.offset();
  }
  return taken;
}

bool Store::discard(std::size_t pairs) {
  capture_.reset();
  scrub_.reset();
  for (; pairs > 0 && !values_.empty(); --pairs) values_.erase(values_.begin());
  return !values_.empty();
}

}  // namespace vesper::kv
