// Bytes that many connections hold together, up to a bound. Any thread.
#pragma once

#include <atomic>
#include <cstddef>

namespace vesper::net {

class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bound) : left_(bound) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // One holder's part, given back at its end. One thread.
  class Share {
   public:
    explicit Share(ByteBudget& budget) : budget_(budget) {}
    ~Share() { give_back(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // False: the budget has not so much left; the share is as before.
    // Requires: `bytes` is no less than before.
    bool grow_to(std::size_t bytes) {
      if (!budget_.take(bytes - bytes_)) return false;
      bytes_ = bytes;
      return true;
    }

    void give_back() {
      budget_.left_.fetch_add(bytes_);
      bytes_ = 0;
    }

   private:
    ByteBudget& budget_;
    std::size_t bytes_ = 0;
  };

 private:
  bool take(std::size_t bytes) {
    std::size_t left = left_.load();
    while (left >= bytes) {
      if (left_.compare_exchange_weak(left, left - bytes)) return true;
    }
    return false;
  }

  std::atomic<std::size_t> left_;
};

}  // namespace vesper::net
