#include "shell/render.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::shell {
namespace {

// Names of links may be any bytes; JSON may not.
std::string dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// A value in a cell: a list of objects as "via 10.0.0.1 netdev eth0, via ...".
std::string cell(const Json& value) {
  if (value.is_null() || (value.is_array() && value.empty())) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_structured()) return dump(value);
  std::string text;
  for (const auto& [key, member] : value.items()) {
    if (member.is_null()) continue;
    if (!text.empty()) text += value.is_array() ? ", " : " ";
    text += value.is_array() ? cell(member) : key + " " + cell(member);
  }
  return text;
}

std::string text_lines(const Json& object, const std::string& indent) {
  size_t width = 0;
  for (const auto& [key, value] : object.items())
    if (!value.is_structured()) width = std::max(width, key.size());
  std::string text;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_structured()) {
      text += fmt::format("{}{:<{}} {}\n", indent, key + ":", width + 1, cell(value));
    } else if (value.is_object()) {
      text += fmt::format("{}{}:\n{}", indent, key, text_lines(value, indent + "  "));
    } else if (!value.empty()) {
      TextRows rows(value[0], {});
      for (const Json& row : value) rows.add(row);
      text += fmt::format("{}{}:\n{}", indent, key, rows.finish(indent + "  "));
    }
  }
  return text;
}

}  // namespace

std::string render_object(const Json& object, bool json) {
  return json ? dump(object, 2) + "\n" : text_lines(object, "");
}

void JsonRows::add(const Json& row) {
  text_ += text_.empty() ? "[\n  " : ",\n  ";
  text_ += dump(row);
}

std::string JsonRows::finish() { return text_.empty() ? "[]\n" : std::move(text_) + "\n]\n"; }

TextRows::TextRows(const Json& sample, const std::vector<std::string_view>& hidden) {
  for (const auto& [key, value] : sample.items())
    if (std::find(hidden.begin(), hidden.end(), key) == hidden.end()) columns_.push_back({key, key.size()});
}

void TextRows::add(const Json& row) {
  auto& cells = rows_.emplace_back();
  for (Column& column : columns_) {
    const Json& value = row.at(column.name);
    cells.push_back(cell(value));
    column.width = std::max(column.width, cells.back().size());
    column.has_numbers = column.has_numbers || value.is_number();
    column.has_texts = column.has_texts || !(value.is_number() || value.is_null());
  }
}

std::string TextRows::finish(std::string_view indent) {
  std::string text;
  const auto add_line = [&](auto cell_at) {
    std::string line(indent);
    for (size_t i = 0; i < columns_.size(); ++i) {
      const bool right = columns_[i].has_numbers && !columns_[i].has_texts;
      line += fmt::format(fmt::runtime(right ? "{:>{}}  " : "{:<{}}  "), cell_at(i), columns_[i].width);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](size_t i) { return columns_[i].name; });
  for (const auto& row : rows_) add_line([&](size_t i) { return row[i]; });
  return text;
}

}  // namespace culvert::shell
