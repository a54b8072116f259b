// One client's socket, never waited for: what came of its requests so far, the replies that have
// not left yet, and where it stands between the two. HttpServer owns it and says what is done;
// this does the reading and writing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/byte_budget.h"
#include "net/event_loop.h"
#include "net/file_descriptor.h"
#include "net/http.h"
#include "net/http_reader.h"
#include "net/http_reply.h"

namespace vesper::net {

class HttpConnection : public EventLoop::Source {
 public:
  // Who decides, on the loop's thread.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_ready(HttpConnection& connection, std::uint32_t events) = 0;
  };

  enum class State : std::uint8_t {
    kHead,       // a request's head is read, or waited for
    kBody,       // its body
    kWaiting,    // the reply is waited for
    kStream,     // no more HTTP
    kClosing,    // ends when its output has left
    kRefusing,   // the same, and lingers then
    kLingering,  // its client reads the refusal; what it still sends is dropped
    kClosed,
  };

  HttpConnection(Owner& owner, HttpTicket ticket, FileDescriptor socket, const HttpLimits& limits,
                 bool is_in_kept_place)
      : reader(limits),
        ticket_(ticket),
        is_in_kept_place_(is_in_kept_place),
        owner_(&owner),
        socket_(std::move(socket)) {}

  void on_ready(std::uint32_t events) override { owner_->on_ready(*this, events); }

  enum class Received : std::uint8_t { kBytes, kNothing, kEnd };
  // One read, through `scratch`, into the reader.
  Received receive(std::span<char> scratch);
  // Sends what it can of `output`. False: the client is gone.
  bool send();
  bool has_output() const { return sent_ < output.size(); }
  // No more is sent; the client may read to the end.
  void end_output();
  void close() { socket_.close(); }
  int socket() const { return socket_.get(); }
  // Of the connection itself.
  HttpTicket ticket() const { return ticket_; }

  // A place beyond those of clients, kept for nodes: until it asks for what is for nodes.
  bool is_in_kept_place() const { return is_in_kept_place_; }

  State state = State::kHead;
  HttpReader reader;
  std::string output;
  ReplyForm form;                          // of the request under way
  std::optional<ByteBudget::Share> share;  // likewise
  std::shared_ptr<ByteStream> stream;      // kStream
  LoopTime deadline = kNever;
  LoopTime armed = kNever;     // when the server looks at the deadline at the latest
  std::uint32_t watched = 0;   // events
  std::uint64_t requests = 0;  // that were handled
  bool has_begun = false;      // kHead: its first byte is there, and the deadline set
  bool is_touched = false;     // the round's end looks at it

 private:
  HttpTicket ticket_;
  bool is_in_kept_place_;
  Owner* owner_;
  FileDescriptor socket_;
  std::size_t sent_ = 0;
};

}  // namespace vesper::net
