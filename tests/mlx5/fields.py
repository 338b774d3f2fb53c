"""The fields of the firmware's match parameters (fte_match_param) and of its modify commands, by the names of DPDK's
drivers/common/mlx5/mlx5_prm.h (22.11): where each lies, in bits from the front. And those of the headers of a packet as
hardware steering sees them, drivers/net/mlx5/hws/mlx5dr_definer.h, by the same names."""

FIELDS = {
    "smac_47_16": (0, 32), "smac_15_0": (32, 16), "ethertype": (48, 16), "dmac_47_16": (64, 32),
    "dmac_15_0": (96, 16), "first_prio": (112, 3), "first_cfi": (115, 1), "first_vid": (116, 12),
    "ip_protocol": (128, 8), "ip_dscp": (136, 6), "ip_ecn": (142, 2), "cvlan_tag": (144, 1), "svlan_tag": (145, 1),
    "frag": (146, 1), "ip_version": (147, 4), "tcp_flags": (151, 9), "tcp_sport": (160, 16), "tcp_dport": (176, 16),
    "udp_sport": (224, 16), "udp_dport": (240, 16), "ip_ttl_hoplimit": (216, 8), "src_ipv4_src_ipv6": (256, 128),
    "dst_ipv4_dst_ipv6": (384, 128), "inner.smac_47_16": (1024, 32), "inner.smac_15_0": (1056, 16),
    "inner.ethertype": (1072, 16), "inner.dmac_47_16": (1088, 32), "inner.dmac_15_0": (1120, 16),
    "inner.first_prio": (1136, 3), "inner.first_cfi": (1139, 1), "inner.first_vid": (1140, 12),
    "inner.ip_protocol": (1152, 8), "inner.ip_dscp": (1160, 6), "inner.ip_ecn": (1166, 2),
    "inner.cvlan_tag": (1168, 1), "inner.svlan_tag": (1169, 1), "inner.frag": (1170, 1),
    "inner.ip_version": (1171, 4), "inner.tcp_flags": (1175, 9), "inner.tcp_sport": (1184, 16),
    "inner.tcp_dport": (1200, 16), "inner.udp_sport": (1248, 16), "inner.udp_dport": (1264, 16),
    "inner.ip_ttl_hoplimit": (1240, 8), "inner.src_ipv4_src_ipv6": (1280, 128),
    "inner.dst_ipv4_dst_ipv6": (1408, 128), "gre_c_present": (512, 1), "gre_k_present": (514, 1),
    "gre_s_present": (515, 1), "source_sqn": (520, 24), "source_port": (560, 16), "gre_protocol": (624, 16),
    "gre_key_h": (640, 24), "gre_key_l": (664, 8), "vxlan_vni": (672, 24), "metadata_reg_c_7": (1664, 32),
    "metadata_reg_c_6": (1696, 32), "metadata_reg_c_5": (1728, 32), "metadata_reg_c_4": (1760, 32),
    "metadata_reg_c_3": (1792, 32), "metadata_reg_c_2": (1824, 32), "metadata_reg_c_1": (1856, 32),
    "metadata_reg_c_0": (1888, 32), "metadata_reg_a": (1920, 32), "tunnel_header_0": (3200, 32),
    "tunnel_header_1": (3232, 32), "tunnel_header_2": (3264, 32), "tunnel_header_3": (3296, 32),
}

# mlx5_ifc_definer_hl_bits: ports of TCP and UDP share a place, addresses of IPv4 and IPv6 do not.
PACKET_BITS = 4800
PACKET = {
    **{f"{inner}{name}": (at + l2 * which, bits) for which, inner in enumerate(("", "inner.")) for name, at, l2, bits in (
        ("dmac_47_16", 0, 128, 32), ("dmac_15_0", 32, 128, 16), ("ethertype", 48, 128, 16), ("l3_type", 74, 128, 2),
        ("l4_type", 76, 128, 2), ("vlan_tags", 78, 128, 2), ("first_vid", 84, 128, 12), ("smac_47_16", 256, 64, 32),
        ("smac_15_0", 288, 64, 16), ("ip_dscp", 456, 160, 6), ("ip_ecn", 462, 160, 2), ("ip_ttl_hoplimit", 464, 160, 8),
        ("ip_protocol", 472, 160, 8), ("l4_sport", 768, 64, 16), ("l4_dport", 784, 64, 16), ("src_ipv4", 2048, 64, 32),
        ("dst_ipv4", 2080, 64, 32), ("dst_ipv6", 2176, 128, 128), ("src_ipv6", 2432, 128, 128))},
    "source_port": (912, 16), "source_sqn": (936, 24), **{f"tunnel_header_{i}": (3104 + 32 * i, 32) for i in range(4)},
    "metadata_reg_a": (3968, 32),
    **{f"metadata_reg_c_{i}": (4416 + 32 * place, 32) for place, i in enumerate((10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1))},
}
MODIFIED = {0x01: "smac_47_16", 0x02: "smac_15_0", 0x03: "ethertype", 0x04: "dmac_47_16", 0x05: "dmac_15_0", 0x06: "ip_dscp",
            0x0a: "ip_ttl", 0x0b: "udp_sport", 0x0c: "udp_dport", 0x47: "ipv6_hoplimit", 0x49: "reg_a", 0x50: "reg_b",
            **{0x51 + i: f"reg_c_{i}" for i in range(8)}}
TOTAL_BITS = 4096


def is_whole(name, mask):
    return name in FIELDS | PACKET and mask == (1 << (FIELDS | PACKET)[name][1]) - 1


def _among(fields, total_bits, value, mask):
    """{field: (value, mask)} of those that are looked at."""
    found = {}
    for name, (at, bits) in fields.items():
        shift, whole = total_bits - at - bits, (1 << bits) - 1
        if mask >> shift & whole:
            found[name] = (value >> shift & whole, mask >> shift & whole)
    return found


class Definer:
    """Which words and bytes of a packet's headers a matcher looks at, and at which bits of them. What is matched has the
    words first, the last of them in front, and then the bytes in the same way; a matcher that looks at less than nine words
    has no more than the end of that."""

    BYTES = 44

    def __init__(self, words, octets, mask):
        words, octets = ([int(number) for number in text.split(",")] for text in (words, octets))
        self._at = [4 * word + i for word in reversed(words) for i in range(4)] + octets[::-1]
        self._mask = bytes.fromhex(mask)

    def match(self, value):
        """{field: (value, mask)}; bits that no field has stand as `bits`."""
        value = bytes.fromhex(value)
        value = bytes(self.BYTES - len(value)) + value
        packet, mask = bytearray(PACKET_BITS // 8), bytearray(PACKET_BITS // 8)
        for at, octet, bits in zip(self._at, value, self._mask):
            if bits:
                packet[at], mask[at] = octet & bits, bits
        packet, mask = int.from_bytes(packet, "big"), int.from_bytes(mask, "big")
        found = _among(PACKET, PACKET_BITS, packet, mask)
        for at, bits in PACKET.values():
            mask &= ~(((1 << bits) - 1) << PACKET_BITS - at - bits)
        if mask:
            found["bits"] = (packet & mask, mask)
        return found


def _number(text):
    """Of a buffer as the record writes it: OFFSET:HEX,... or -."""
    buffer = bytearray(TOTAL_BITS // 8)
    for run in text.split(","):
        if run != "-":
            at, data = run.split(":")
            data = bytes.fromhex(data)
            buffer[int(at):int(at) + len(data)] = data
    return int.from_bytes(buffer, "big")


def match(value, mask):
    """{field: (value, mask)} of the fields that are looked at."""
    return _among(FIELDS, TOTAL_BITS, _number(value), _number(mask))


def modify(data):
    """The commands of a modify_header action: "set FIELD=VALUE", "copy FROM to FIELD"."""
    commands = []
    for at in range(0, len(data), 16):
        word = int(data[at:at + 16], 16)
        kind, field = word >> 60, MODIFIED.get(word >> 48 & 0xfff, hex(word >> 48 & 0xfff))
        if kind == 3:
            commands.append(f"copy {field} to {MODIFIED.get(word >> 16 & 0xfff, hex(word >> 16 & 0xfff))}")
        else:
            commands.append(f"{({1: 'set', 2: 'add'}.get(kind, kind))} {field}={word & 0xffffffff:#x}")
    return commands
