// The syntax of the commands as librte_cmdline wants it. Each syntax is written out into its forms, one for
// each choice of the parts that may be left out; a form is one instruction of librte_cmdline, and every token
// takes exactly one word. librte_cmdline matches lines and lists completions; that it says no more of a bad
// line than "bad" is made good for by diagnosis.hpp.
//
// Its callbacks get no context: while match() or complete() runs, one static pointer in grammar.cpp leads
// them to the Api and the line. So a Grammar belongs to one thread, the control lcore.
#pragma once

#include <cmdline.h>
#include <cmdline_parse.h>

#include <cstdlib>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/c_handle.hpp"
#include "shell/command.hpp"

namespace culvert::shell {

struct Kind;

// One word of a syntax. librte_cmdline sees the head alone.
struct Token {
  cmdline_parse_token_hdr_t head;
  const char* word;  // "show", or "TUNNEL"
  const Kind* kind;  // of an argument; null: the word itself

  bool accepts(std::string_view text) const;
  // For messages: "'show'" or "TUNNEL (the name of a tunnel)".
  std::string expects() const;
};

struct Form {
  const Command* command;
  std::vector<const Token*> tokens;
};

struct Completion {
  std::string append;
  std::vector<std::string> choices;
};

class Grammar {
 public:
  // `commands` must outlive it.
  explicit Grammar(const std::vector<Command>& commands);
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  // The one form that the line fits; null: none, or (`ambiguous`) several.
  const Form* match(const std::string& line, bool& ambiguous);
  Completion complete(control::Api& api, const std::string& line);

  const std::deque<Form>& forms() const { return forms_; }

 private:
  const Token* token(std::string_view word);

  std::deque<std::string> words_;
  std::deque<Token> tokens_;  // one a word, shared by the forms
  std::deque<Form> forms_;
  std::vector<CHandle<cmdline_parse_inst_t, std::free>> instructions_;
  std::vector<cmdline_parse_inst_t*> context_;  // null at its end
  CHandle<cmdline, cmdline_free> cmdline_;
};

// Blank-separated words up to a comment.
std::vector<std::string> split_words(std::string_view line);

}  // namespace culvert::shell
