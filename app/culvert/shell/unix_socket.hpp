// The listening socket of the shell.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/c_handle.hpp"
#include "base/result.hpp"

namespace culvert::shell {

class UnixSocket {
 public:
  // A non-blocking stream socket at `path`, mode 0600 from its first moment; the directory is made if need
  // be. What a killed process left there is replaced; a socket that answers, or a file that is none, is an
  // error.
  static Result<UnixSocket> listen(const std::string& path);
  UnixSocket(UnixSocket&& other) noexcept = default;
  UnixSocket& operator=(UnixSocket&& other) noexcept = default;
  // Removes the path, if it is still this socket's.
  ~UnixSocket();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  UnixSocket(UniqueFd fd, std::string path);

  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace culvert::shell
