// Ownership of C objects without hand-written destructors:
//   using SocketPtr = CHandle<nl_sock, nl_socket_free>;
#pragma once

#include <unistd.h>

#include <memory>
#include <utility>

namespace culvert {

template <auto release>
struct CDeleter {
  template <typename T>
  void operator()(T* object) const noexcept {
    release(object);
  }
};

template <typename T, auto release>
using CHandle = std::unique_ptr<T, CDeleter<release>>;

// A file descriptor, closed once. Moved, never copied.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace culvert
