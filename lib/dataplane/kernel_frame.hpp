// Frames as the kernel has them and no wire would: af_packet and af_xdp hand them over before the hardware's
// part.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace culvert::dataplane {

enum class KernelFrame : uint8_t {
  whole,      // nothing to do
  completed,  // its TCP or UDP checksum was left to hardware and is now complete
  cut,        // longer than the receive ring's frames: the end is missing
};

// Looks at the Ethernet frame that `mbuf` holds and completes its checksum. The kernel leaves the checksum
// field holding the sum over the pseudo header; that is how it is recognised. (A complete checksum of the
// same value, one packet in 65536, comes out as it went in.)
KernelFrame fix_kernel_frame(rte_mbuf* mbuf);

}  // namespace culvert::dataplane
