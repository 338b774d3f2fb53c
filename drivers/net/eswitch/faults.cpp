#include "faults.hpp"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>

namespace eswitch {
namespace {

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Cuts `text` at the first `separator`; what is behind it is left in `text`.
std::string_view cut(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return head;
}

struct NamedErrno {
  std::string_view name;
  int code;
};
constexpr NamedErrno kErrnos[] = {
    {"EIO", EIO},       {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC},       {"EAGAIN", EAGAIN},
    {"EBUSY", EBUSY},   {"EINVAL", EINVAL}, {"EPERM", EPERM},         {"EEXIST", EEXIST},
    {"ENODEV", ENODEV}, {"ENOENT", ENOENT}, {"ENOTSUP", ENOTSUP},     {"ERANGE", ERANGE},
    {"EFAULT", EFAULT}, {"E2BIG", E2BIG},   {"ETIMEDOUT", ETIMEDOUT}, {"EINTR", EINTR},
    {"ENXIO", ENXIO},   {"EACCES", EACCES}, {"ENOBUFS", ENOBUFS},     {"EREMOTEIO", EREMOTEIO},
};
constexpr std::string_view kOps[Faults::kOpCount] = {"create", "destroy", "query", "complete"};

}  // namespace

std::optional<Faults::Rules> Faults::parse_fail(std::string_view expression) {
  Rules rules{};
  while (!expression.empty()) {
    std::string_view one = cut(expression, '+');
    const std::string_view op = cut(one, ':'), kind = cut(one, ':'), amount = cut(one, ':'),
                           name = cut(one, ':');
    Rule rule{true, 0, 0.0, EIO, 0};
    if (kind == "every") {
      const auto every = number(amount);
      if (!every || *every == 0) return std::nullopt;
      rule.every = *every;
    } else if (kind == "p") {
      const auto [end, error] =
          std::from_chars(amount.data(), amount.data() + amount.size(), rule.probability);
      if (error != std::errc() || end != amount.data() + amount.size() ||
          !(rule.probability >= 0 && rule.probability <= 1))
        return std::nullopt;
    } else {
      return std::nullopt;
    }
    if (!name.empty()) {
      rule.code = 0;
      for (const NamedErrno& known : kErrnos)
        if (known.name == name) rule.code = known.code;
      if (rule.code == 0) return std::nullopt;
    }
    bool known_op = false;
    for (unsigned i = 0; i < kOpCount; ++i)
      if (kOps[i] == op) rules[i] = rule, known_op = true;
    if (!known_op || !one.empty()) return std::nullopt;
  }
  return rules;
}

bool Faults::set(std::string_view key, std::string_view value) {
  if (key == "fail") {
    const auto rules = parse_fail(value);
    if (!rules) return false;
    const std::lock_guard guard(lock_);
    fail_ = *rules;
    fail_text_ = value;
    failing_.store(!value.empty(), std::memory_order_relaxed);
    return true;
  }
  const auto amount =
      value.empty() ? std::optional<uint64_t>(key == "rules" ? UINT64_MAX : 0) : number(value);
  if (!amount) return false;
  if (key == "rules") {
    rules_.store(*amount, std::memory_order_relaxed);
    return true;
  }
  if (*amount > 60'000'000) return false;  // a minute: more would only look like a hang
  if (key == "latency_us") {
    latency_us_.store(static_cast<uint32_t>(*amount), std::memory_order_relaxed);
  } else if (key == "tx_delay_us") {
    tx_delay_us_.store(static_cast<uint32_t>(*amount), std::memory_order_relaxed);
    tx_delay_cycles_.store(*amount * rte_get_tsc_hz() / 1'000'000, std::memory_order_relaxed);
  } else {
    return false;
  }
  return true;
}

std::string Faults::text() const {
  const std::lock_guard guard(lock_);
  const uint64_t rules = max_rules();
  return "rules=" + (rules == UINT64_MAX ? std::string() : std::to_string(rules)) +
         ",latency_us=" + std::to_string(latency_us()) +
         ",tx_delay_us=" + std::to_string(tx_delay_us_.load(std::memory_order_relaxed)) +
         ",fail=" + fail_text_;
}

void Faults::wait() const {
  const uint32_t latency = latency_us();
  if (latency > 0) std::this_thread::sleep_for(std::chrono::microseconds(latency));
}

int Faults::next(Op op) {
  if (!failing_.load(std::memory_order_relaxed)) return 0;
  const std::lock_guard guard(lock_);
  Rule& rule = fail_[static_cast<unsigned>(op)];
  if (!rule.active) return 0;
  if (rule.every > 0) return ++rule.seen % rule.every == 0 ? rule.code : 0;
  random_ ^= random_ << 13;  // xorshift64
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<double>(random_ >> 11) * 0x1p-53 < rule.probability ? rule.code : 0;
}

}  // namespace eswitch
