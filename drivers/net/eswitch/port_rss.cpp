// The ethdev's RSS settings: hash key, types, redirection table.
#include "port.hpp"
#include "switch.hpp"

namespace eswitch {

int rss_hash_update(rte_eth_dev* dev, rte_eth_rss_conf* conf) {
  Port& port = port_of(dev);
  if ((conf->rss_hf & ~kRssTypes) != 0) return -EINVAL;
  if (conf->rss_key != nullptr) {
    if (conf->rss_key_len != 0 && conf->rss_key_len != kRssKeyBytes) return -EINVAL;
    port.rss.key.assign(conf->rss_key, conf->rss_key + kRssKeyBytes);
  }
  port.rss.types = conf->rss_hf;
  port.publish_rss();
  return 0;
}

int rss_hash_conf_get(rte_eth_dev* dev, rte_eth_rss_conf* conf) {
  const Port& port = port_of(dev);
  conf->rss_hf = port.rss.types;
  if (conf->rss_key != nullptr && conf->rss_key_len >= kRssKeyBytes)
    std::memcpy(conf->rss_key, port.rss.key.data(), kRssKeyBytes);
  conf->rss_key_len = kRssKeyBytes;
  return 0;
}

int reta_update(rte_eth_dev* dev, rte_eth_rss_reta_entry64* reta, uint16_t size) {
  Port& port = port_of(dev);
  if (size != Port::kRetaSize) return -EINVAL;
  for (uint16_t i = 0; i < size; ++i)
    if ((reta[i / 64].mask >> (i % 64) & 1) != 0) port.rss.queues[i] = reta[i / 64].reta[i % 64];
  port.publish_rss();
  return 0;
}

int reta_query(rte_eth_dev* dev, rte_eth_rss_reta_entry64* reta, uint16_t size) {
  const Port& port = port_of(dev);
  if (size != Port::kRetaSize) return -EINVAL;
  for (uint16_t i = 0; i < size; ++i)
    if ((reta[i / 64].mask >> (i % 64) & 1) != 0) reta[i / 64].reta[i % 64] = port.rss.queues[i];
  return 0;
}

}  // namespace eswitch
