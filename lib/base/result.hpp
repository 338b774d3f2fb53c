// Errors as values. A function that can fail says so in its type and never throws.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace culvert {

// What went wrong and what would be right, as one line for a person.
struct Error {
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> error(fmt::format_string<Args...> format, Args&&... args) {
  return tl::make_unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// The text of an errno value; negative ones (as DPDK returns them) are taken too. Any thread.
inline std::string errno_text(int code) {
  char buffer[128];
  return strerror_r(code < 0 ? -code : code, buffer, sizeof(buffer));
}

}  // namespace culvert
