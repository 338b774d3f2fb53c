#include "config/config.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/checks.hpp"
#include "config/flow_keys.hpp"
#include "config/network_keys.hpp"
#include "config/reader.hpp"
#include "config/tunnel_keys.hpp"
#include "config/values.hpp"

namespace culvert::config {
namespace {

constexpr uint64_t kFewestGids = 2;    // those that are reserved for the default GID
constexpr size_t kLongestEthdev = 63;  // RTE_ETH_NAME_MAX_LEN with its end

Status set_netns(std::string_view text, Config& config) {
  if (text.empty() || text.find_first_of(" \t\r\n") != std::string_view::npos)
    return error("'{}' is no namespace; expected a name of `ip netns` or a path", text);
  config.netns = text;
  return {};
}

Status set_ethdev(std::string_view text, Port& port) {
  if (text.empty() || text.size() > kLongestEthdev || text.find_first_of(" \t\r\n") != std::string_view::npos)
    return error("'{}' is no ethdev; expected the name of a vdev such as net_af_packet0, or a PCI address",
                 text);
  port.ethdev = text;
  return {};
}

constexpr Choice<KernelPath> kKernelPaths[] = {
    {"bifurcated", KernelPath::bifurcated}, {"none", KernelPath::none}, {"tap", {}, false}};

constexpr Key<Config> kKernelKeys[] = {{"netns", set_netns}};

constexpr Key<Port> kPortKeys[] = {
    {"name", [](std::string_view text, Port& port) { return assign(port.name, parse_name(text)); }, true},
    {"ethdev", set_ethdev, true},
    {"netdev", [](std::string_view text, Port& port) { return assign(port.netdev, parse_netdev(text)); }},
    {"kernel_path",
     [](std::string_view text, Port& port) {
       return assign(port.kernel_path, parse_choice<KernelPath>(text, kKernelPaths));
     }},
    {"gids", [](std::string_view text,
                Port& port) { return assign(port.gids, parse_number(text, kFewestGids, UINT16_MAX)); }},
};

constexpr Choice<Offload::Mode> kOffloadModes[] = {
    {"auto", Offload::Mode::automatic}, {"off", Offload::Mode::off}, {"required", Offload::Mode::required}};
constexpr Choice<Offload::Layout> kOffloadLayouts[] = {{"auto", Offload::Layout::automatic},
                                                       {"tagged", Offload::Layout::tagged},
                                                       {"flat", Offload::Layout::flat}};

constexpr Key<Offload> kOffloadKeys[] = {
    {"mode", [](std::string_view text,
                Offload& o) { return assign(o.mode, parse_choice<Offload::Mode>(text, kOffloadModes)); }},
    {"layout",
     [](std::string_view text, Offload& o) {
       return assign(o.layout, parse_choice<Offload::Layout>(text, kOffloadLayouts));
     }},
};

struct Document {
  Reader reader;
  Config config;
  ConfigPlaces places;
};

void read_ports(Document& document, const Reader::Entry& section) {
  auto& ports = document.config.ports;
  document.reader.read_maps<Port>(section, section.name, kPortKeys, ports, document.places.ports);
  for (size_t i = 0; i < ports.size(); ++i)
    if (!document.places.ports[i].has("kernel_path") && !ports[i].netdev.empty())
      ports[i].kernel_path = KernelPath::bifurcated;
}

// Each is the name of a port, or {port: NAME, vlan: VID}. Members of which nothing can be used are left out.
void read_members(Reader& reader, const YAML::Node& list, const std::string& what, Places& places,
                  std::vector<Member>& members) {
  const Place place = places.of("ports");
  places.values.erase("ports");
  if (!reader.expect_list(list, place, what)) return;
  for (size_t i = 0; i < list.size(); ++i) {
    const YAML::Node item = list[i];
    const Place at = item.IsNull() ? place : place_of(item);
    const std::string name = fmt::format("{}[{}]", what, i);
    Member member;
    if (item.IsScalar()) {
      member.port = item.Scalar();
    } else if (item.IsMap()) {
      const Places its = reader.read_map(item, at, name, member_keys(), member);
      if (!its.has("port") || !its.has("vlan")) continue;
    } else {
      reader.report(at, "{} is {}; expected the name of a port, or {{port: NAME, vlan: VID}}", name,
                    kind_of(item));
      continue;
    }
    members.push_back(std::move(member));
    places.values["ports"].push_back(at);
  }
}

void read_networks(Document& document, const Reader::Entry& section) {
  auto& networks = document.config.networks;
  auto& places = document.places;
  document.reader.read_maps(section, section.name, network_keys(), networks, places.networks);
  places.routes.resize(networks.size());
  places.paths.resize(networks.size());
  for (size_t i = 0; i < networks.size(); ++i) {
    if (places.networks[i].has("ports"))
      read_members(document.reader, section.node[i]["ports"], fmt::format("networks[{}].ports", i),
                   places.networks[i], networks[i].ports);
    const auto read = [&](const char* key, auto keys, auto& objects, std::vector<Places>& its) {
      if (!places.networks[i].has(key)) return;
      const Place place = places.networks[i].of(key);
      document.reader.read_maps({key, place, place, section.node[i][key]},
                                fmt::format("networks[{}].{}", i, key), keys, objects, its);
    };
    read("routes", static_route_keys(), networks[i].routes, places.routes[i]);
    read("paths", static_path_keys(), networks[i].paths, places.paths[i]);
  }
}

void read_flows(Document& document, const Reader::Entry& section) {
  auto& flows = document.config.flows;
  document.reader.read_maps(section, section.name, flow_keys(), flows, document.places.flows);
  for (size_t i = 0; i < flows.size(); ++i) {
    const Places& places = document.places.flows[i];
    if (places.has("match"))
      document.reader.read_map(section.node[i]["match"], places.of("match"),
                               fmt::format("flows[{}].match", i), match_keys(), flows[i].match);
  }
}

struct Section {
  std::string_view name;
  void (*set)(Document& document, const Reader::Entry& section);
};

constexpr Section kSections[] = {
    {"kernel",
     [](Document& d, const Reader::Entry& section) {
       d.reader.read_map<Config>(section.node, section.value, section.name, kKernelKeys, d.config);
     }},
    {"ports", read_ports},
    {"tunnels",
     [](Document& d, const Reader::Entry& section) {
       d.reader.read_maps(section, section.name, tunnel_keys(), d.config.tunnels, d.places.tunnels);
     }},
    {"networks", read_networks},
    {"flows", read_flows},
    {"offload",
     [](Document& d, const Reader::Entry& section) {
       d.reader.read_map<Offload>(section.node, section.value, section.name, kOffloadKeys, d.config.offload);
     }},
};

void read_document(Document& document, const YAML::Node& root) {
  if (root.IsNull() || !document.reader.expect_map(root, place_of(root), "the configuration")) return;
  for (const auto& entry : document.reader.entries(root, "the configuration")) {
    const auto* section =
        std::find_if(std::begin(kSections), std::end(kSections),
                     [&](const Section& candidate) { return candidate.name == entry.name; });
    if (section == std::end(kSections))
      document.reader.report(
          entry.key, "{}", unknown_key(entry.name, "the configuration", std::span<const Section>(kSections)));
    else
      section->set(document, entry);
  }
  check_config(document.config, document.places, document.reader);
}

Parsed unreadable(const std::string& path, const std::string& why) {
  return {{}, {{path, 1, 1, "cannot read the configuration: " + why}}, {}};
}

}  // namespace

std::string Member::to_string() const {
  return vlan ? fmt::format("VLAN {} of the port '{}'", *vlan, port) : fmt::format("the port '{}'", port);
}

bool takes_flows(const Config& config, const std::string& port) {
  const auto same = std::ranges::find(config.ports, port, &Port::name);
  if (same == config.ports.end() || same->netdev.empty()) return true;
  return std::ranges::any_of(config.networks, [&](const Network& network) {
    return std::ranges::find(network.ports, port, &Member::port) != network.ports.end();
  });
}

std::string takes_no_flows(const std::string& port) {
  return fmt::format(
      "port '{}' has a netdev and is in no network: it terminates tunnels and takes no flows; give the flow "
      "a port that tenants are behind",
      port);
}

std::string Diagnostic::to_string() const { return fmt::format("{}:{}:{}: {}", file, line, column, message); }

Parsed parse(const std::string& text, const std::string& file) {
  Document document{Reader(file), {}, {}};
  try {
    read_document(document, document.reader.parse(text));
  } catch (const YAML::Exception& fault) {
    document.reader.report({fault.mark.line + 1, fault.mark.column + 1}, "YAML: {}", fault.msg);
  }
  return {std::move(document.config), in_order(document.reader.take_errors()),
          in_order(document.reader.take_warnings())};
}

Parsed load(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return unreadable(path, "it is a directory; expected a YAML file");
  std::ifstream file(path);
  if (!file) return unreadable(path, errno_text(errno));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return unreadable(path, errno_text(errno));
  return parse(text, path);
}

}  // namespace culvert::config
