// The frames of one peer as they come over a connection that it had upgraded (net/peer_link.h): cut
// out of the bytes and handed to the node. Their sums are checked by the node that decodes them.
#pragma once

#include <functional>
#include <string_view>

#include "core/base/bytes.h"
#include "net/http.h"

namespace vesper::net {

class PeerStream : public ByteStream {
 public:
  using Deliver = std::function<void(const SharedBytes& frame)>;
  explicit PeerStream(Deliver deliver) : deliver_(std::move(deliver)) {}

  Result<std::size_t> take(std::string_view bytes) override;

 private:
  Deliver deliver_;
};

}  // namespace vesper::net
