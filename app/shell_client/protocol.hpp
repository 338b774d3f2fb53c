// The protocol of culvert's shell socket (a UNIX stream socket), as client and server both use it.
//
// A request is one line; a client sends the next one when it has the reply to this one (the server keeps what
// comes earlier and answers in order):
//
//   run LINE\n          runs a command of the shell
//   complete LINE\n     how LINE, the text before the cursor, may go on
//
// LINE has at most kMaxLineBytes bytes. The reply is a head line and as many bytes as it says:
//
//   ok BYTES\n<BYTES bytes>       what the command prints; empty or with a newline at its end
//   error BYTES\n<BYTES bytes>    what is wrong and what would be right, one line without a newline
//   more BYTES\n<BYTES bytes>     as ok, and there will be another reply, until the client sends any line:
//   that is
//                                 no request, but ends it (`monitor`)
//   bye BYTES\n                   as ok, and the client shall end its session (`quit`, `shutdown`)
//
// The bytes that answer `complete` are lines: the first is what can be appended to LINE for sure (it may be
// empty; a blank at its end: that word is complete), the others are the choices for the word at the cursor,
// at most kMaxChoices of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace culvert::control {
class Stream;
}

namespace culvert::shell {

inline constexpr size_t kMaxLineBytes = 4096;
inline constexpr size_t kMaxChoices = 100;
inline constexpr const char* kDefaultSocket = "/run/culvert/rte.sock";

enum class Outcome : uint8_t { ok, error, more, bye };

inline constexpr const char* outcome_word(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::error:
      return "error";
    case Outcome::more:
      return "more";
    case Outcome::bye:
      return "bye";
  }
  return "error";
}

// What a command answers.
struct Answer {
  Outcome outcome = Outcome::ok;
  std::string text;
  std::shared_ptr<control::Stream> stream;  // in culvert: where the rest of Outcome::more comes from
};

}  // namespace culvert::shell
