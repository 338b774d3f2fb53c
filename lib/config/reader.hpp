// Reads YAML nodes by tables of keys and collects what is wrong with them. yaml-cpp's exceptions end here.
#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/key.hpp"

namespace culvert::config {

struct Place {
  int line = 1;  // from 1
  int column = 1;
};
Place place_of(const YAML::Node& node);
std::string_view kind_of(const YAML::Node& node);  // "a map", for messages

// Where one map of the configuration and the values in it stand. Only values that were read without an error.
struct Places {
  Place self;
  std::map<std::string_view, std::vector<Place>> values;

  bool has(std::string_view key) const { return values.contains(key); }
  Place of(std::string_view key, size_t index = 0) const {
    return has(key) ? values.at(key).at(index) : self;
  }
};

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  // The root of the only document of `text`; a null node when there is none or its syntax is wrong.
  YAML::Node parse(const std::string& text);

  template <typename... Args>
  void report(Place place, fmt::format_string<Args...> format, Args&&... args) {
    errors_.push_back({file_, place.line, place.column, fmt::format(format, std::forward<Args>(args)...)});
  }
  // What may be meant so, and perhaps is not.
  template <typename... Args>
  void warn(Place place, fmt::format_string<Args...> format, Args&&... args) {
    warnings_.push_back(
        {file_, place.line, place.column, "warning: " + fmt::format(format, std::forward<Args>(args)...)});
  }

  // Sees to it that `node` is a map (a list); reports and says false if not.
  bool expect_map(const YAML::Node& node, Place place, std::string_view what);
  bool expect_list(const YAML::Node& node, Place place, std::string_view what);

  // One entry of a map. A value left out (`key:`) is pointed at by its key.
  struct Entry {
    std::string name;
    Place key, value;
    YAML::Node node;
  };
  // The entries of the map called `what`; keys that are no words or stand there twice are reported and left
  // out.
  std::vector<Entry> entries(const YAML::Node& map, std::string_view what);

  // Reads a map into `object` by its table of keys. `what` names it in messages: "tunnels[0]".
  template <typename T>
  Places read_map(const YAML::Node& node, Place place, const std::string& what, std::span<const Key<T>> keys,
                  T& object);

  // Reads a list of such maps; `what` names the list: "tunnels".
  template <typename T>
  void read_maps(const Entry& list, const std::string& what, std::span<const Key<T>> keys,
                 std::vector<T>& objects, std::vector<Places>& places);

  bool has_errors() const { return !errors_.empty(); }
  // Everything reported so far.
  std::vector<Diagnostic> take_errors() { return std::move(errors_); }
  std::vector<Diagnostic> take_warnings() { return std::move(warnings_); }

 private:
  struct Text {
    Place place;
    std::string text;
  };
  // The texts that a value of this shape hands to its setter; reports what has another shape.
  std::vector<Text> texts(const Entry& entry, Shape shape, const std::string& what);

  std::string file_;
  std::vector<Diagnostic> errors_, warnings_;
};

// By line and column.
std::vector<Diagnostic> in_order(std::vector<Diagnostic> diagnostics);

template <typename T>
Places Reader::read_map(const YAML::Node& node, Place place, const std::string& what,
                        std::span<const Key<T>> keys, T& object) {
  Places places{place, {}};
  if (!expect_map(node, place, what)) return places;
  std::set<std::string_view> given;
  bool later = false;  // uses what is not supported yet: do not ask for more keys of what it is not
  for (const Entry& entry : entries(node, what)) {
    const auto* key = find_key(keys, entry.name);
    if (!key) {
      report(entry.key, "{}", unknown_key(entry.name, what, keys));
      continue;
    }
    given.insert(key->name);
    if (!key->set) {
      report(entry.key, "{}.{}: not supported yet", what, key->name);
      later = true;
      continue;
    }
    for (const Text& text : texts(entry, key->shape, what)) {
      if (const auto status = key->set(text.text, object)) {
        places.values[key->name].push_back(text.place);
      } else {
        report(text.place, "{}.{}: {}", what, key->name, status.error().message);
        later = later || status.error().message.find("not supported yet") != std::string::npos;
      }
    }
  }
  for (const auto& key : keys)
    if (key.required && !given.contains(key.name) && !later)
      report(place, "{} lacks the key '{}'", what, key.name);
  return places;
}

template <typename T>
void Reader::read_maps(const Entry& list, const std::string& what, std::span<const Key<T>> keys,
                       std::vector<T>& objects, std::vector<Places>& places) {
  if (!expect_list(list.node, list.value, what)) return;
  for (size_t i = 0; i < list.node.size(); ++i) {
    const YAML::Node item = list.node[i];
    T object;
    places.push_back(read_map(item, item.IsNull() ? list.value : place_of(item),
                              fmt::format("{}[{}]", what, i), keys, object));
    objects.push_back(std::move(object));
  }
}

}  // namespace culvert::config
