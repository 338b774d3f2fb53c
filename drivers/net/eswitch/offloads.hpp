// What an application leaves to the NIC: checksums and VLAN tags, done here in software.
#pragma once

#include "packet.hpp"

namespace eswitch {

/// Does what `mbuf`'s Tx flags ask for and clears them. False: it could not be done. Headers must be
/// contiguous.
bool do_tx_offloads(rte_mbuf*& mbuf);

/// Puts a tag that a wire stripped into the mbuf back into the frame. False: no room.
bool restore_vlan(rte_mbuf*& mbuf);

/// Sets the packet type and, as the port's Rx offloads ask, checksum flags and a stripped VLAN tag.
void do_rx_offloads(Packet& packet, uint64_t offloads);

}  // namespace eswitch
