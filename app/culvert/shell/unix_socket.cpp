#include "shell/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

namespace culvert::shell {
namespace {

constexpr int kBacklog = 16;

UniqueFd stream_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// Makes room at the path if what is there is a socket that nobody listens on.
Status remove_stale(const sockaddr_un& address) {
  const char* path = address.sun_path;
  struct stat status;
  if (::lstat(path, &status) != 0)
    return errno == ENOENT ? Status{} : error("{}: {}", path, errno_text(errno));
  if (!S_ISSOCK(status.st_mode))
    return error("{} exists and is no socket; expected a path that is free", path);
  const UniqueFd probe = stream_socket();
  if (::connect(probe.get(), generic(address), sizeof(address)) == 0 || errno != ECONNREFUSED)
    return error(
        "{} is in use: another culvert runs there; stop it, or choose another --socket or EAL file prefix",
        path);
  if (::unlink(path) != 0) return error("cannot remove the stale socket {}: {}", path, errno_text(errno));
  return {};
}

}  // namespace

Result<UnixSocket> UnixSocket::listen(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return error("'{}' is no path of a socket; expected 1 to {} bytes", path, sizeof(address.sun_path) - 1);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

  const auto directory = std::filesystem::path(path).parent_path();
  std::error_code fault;
  if (!directory.empty()) std::filesystem::create_directories(directory, fault);
  if (fault) return error("cannot make the directory {}: {}", directory.string(), fault.message());
  if (const auto status = remove_stale(address); !status) return tl::make_unexpected(status.error());

  UniqueFd fd = stream_socket();
  if (!fd) return error("cannot make a socket: {}", errno_text(errno));
  // Linux gives the path the mode of the socket itself: so nobody else can connect, not even for a moment.
  if (::fchmod(fd.get(), 0600) != 0 || ::bind(fd.get(), generic(address), sizeof(address)) != 0 ||
      ::listen(fd.get(), kBacklog) != 0)
    return error("cannot listen on {}: {}", path, errno_text(errno));
  return UnixSocket(std::move(fd), path);
}

UnixSocket::UnixSocket(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {
  struct stat status;
  if (::lstat(path_.c_str(), &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

UnixSocket::~UnixSocket() {
  struct stat status;
  if (fd_ && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
    ::unlink(path_.c_str());
}

}  // namespace culvert::shell
