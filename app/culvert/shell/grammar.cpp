#include "shell/grammar.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <sstream>
#include <type_traits>

#include "shell/arguments.hpp"
#include "shell/syntax.hpp"

namespace culvert::shell {
namespace {

// What librte_cmdline's callbacks need to know of the call that they are in.
struct Call {
  control::Api* api = nullptr;
  std::vector<std::string> before;                          // the words before the one to complete
  std::map<const Kind*, std::vector<std::string>> choices;  // asked once, used by every form
  const Form* matched = nullptr;
};
Call* current = nullptr;

class Entered {
 public:
  explicit Entered(Call& call) { current = &call; }
  ~Entered() { current = nullptr; }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
};

static_assert(std::is_standard_layout_v<Token>, "librte_cmdline's pointer to the head is one to the token");
const Token& token_of(cmdline_parse_token_hdr_t* head) { return *reinterpret_cast<const Token*>(head); }

// Takes one word; its bytes, or -1: not wanted here.
int parse_token(cmdline_parse_token_hdr_t* head, const char* text, void*, unsigned) {
  size_t length = 0;
  while (!cmdline_isendoftoken(text[length])) ++length;
  return token_of(head).accepts({text, length}) ? static_cast<int>(length) : -1;
}

const std::vector<std::string>& choices_of(const Token& token) {
  const auto [known, is_new] = current->choices.try_emplace(token.kind);
  if (is_new && token.kind->choices) known->second = token.kind->choices(*current->api, current->before);
  return known->second;
}

int count_choices(cmdline_parse_token_hdr_t* head) {
  const Token& token = token_of(head);
  return token.kind ? static_cast<int>(choices_of(token).size()) : 1;
}

int get_choice(cmdline_parse_token_hdr_t* head, int index, char* out, unsigned size) {
  const Token& token = token_of(head);
  const std::string choice = token.kind ? choices_of(token).at(static_cast<size_t>(index)) : token.word;
  if (choice.size() + 1 >= size) return -1;
  std::memcpy(out, choice.c_str(), choice.size() + 1);
  return 0;
}

cmdline_token_ops token_ops = {parse_token, count_choices, get_choice, nullptr};

void note_match(void*, cmdline*, void* form) { current->matched = static_cast<const Form*>(form); }

CHandle<cmdline_parse_inst_t, std::free> make_instruction(Form& form) {
  const size_t bytes =
      sizeof(cmdline_parse_inst_t) + (form.tokens.size() + 1) * sizeof(cmdline_parse_token_hdr_t*);
  CHandle<cmdline_parse_inst_t, std::free> instruction(
      static_cast<cmdline_parse_inst_t*>(std::calloc(1, bytes)));
  if (!instruction) throw std::bad_alloc();
  instruction->f = note_match;
  instruction->data = &form;
  for (size_t i = 0; i < form.tokens.size(); ++i)
    instruction->tokens[i] = const_cast<cmdline_parse_token_hdr_t*>(&form.tokens[i]->head);
  return instruction;
}

}  // namespace

bool Token::accepts(std::string_view text) const {
  if (!kind) return text == word;
  return kind->accepts ? kind->accepts(text) : text != "json";
}

std::string Token::expects() const {
  return kind ? fmt::format("{} ({})", word, kind->what) : fmt::format("'{}'", word);
}

Grammar::Grammar(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    for (const auto& words : expand_syntax(command.syntax)) {
      Form& form = forms_.emplace_back(Form{&command, {}});
      for (const std::string& word : words) form.tokens.push_back(token(word));
      instructions_.push_back(make_instruction(form));
      context_.push_back(instructions_.back().get());
    }
  }
  context_.push_back(nullptr);
  cmdline_.reset(cmdline_new(context_.data(), "", -1, -1));  // reads and writes nothing by itself
  if (!cmdline_) throw std::bad_alloc();
}

const Token* Grammar::token(std::string_view word) {
  const auto found =
      std::find_if(tokens_.begin(), tokens_.end(), [&](const Token& t) { return t.word == word; });
  if (found != tokens_.end()) return &*found;
  const std::string& kept = words_.emplace_back(word);
  return &tokens_.emplace_back(Token{{&token_ops, 0}, kept.c_str(), find_kind(word)});
}

const Form* Grammar::match(const std::string& line, bool& ambiguous) {
  Call call;
  const Entered entered(call);
  ambiguous = cmdline_parse(cmdline_.get(), (line + "\n").c_str()) == CMDLINE_PARSE_AMBIGUOUS;
  return call.matched;
}

Completion Grammar::complete(control::Api& api, const std::string& line) {
  Call call;
  call.api = &api;
  call.before = split_words(line);
  const bool in_word = !line.empty() && !cmdline_isendoftoken(line.back());
  std::string word;
  if (in_word && !call.before.empty()) {
    word = call.before.back();
    call.before.pop_back();
  }
  const Entered entered(call);

  Completion completion;
  char text[256];
  int state = 0;
  if (cmdline_complete(cmdline_.get(), line.c_str(), &state, text, sizeof(text)) ==
      CMDLINE_PARSE_COMPLETED_BUFFER)
    completion.append = text;
  state = -1;
  while (completion.choices.size() < kMaxChoices &&
         cmdline_complete(cmdline_.get(), line.c_str(), &state, text, sizeof(text)) ==
             CMDLINE_PARSE_COMPLETE_AGAIN) {
    std::string choice(text);
    if (choice.starts_with("[RETURN]")) continue;
    while (choice.ends_with(' ')) choice.pop_back();
    if (std::find(completion.choices.begin(), completion.choices.end(), choice) == completion.choices.end())
      completion.choices.push_back(choice);
  }
  if (completion.append.empty() && completion.choices.size() == 1)
    completion.append = completion.choices[0].substr(word.size()) + " ";
  return completion;
}

std::vector<std::string> split_words(std::string_view line) {
  std::istringstream words{std::string(line.substr(0, line.find('#')))};
  std::vector<std::string> result;
  for (std::string word; words >> word;) result.push_back(word);
  return result;
}

}  // namespace culvert::shell
