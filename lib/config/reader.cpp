#include "config/reader.hpp"

#include <algorithm>
#include <tuple>

namespace culvert::config {
namespace {

Place place_of(const YAML::Mark& mark) {
  return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1};
}

// At the end of the text, where it wants more, yaml-cpp forgets the column.
Place end_of(const std::string& text) {
  const auto lines = std::count(text.begin(), text.end(), '\n');
  const size_t start = lines == 0 ? 0 : text.rfind('\n') + 1;
  return {static_cast<int>(lines) + 1, static_cast<int>(text.size() - start) + 1};
}

}  // namespace

std::string_view kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  return node.IsScalar() ? "a single value" : "nothing";
}

Place place_of(const YAML::Node& node) { return place_of(node.Mark()); }

YAML::Node Reader::parse(const std::string& text) {
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.size() > 1)
      report(place_of(documents[1]), "a second YAML document; expected one, without '---' between its parts");
    return documents.empty() ? YAML::Node() : documents[0];
  } catch (const YAML::Exception& fault) {
    const bool at_end = fault.mark.is_null() || fault.mark.pos >= static_cast<int>(text.size());
    const Place place = at_end ? end_of(text) : place_of(fault.mark);
    report(place, "YAML syntax: {}", fault.msg);
    return {};
  }
}

bool Reader::expect_map(const YAML::Node& node, Place place, std::string_view what) {
  if (!node.IsMap()) report(place, "{} is {}; expected a map (KEY: VALUE)", what, kind_of(node));
  return node.IsMap();
}

bool Reader::expect_list(const YAML::Node& node, Place place, std::string_view what) {
  if (!node.IsSequence())
    report(place, "{} is {}; expected a list ([...] or lines of '- ...')", what, kind_of(node));
  return node.IsSequence();
}

std::vector<Reader::Entry> Reader::entries(const YAML::Node& map, std::string_view what) {
  std::vector<Entry> result;
  std::map<std::string, Place> seen;  // yaml-cpp keeps both of two equal keys
  for (const auto& pair : map) {
    const Place key = place_of(pair.first);
    if (!pair.first.IsScalar()) {
      report(key, "a key in {} is {}; expected a word", what, kind_of(pair.first));
      continue;
    }
    const std::string& name = pair.first.Scalar();
    if (const auto [first, is_new] = seen.emplace(name, key); !is_new) {
      report(key, "the key '{}' stands twice in {}; its first is on line {}", name, what, first->second.line);
      continue;
    }
    result.push_back({name, key, pair.second.IsNull() ? key : place_of(pair.second), pair.second});
  }
  return result;
}

std::vector<Reader::Text> Reader::texts(const Entry& entry, Shape shape, const std::string& what) {
  const YAML::Node& node = entry.node;
  if (shape == Shape::map) {
    if (!expect_map(node, entry.value, what + "." + entry.name)) return {};
    return {{entry.value, {}}};
  }
  if (shape == Shape::maps) return {{entry.value, {}}};  // read_maps() says what is wrong with it
  if (shape == Shape::list && !expect_list(node, entry.value, what + "." + entry.name)) return {};
  if (node.IsScalar()) return {{entry.value, node.Scalar()}};
  if (!node.IsSequence() || shape == Shape::scalar) {
    report(entry.value, "{}.{} is {}; expected a single value", what, entry.name, kind_of(node));
    return {};
  }

  std::vector<Text> result;
  for (size_t i = 0; i < node.size(); ++i) {
    if (node[i].IsScalar()) {
      result.push_back({place_of(node[i]), node[i].Scalar()});
    } else {
      const Place place = node[i].IsNull() ? entry.value : place_of(node[i]);
      report(place, "{}.{}[{}] is {}; expected a single value", what, entry.name, i, kind_of(node[i]));
    }
  }
  if (shape == Shape::list) return result;
  std::string joined;
  for (const Text& text : result) joined += (joined.empty() ? "" : "-") + text.text;
  return {{entry.value, joined}};
}

std::vector<Diagnostic> in_order(std::vector<Diagnostic> diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return diagnostics;
}

}  // namespace culvert::config
