// Text that goes on coming, for a client that reads as fast as it likes.
#pragma once

#include <string>

namespace culvert::control {

// Control lcore only; never blocks.
class Stream {
 public:
  virtual ~Stream() = default;
  // Whole lines, a bounded number; empty: none now.
  virtual std::string read() = 0;
  // Readable when read() has something.
  virtual int fd() const = 0;
  // No more will come; why, in words.
  virtual bool ended() const = 0;
  virtual std::string reason() const = 0;
};

}  // namespace culvert::control
