// CRC32-C of whole words, for flow hashes: one instruction a word where the processor has it.
#pragma once

#include <rte_hash_crc.h>

#include <cstdint>

namespace culvert::dataplane {

inline uint32_t crc_word(uint64_t word, uint32_t seed) {
#if defined(__SSE4_2__)
  // rte_hash_crc_8byte() would ask at each call which instruction to use.
  return static_cast<uint32_t>(__builtin_ia32_crc32di(seed, word));
#else
  return rte_hash_crc_8byte(word, seed);
#endif
}

}  // namespace culvert::dataplane
