#include "core/kv/sessions.h"

#include <algorithm>

#include "core/base/hash.h"

namespace vesper::kv {

namespace {

// What each summand of the hash is about.
constexpr std::uint64_t kUse = 1;
constexpr std::uint64_t kKept = 2;
constexpr std::uint64_t kExpiredUpTo = 3;

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kSessionBytes = 20;
constexpr std::size_t kKeptBytes = 16;

Error invalid(const char* why) {
  return {ErrorCode::kInvalid, std::string("sessions: ") + why};
}

}  // namespace

bool is_refusal(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
    case Verdict::kApplied:
    case Verdict::kRepeated:
      return false;
    case Verdict::kOtherBody:
    case Verdict::kBelowWindow:
    case Verdict::kExpired:
    case Verdict::kNeverIssued:
      return true;
  }
  VESPER_UNREACHABLE();
}

bool may_have_taken_effect(Verdict verdict) {
  VESPER_CHECK(is_refusal(verdict));
  return verdict == Verdict::kBelowWindow || verdict == Verdict::kExpired;
}

Sessions::Sessions(SessionBounds bounds) : bounds_(bounds) {
  VESPER_CHECK(bounds_.sessions > 0);
  VESPER_CHECK(bounds_.numbers > 0);
}

// --- Entries ---

void Sessions::open(Index index) {
  VESPER_CHECK(by_use_.empty() || by_use_.rbegin()->first < index);
  if (sessions_.size() >= bounds_.sessions) expire_oldest();
  const SessionId id(index.value());
  sessions_.emplace_hint(sessions_.end(), id, Session{index, {}});
  by_use_.emplace_hint(by_use_.end(), index, id);
  sum_ += use_hash(id, index);
}

Verdict Sessions::judge(Index index, IdempotencyKey once, std::uint64_t body) {
  VESPER_CHECK(once.session != SessionId() && once.number != RequestNumber());
  const auto session = sessions_.find(once.session);
  if (session == sessions_.end()) {
    return once.session > highest_expired_ ? Verdict::kNeverIssued : Verdict::kExpired;
  }
  use(session, index);

  std::vector<Kept>& kept = session->second.kept;
  const auto at =
      std::lower_bound(kept.begin(), kept.end(), once.number,
                       [](const Kept& one, RequestNumber number) { return one.number < number; });
  if (at != kept.end() && at->number == once.number) {
    return at->body == body ? Verdict::kRepeated : Verdict::kOtherBody;
  }
  if (at != kept.end() && kept.back().number.value() - once.number.value() >= bounds_.numbers) {
    return Verdict::kBelowWindow;
  }
  keep(session, at, {once.number, body});
  return Verdict::kApplied;
}

void Sessions::use(ById::iterator session, Index index) {
  Index& last_use = session->second.last_use;
  VESPER_CHECK(by_use_.rbegin()->first < index);
  sum_ += use_hash(session->first, index) - use_hash(session->first, last_use);
  auto node = by_use_.extract(last_use);
  node.key() = index;
  by_use_.insert(by_use_.end(), std::move(node));
  last_use = index;
}

void Sessions::keep(ById::iterator session, std::vector<Kept>::iterator before, Kept added) {
  std::vector<Kept>& kept = session->second.kept;
  kept.insert(before, added);
  sum_ += kept_hash(session->first, added);
  const std::uint64_t highest = kept.back().number.value();
  auto first = kept.begin();
  while (highest - first->number.value() >= bounds_.numbers) {
    sum_ -= kept_hash(session->first, *first);
    ++first;
  }
  kept.erase(kept.begin(), first);
  VESPER_CHECK(kept.size() <= bounds_.numbers);
}

void Sessions::expire_oldest() {
  const auto oldest = sessions_.find(by_use_.begin()->second);
  VESPER_CHECK(oldest != sessions_.end());
  const SessionId id = oldest->first;
  sum_ -= use_hash(id, oldest->second.last_use);
  for (const Kept& kept : oldest->second.kept) sum_ -= kept_hash(id, kept);
  if (id > highest_expired_) {
    sum_ += expired_hash(id) - expired_hash(highest_expired_);
    highest_expired_ = id;
  }
  by_use_.erase(by_use_.begin());
  sessions_.erase(oldest);
}

// --- The hash: a sum over all that is kept ---

std::uint64_t Sessions::use_hash(SessionId id, Index last_use) {
  return mix64(mix64(kUse, id.value()), last_use.value());
}

std::uint64_t Sessions::kept_hash(SessionId id, const Kept& kept) {
  return mix64(mix64(mix64(kKept, id.value()), kept.number.value()), kept.body);
}

std::uint64_t Sessions::expired_hash(SessionId highest) {
  return highest == SessionId() ? 0 : mix64(kExpiredUpTo, highest.value());
}

bool Sessions::is_sound() const {
  std::uint64_t sum = expired_hash(highest_expired_);
  for (const auto& [id, session] : sessions_) {
    sum += use_hash(id, session.last_use);
    for (const Kept& kept : session.kept) sum += kept_hash(id, kept);
  }
  return sum == sum_;
}

// --- Snapshots ---

void Sessions::encode(std::vector<std::byte>& out) const {
  std::size_t size = kHeaderBytes + sessions_.size() * kSessionBytes;
  for (const auto& [id, session] : sessions_) size += session.kept.size() * kKeptBytes;
  const std::size_t begin = out.size();
  out.resize(begin + size);  // once: this is part of a turn

  std::byte* at = out.data() + begin;
  const auto put = [&at](auto value) {
    store_little(at, value);
    at += sizeof value;
  };
  put(highest_expired_.value());
  put(static_cast<std::uint32_t>(sessions_.size()));
  for (const auto& [id, session] : sessions_) {
    put(id.value());
    put(session.last_use.value());
    put(static_cast<std::uint32_t>(session.kept.size()));
    for (const Kept& kept : session.kept) {
      put(kept.number.value());
      put(kept.body);
    }
  }
  VESPER_CHECK(at == out.data() + out.size());
}

Result<Sessions> Sessions::decode(ByteView bytes, SessionBounds bounds, Index applied) {
  Sessions sessions(bounds);
  ByteReader in(bytes);
  sessions.highest_expired_ = SessionId(in.u64());
  sessions.sum_ = expired_hash(sessions.highest_expired_);
  const std::uint32_t count = in.u32();
  if (!in.ok()) return invalid("header cut short");
  if (count > bounds.sessions) return invalid("more than the bound");
  for (std::uint32_t i = 0; i < count; ++i) VESPER_TRY(sessions.read_session(in, applied));
  if (in.remaining() > 0) return invalid("bytes behind the last one");
  // One expires only for another that is opened then and there.
  const SessionId expired = sessions.highest_expired_;
  if (expired != SessionId() &&
      (count < bounds.sessions || sessions.sessions_.count(expired) != 0 ||
       expired >= sessions.sessions_.rbegin()->first)) {
    return invalid("an expired one that cannot be");
  }
  return sessions;
}

Status Sessions::read_session(ByteReader& in, Index applied) {
  const SessionId id(in.u64());
  Session session;
  session.last_use = Index(in.u64());
  const std::uint32_t count = in.u32();
  if (!in.ok()) return invalid("a session cut short");
  if (id == SessionId() || (!sessions_.empty() && id <= sessions_.rbegin()->first)) {
    return invalid("ids that do not rise");
  }
  if (session.last_use < Index(id.value()) || session.last_use > applied) {
    return invalid("a last use that cannot be");
  }
  if (count > bounds_.numbers) return invalid("more numbers than the bound");
  // Its first use always applies, and no use applies more than one number.
  const std::uint64_t uses_most = session.last_use.value() - id.value();
  if (count > uses_most || (count == 0 && uses_most > 0)) {
    return invalid("numbers that its uses cannot have left");
  }
  if (count > in.remaining() / kKeptBytes) return invalid("numbers cut short");
  session.kept.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Kept kept;
    kept.number = RequestNumber(in.u64());
    kept.body = in.u64();
    const RequestNumber before = i == 0 ? RequestNumber() : session.kept.back().number;
    if (kept.number <= before) return invalid("numbers that do not rise");
    session.kept.push_back(kept);
    sum_ += kept_hash(id, kept);
  }
  if (count > 0 &&
      session.kept.back().number.value() - session.kept.front().number.value() >= bounds_.numbers) {
    return invalid("a number below the window");
  }
  sum_ += use_hash(id, session.last_use);
  if (!by_use_.emplace(session.last_use, id).second) return invalid("two last uses at one index");
  sessions_.emplace_hint(sessions_.end(), id, std::move(session));
  return {};
}

}  // namespace vesper::kv
