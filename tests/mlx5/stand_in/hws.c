/*
 * Hardware steering (dv_flow_en=2) in words of the record. The driver makes tables (ft), matchers (rtc) and actions (stc) by
 * DevX commands, and then writes rules into memory of the NIC by work requests: first a rule's argument where its actions
 * have one (the bytes of a header), then the rule: matcher, what is matched, up to five actions and their data.
 *
 *     ft f12 type=4
 *     definer d9 words=0,..,148 bytes=0,..,59 mask=...     where in the packet the 9 words and 8 bytes lie that are matched
 *     rtc x14 miss=f13 type=10 actions=40 definer=d9 words=8
 *                                             type: 0, 1, 10, 11: NIC Rx, Tx, of the E-Switch from the wire, from VFs
 *                                             words: how many of a rule's data are what is matched, the last ones
 *     link f12 rtc=x14,x15                    a table, or what a matcher misses to, leads to these
 *     stc 40 7 type=0xb param=...             action 7 of 40; param of an insertion: the second word is the argument
 *     argument 107 data=...
 *     hws add rtc=x14 stc=2,10,7,12 data=...  16 words: the actions' data, then what is matched
 *     hws remove rtc=x14 data=...
 */
#include <endian.h>
#include <stdio.h>
#include "firmware.h"
#include "stand_in.h"

static unsigned int
number(const void *command, uint32_t bit, unsigned int bits)
{
	return get_field(command, bit, bits);
}

/* Numbers of 8 bits that stand four by four in words, the last of the four first. */
static char *
selectors(const void *command, uint32_t bit, unsigned int count, char *to)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		to += sprintf(to, "%s%u", i == 0 ? "" : ",", number(command, bit + 32 * (i / 4) + 8 * (3 - i % 4), 8));
	return to;
}

/* What a matcher looks at, as words and bytes of the packet's headers in the order of mlx5_ifc_definer_hl_bits. */
static void
record_definer(uint32_t id, const void *create)
{
	enum { MASK_BYTES = 44 };
	char words[9 * 4 + 1], bytes[8 * 4 + 1], mask[2 * MASK_BYTES + 1];

	sprintf(selectors(create, BIT_create_definer_in_select_dw, 8, words), ",%u",
		number(create, BIT_create_definer_in_select_dw8, 8));
	selectors(create, BIT_create_definer_in_select_byte, 8, bytes);
	record("definer d%u words=%s bytes=%s mask=%s", id, words, bytes,
	       hex((const uint8_t *)create + BIT_create_definer_in_match_mask / 8, MASK_BYTES, mask));
}

static void
record_general_object(uint32_t id, const void *create)
{
	enum { STE_FORMAT_11DW = 5 };
	unsigned int type = number(create, BIT_general_obj_in_cmd_hdr_obj_type, 16);

	if (type == OBJ_DEFINER)
		record_definer(id, create);
	if (type == OBJ_RTC)
		record("rtc x%u miss=f%u type=%u actions=%u definer=d%u words=%u", id,
		       number(create, BIT_create_rtc_in_miss_flow_table_id, 24),
		       number(create, BIT_create_rtc_in_table_type, 8), number(create, BIT_create_rtc_in_stc_id, 32),
		       number(create, BIT_create_rtc_in_match_definer_id, 32),
		       number(create, BIT_create_rtc_in_ste_format, 8) == STE_FORMAT_11DW ? 11 : 8);
}

void
record_object(uint32_t id, const void *create)
{
	unsigned int opcode = number(create, 0, 16);

	if (opcode == OP_CREATE_FLOW_TABLE)
		record("ft f%u type=%u", id, number(create, BIT_create_flow_table_in_table_type, 8));
	if (opcode == OP_CREATE_GENERAL_OBJECT)
		record_general_object(id, create);
}

void
record_modify(const void *modify)
{
	unsigned int opcode = number(modify, 0, 16);
	char param[33];

	if (opcode == OP_MODIFY_FLOW_TABLE)
		record("link f%u rtc=x%u,x%u", number(modify, BIT_modify_flow_table_in_table_id, 24),
		       number(modify, BIT_modify_flow_table_in_rtc_id_0, 32), number(modify, BIT_modify_flow_table_in_rtc_id_1, 32));
	if (opcode == OP_MODIFY_GENERAL_OBJECT && number(modify, BIT_general_obj_in_cmd_hdr_obj_type, 16) == OBJ_STC)
		record("stc %u %u type=0x%x param=%s", number(modify, BIT_general_obj_in_cmd_hdr_obj_id, 32),
		       number(modify, BIT_general_obj_in_cmd_hdr_obj_offset, 32),
		       number(modify, BIT_create_stc_in_action_type, 8),
		       hex((const uint8_t *)modify + BIT_create_stc_in_param / 8, 16, param));
}

/* The actions of a rule: how many there are stands above the first. */
static const char *
action_list(const uint32_t *request, char out[64])
{
	unsigned int i, last = be32toh(request[5]) >> 29;
	char *to = out;

	for (i = 0; i <= last && i < 5; i++)
		to += sprintf(to, "%s%u", i == 0 ? "" : ",", be32toh(request[5 + i]) & 0x1fffffff);
	return out;
}

/*
 * `request`: control words (0: kind, 3: where, 4: activate or not, 5..9: actions). `data`: 16 words; of a rule the last
 * eight are what is matched and those before the actions' data, a matcher that looks at more has the last eleven.
 */
void
record_request(const uint32_t *request, const uint32_t *data)
{
	enum { KIND_RULE, KIND_ARGUMENT };
	unsigned int where = be32toh(request[3]), kind = be32toh(request[0]) >> 24;
	char words[16 * 8 + 1], actions[64];

	if (!recording())
		return;
	hex(data, 64, words);
	if (kind == KIND_ARGUMENT)
		record("argument %u data=%s", where, words);
	else if (be32toh(request[4]) >> 28 != 0)
		record("hws remove rtc=x%u data=%s", where, words);
	else
		record("hws add rtc=x%u stc=%s data=%s", where, action_list(request, actions), words);
}
