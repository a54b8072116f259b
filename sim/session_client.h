// One simulated client's session, and the put that it is trying: which tries are under way, whether
// one of them may have taken effect, and what the client is told in the end. All tries are one
// operation. Crowd owns one for each client of a crowd with sessions; a plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/sessions.h"
#include "core/node/environment.h"
#include "sim/observer.h"

namespace vesper::sim {

class SessionClient {
 public:
  struct Put {
    OperationId id;
    std::string key;
    std::string value;
    kv::IdempotencyKey once;
  };

  bool is_registered() const { return session_ != SessionId(); }
  void on_registered(SessionId session);

  // Requires: registered, and no put is under way. Ensures: it has a number of its own.
  void begin(OperationId id, std::string key, std::string value);
  const std::optional<Put>& put() const { return put_; }
  // A try of the put leaves, in this slot of the crowd.
  void on_try(std::uint32_t slot);
  // Every try has failed, and another may follow.
  bool may_try_again() const { return put_.has_value() && open_.empty(); }

  struct Ended {
    bool is_over = false;    // and the put with it
    bool try_again = false;  // no try is under way
    // Is over: what the client is told; nothing: it stops waiting, and a try may take effect.
    std::optional<node::Answer> told;
    std::vector<std::uint32_t> abandoned;  // slots of tries still under way
  };
  // The try in this slot was answered, or its client waits no longer for it (nullptr).
  Ended on_end(std::uint32_t slot, const node::Answer* answer);

 private:
  Ended finish(std::optional<node::Answer> told);

  SessionId session_;
  RequestNumber last_;
  std::optional<Put> put_;
  std::vector<std::uint32_t> open_;
  std::uint64_t tries_ = 0;
  bool may_have_effect_ = false;  // a try that ended may yet take effect, or has
};

}  // namespace vesper::sim
