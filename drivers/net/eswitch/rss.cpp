#include "rss.hpp"

#include <rte_thash.h>

#include "flow_error.hpp"
#include "port.hpp"

namespace eswitch {
namespace {

constexpr uint64_t kV4Types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
constexpr uint64_t kV6Types =
    RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER | RTE_ETH_RSS_IPV6_EX;

bool hashes_ports(const LevelKey& level, uint64_t types) {
  if (is_fragment(level)) return false;
  const uint32_t layers = level.layers;
  const bool v4 = (layers & kLayerIpv4) != 0;
  if ((layers & kLayerUdp) != 0)
    return (types & (v4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP : RTE_ETH_RSS_NONFRAG_IPV6_UDP)) != 0;
  if ((layers & kLayerTcp) != 0)
    return (types & (v4 ? RTE_ETH_RSS_NONFRAG_IPV4_TCP : RTE_ETH_RSS_NONFRAG_IPV6_TCP)) != 0;
  return false;
}

}  // namespace

const std::vector<uint8_t>& default_rss_key() {
  static const std::vector<uint8_t> key = {0x2c, 0xc6, 0x81, 0xd1, 0x5b, 0xdb, 0xf4, 0xf7, 0xfc, 0xa2,
                                           0x83, 0x19, 0xdb, 0x1a, 0x3e, 0x94, 0x6b, 0x9e, 0x38, 0xd9,
                                           0x2c, 0x9c, 0x03, 0xd1, 0xad, 0x99, 0x44, 0xa7, 0xd9, 0x56,
                                           0x3d, 0x59, 0x06, 0x3c, 0x25, 0xf3, 0xfc, 0x1f, 0xdc, 0x2a};
  return key;
}

uint32_t rss_hash(const Key& key, const RssSpec& spec) {
  const bool inner = spec.level == 2 && (key.level[1].layers & kLayersL3) != 0;
  const LevelKey& level = key.level[inner ? 1 : 0];
  uint32_t words[9];
  uint32_t count = 0;
  const bool ports = hashes_ports(level, spec.types);
  const bool v4 = (level.layers & kLayerIpv4) != 0, v6 = (level.layers & kLayerIpv6) != 0;
  if (!(v4 && ((spec.types & kV4Types) != 0 || ports)) && !(v6 && ((spec.types & kV6Types) != 0 || ports)))
    return 0;
  for (unsigned at = v4 ? 12 : 8; at < (v4 ? 20u : 40u); at += 4) words[count++] = get_be32(level.l3 + at);
  if (ports) words[count++] = get_be32(level.l4);
  return rte_softrss(words, count, spec.key.data());
}

bool compile_rss(const rte_flow_action& action, const Port& port, RssSpec& spec, rte_flow_error* error) {
  const auto* conf = static_cast<const rte_flow_action_rss*>(action.conf);
  const auto refuse_conf = [&](int code, const char* message) {
    refuse(error, code, RTE_FLOW_ERROR_TYPE_ACTION_CONF, conf, message);
    return false;
  };
  if (conf->func != RTE_ETH_HASH_FUNCTION_DEFAULT && conf->func != RTE_ETH_HASH_FUNCTION_TOEPLITZ)
    return refuse_conf(ENOTSUP, "RSS hash function not supported");
  if (conf->level > 2) return refuse_conf(ENOTSUP, "tunnel RSS is not supported beyond level 2");
  if (conf->key_len != 0 && conf->key_len != kRssKeyBytes)
    return refuse_conf(ENOTSUP, "RSS hash key must have 40 bytes");
  if ((conf->types & ~kRssTypes) != 0) return refuse_conf(ENOTSUP, "some RSS protocols are not supported");
  if (conf->queue_num == 0 || conf->queue == nullptr) return refuse_conf(EINVAL, "No queues configured");
  for (uint32_t i = 0; i < conf->queue_num; ++i)
    if (conf->queue[i] >= port.data().nb_rx_queues) return refuse_conf(EINVAL, "queue index out of range");
  spec.types = conf->types != 0 ? conf->types : uint64_t{RTE_ETH_RSS_IP};
  spec.level = conf->level;
  if (conf->key_len != 0 && conf->key != nullptr)
    spec.key.assign(conf->key, conf->key + conf->key_len);
  else
    spec.key = default_rss_key();
  spec.queues.assign(conf->queue, conf->queue + conf->queue_num);
  return true;
}

}  // namespace eswitch
