// The two forms of what `show` prints: JSON, and aligned text for people. Both come from the same JSON
// values, so that they cannot differ in their fields.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"

namespace culvert::shell {

using Json = nlohmann::ordered_json;

// One object: pretty JSON, or lines of "key: value".
std::string render_object(const Json& object, bool json);

// A document that is an array of objects, one a line. Objects are written as they are added and not kept.
class JsonRows {
 public:
  void add(const Json& row);
  std::string finish();

 private:
  std::string text_;
};

// A table with a header row. Its columns are the keys of `sample`; columns of numbers stand right.
class TextRows {
 public:
  TextRows(const Json& sample, const std::vector<std::string_view>& hidden);
  void add(const Json& row);
  std::string finish(std::string_view indent = "");

 private:
  struct Column {
    std::string name;
    size_t width;
    bool has_numbers = false;
    bool has_texts = false;
  };
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// `to_json` makes the object of one view; `hidden`: fields too wide for the table.
template <typename View>
std::string render_rows(const std::vector<View>& views, Json (*to_json)(const View&), bool json,
                        const std::vector<std::string_view>& hidden = {}) {
  const auto filled = [&](auto rows) {
    for (const View& view : views) rows.add(to_json(view));
    return rows.finish();
  };
  return json ? filled(JsonRows()) : filled(TextRows(to_json(View{}), hidden));
}

// null for nullopt, text for addresses and MACs.
template <typename T>
Json json_of(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (requires { value->to_string(); })
    return value->to_string();
  else
    return *value;
}

}  // namespace culvert::shell
