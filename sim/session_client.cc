#include "sim/session_client.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace vesper::sim {

namespace {

// Then the client stops waiting: a cluster without a majority must not keep it for ever. An
// election takes some ten of them, for all who are asked still name the old leader.
constexpr std::uint64_t kTriesMax = 40;

}  // namespace

void SessionClient::on_registered(SessionId session) {
  VESPER_CHECK(session != SessionId() && !put_);
  session_ = session;
  last_ = RequestNumber();
}

void SessionClient::begin(OperationId id, std::string key, std::string value) {
  VESPER_CHECK(is_registered() && !put_);
  last_ = last_.next();
  put_ = Put{id, std::move(key), std::move(value), {session_, last_}};
  tries_ = 0;
  may_have_effect_ = false;
}

void SessionClient::on_try(std::uint32_t slot) {
  VESPER_CHECK(put_.has_value());
  open_.push_back(slot);
  ++tries_;
}

SessionClient::Ended SessionClient::on_end(std::uint32_t slot, const node::Answer* answer) {
  VESPER_CHECK(std::erase(open_, slot) == 1);
  if (answer != nullptr && answer->outcome == node::Outcome::kSuccess) return finish(*answer);
  if (answer != nullptr && answer->outcome == node::Outcome::kRefused) {
    // Whatever the reason, this session serves no longer.
    session_ = SessionId();
    return finish(*answer);
  }
  const bool is_unknown = answer == nullptr || answer->outcome == node::Outcome::kUnknown;
  may_have_effect_ = may_have_effect_ || is_unknown;
  if (!open_.empty()) return {};
  if (tries_ < kTriesMax) return {.try_again = true};
  return may_have_effect_ ? finish(std::nullopt) : finish(*answer);
}

SessionClient::Ended SessionClient::finish(std::optional<node::Answer> told) {
  put_.reset();
  return {.is_over = true, .told = std::move(told), .abandoned = std::exchange(open_, {})};
}

}  // namespace vesper::sim
