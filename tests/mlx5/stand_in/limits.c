/*
 * What libmlx5 (rdma-core 44) itself refuses in a table that is not the root: found by reading it,
 * said anew here. Root tables (level 0) are the kernel's, whose checks are not here.
 */
#include <stdio.h>
#include <string.h>
#include "stand_in.h"

/* What may come next. A counter, a tag and an age hit leave the state as it is. */
enum { START, DECAPPED, MODIFIED, POPPED, PUSHED, ENCAPPED, ENDED };
#define B(c) (1u << (c))
#define MARKS (B(CLASS_COUNTER) | B(CLASS_TAG) | B(CLASS_AGE))
#define ENDS (B(CLASS_FATE))
static const uint32_t may_rx[] = {
	[START] = MARKS | ENDS | B(CLASS_DROP) | B(CLASS_DECAP) | B(CLASS_MODIFY) | B(CLASS_POP) | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[DECAPPED] = MARKS | ENDS | B(CLASS_MODIFY) | B(CLASS_POP) | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[MODIFIED] = MARKS | ENDS | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[POPPED] = MARKS | ENDS | B(CLASS_POP) | B(CLASS_MODIFY) | B(CLASS_ENCAP),
	[PUSHED] = MARKS | ENDS | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[ENCAPPED] = MARKS | ENDS,
	[ENDED] = B(CLASS_COUNTER),
};
static const uint32_t may_tx[] = {
	[START] = MARKS | ENDS | B(CLASS_DROP) | B(CLASS_MODIFY) | B(CLASS_POP) | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[MODIFIED] = MARKS | ENDS | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[POPPED] = MARKS | ENDS | B(CLASS_POP) | B(CLASS_PUSH) | B(CLASS_MODIFY) | B(CLASS_ENCAP),
	[PUSHED] = MARKS | ENDS | B(CLASS_PUSH) | B(CLASS_ENCAP),
	[ENCAPPED] = MARKS | ENDS,
	[ENDED] = B(CLASS_COUNTER),
};
static const int leads_to[] = {
	[CLASS_DECAP] = DECAPPED, [CLASS_MODIFY] = MODIFIED, [CLASS_POP] = POPPED, [CLASS_PUSH] = PUSHED,
	[CLASS_ENCAP] = ENCAPPED, [CLASS_FATE] = ENDED, [CLASS_DROP] = ENDED,
};
static const char *const class_names[] = {
	[CLASS_COUNTER] = "counter", [CLASS_TAG] = "tag", [CLASS_AGE] = "age", [CLASS_DECAP] = "decap",
	[CLASS_MODIFY] = "modify", [CLASS_POP] = "pop vlan", [CLASS_PUSH] = "push vlan", [CLASS_ENCAP] = "encap",
	[CLASS_FATE] = "destination", [CLASS_DROP] = "drop",
};

static const char *
order(int rx, int fdb, size_t n, struct mlx5dv_dr_action *const actions[], char *reason)
{
	int state = START, seen[CLASS_MAX] = {0};
	size_t i;

	for (i = 0; i < n; i++) {
		int c = actions[i]->class;

		if (++seen[c] > (c == CLASS_POP || c == CLASS_PUSH ? 2 : 1))
			return strcat(strcpy(reason, "more than one "), class_names[c]);
		if (((rx ? may_rx : may_tx)[state] & B(c)) == 0 || (c == CLASS_TAG && (fdb || !rx))) {
			sprintf(reason, "%s out of order%s", class_names[c], !fdb ? "" : rx ? " from the wire" : " from a VF");
			return reason;
		}
		if (rx && c == CLASS_ENCAP && capability("steering_format_version") == 0)
			return strcpy(reason, "encap from the wire on a ConnectX-5");
		if (leads_to[c] != START)
			state = leads_to[c];
	}
	return NULL;
}

/* One rule for the wire's packets and one for the VFs', unless the match names the source: which of the two there are. */
static void
directions(const uint8_t *value, const uint8_t *mask, int *from_wire, int *from_vf)
{
	enum { BIT_SOURCE_PORT = 560, BIT_REG_C_0 = 1888, WIRE = 0xffff, MARK_OF_WIRE = 1 };

	*from_wire = *from_vf = 1;
	if (get_field(mask, BIT_SOURCE_PORT, 16) != 0)
		*(get_field(value, BIT_SOURCE_PORT, 16) == WIRE ? from_vf : from_wire) = 0;
	if (get_field(mask, BIT_REG_C_0, 32) >> 16 != 0)
		*(get_field(value, BIT_REG_C_0, 32) >> 16 == MARK_OF_WIRE ? from_vf : from_wire) = 0;
}

const char *
refused_rule(const struct mlx5dv_dr_matcher *m, const struct mlx5dv_flow_match_parameters *value, size_t n,
	     struct mlx5dv_dr_action *const actions[], char reason[REASON_MAX])
{
	const uint8_t *bytes = (const uint8_t *)value->match_buf;
	int rx = m->type == MLX5DV_DR_DOMAIN_TYPE_NIC_RX, tx = m->type == MLX5DV_DR_DOMAIN_TYPE_NIC_TX;
	int fdb = m->type == MLX5DV_DR_DOMAIN_TYPE_FDB;
	const char *bad = NULL;
	size_t i;

	if (m->level == 0)
		return NULL;
	for (i = 0; i < value->match_sz && i < m->mask_size; i++)
		if ((bytes[i] & ~m->mask[i]) != 0)
			return "a value outside of its mask";
	for (i = 0; i < n; i++)
		if (actions[i]->to_level != 0 && actions[i]->to_level <= m->level)
			return "a jump must go to a higher level";
	if (fdb)
		directions(bytes, m->mask, &rx, &tx);
	if (rx)
		bad = order(1, fdb, n, actions, reason);
	if (bad == NULL && tx)
		bad = order(0, fdb, n, actions, reason);
	return bad;
}

/* Registers c6 and c7, and the metadata of the other direction, cannot be set. */
const char *
refused_modify(enum mlx5dv_dr_domain_type type, uint32_t flags, size_t size, const __be64 actions[])
{
	enum { SET = 1, COPY = 3, REG_A = 0x49, REG_B = 0x50, REG_C_6 = 0x57, REG_C_7 = 0x58 };
	size_t i;

	if ((flags & MLX5DV_DR_ACTION_FLAGS_ROOT_LEVEL) != 0)
		return NULL;
	for (i = 0; i < size / 8; i++) {
		uint32_t kind = get_field(&actions[i], 0, 4);
		uint32_t field = get_field(&actions[i], kind == COPY ? 36 : 4, 12);

		if (field == REG_C_6 || field == REG_C_7)
			return "reg_c[6] and reg_c[7] cannot be written";
		if (kind == SET && field == REG_A && type != MLX5DV_DR_DOMAIN_TYPE_NIC_TX)
			return "reg_a can be set on egress only";
		if (kind == SET && field == REG_B && type != MLX5DV_DR_DOMAIN_TYPE_NIC_RX)
			return "reg_b can be set on ingress only";
	}
	return NULL;
}
