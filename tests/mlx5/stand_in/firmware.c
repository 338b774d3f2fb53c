/*
 * The firmware: DevX commands. Capabilities come from the table in firmware.h; every object can be created and gets a
 * number; what the driver makes of hardware steering (dv_flow_en=2) is recorded by hws.c.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "firmware.h"
#include "stand_in.h"

uint64_t
get_field(const void *base, uint32_t bit, unsigned int bits)
{
	const uint32_t *word = (const uint32_t *)base + bit / 32;

	if (bits == 64)
		return (uint64_t)be32toh(word[0]) << 32 | be32toh(word[1]);
	return be32toh(*word) >> (32 - bit % 32 - bits) & (bits == 32 ? UINT32_MAX : (1u << bits) - 1);
}

void
set_field(void *base, uint32_t bit, unsigned int bits, uint64_t value)
{
	uint32_t *word = (uint32_t *)base + bit / 32;
	uint32_t mask = (bits == 32 ? UINT32_MAX : (1u << bits) - 1), shift = 32 - bit % 32 - bits;

	if (bits == 64) {
		word[0] = htobe32(value >> 32);
		word[1] = htobe32(value);
		return;
	}
	*word = htobe32((be32toh(*word) & ~(mask << shift)) | ((uint32_t)value & mask) << shift);
}

/* The E-Switch's manager is the NIC that has several ports. */
static uint64_t
cap_value(struct ibv_context *ctx, const struct capability *cap)
{
	const char *list = getenv("STAND_IN_CAPS"), *at;
	size_t len = strlen(cap->name);

	for (at = list; at != NULL && (at = strstr(at, cap->name)) != NULL; at += len)
		if ((at == list || at[-1] == ',') && at[len] == '=')
			return strtoull(at + len + 1, NULL, 0);
	if (strcmp(cap->name, "eswitch_manager") == 0)
		return tree_port_count(ctx->device->name) > 1;
	return cap->value;
}

uint64_t
capability(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (strcmp(capabilities[i].name, name) == 0)
			return cap_value(NULL, &capabilities[i]);
	return 0;
}

static int
query_hca_cap(struct ibv_context *ctx, const void *in, void *out, size_t outlen)
{
	uint16_t op_mod = get_field(in, BIT_query_hca_cap_in_op_mod, 16);
	size_t i, known = 0;

	for (i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (capabilities[i].op_mod != (op_mod | 1))
			continue;       /* | 1: what is set now and what could be set are the same here */
		known++;
		if ((BIT_query_hca_cap_out_capability + capabilities[i].bit + capabilities[i].bits) / 8 <= outlen)
			set_field(out, BIT_query_hca_cap_out_capability + capabilities[i].bit, capabilities[i].bits,
				 cap_value(ctx, &capabilities[i]));
	}
	if (known == 0)
		record("unknown QUERY_HCA_CAP op_mod 0x%x: all zero", op_mod);
	return 0;
}

int
mlx5dv_devx_general_cmd(struct ibv_context *ctx, const void *in, size_t inlen, void *out, size_t outlen)
{
	memset(out, 0, outlen);
	if (get_field(in, 0, 16) == OP_QUERY_HCA_CAP)
		return query_hca_cap(ctx, in, out, outlen);
	record("devx general_cmd opcode=0x%x op_mod=0x%x", (unsigned int)get_field(in, 0, 16),
		 (unsigned int)get_field(in, 48, 16));
	return 0;
}

/* Counters have numbers of their own, which the record and $STAND_IN_COUNTERS use: four to an ASO object. */
static void
new_counters(struct mlx5dv_devx_obj *o, const void *in)
{
	static uint32_t next = 512;

	o->counters = 128 * get_field(in, BIT_alloc_flow_counter_in_flow_counter_bulk, 8);
	if (o->counters == 0)
		o->counters = 1u << get_field(in, BIT_alloc_flow_counter_in_flow_counter_bulk_log_size, 5);
	o->id = __atomic_fetch_add(&next, (o->counters + 3) & ~3u, __ATOMIC_RELAXED);
	record("counters %u..%u", o->id, o->id + o->counters - 1);
}

/* The driver keeps 8 bits of a definer's number: what was given back is used again. 0: all are in use. */
enum { FIRST_DEFINER = 8, DEFINERS = 256 };     /* the first ones are fixed, see trivial_match_definer */
static bool definers[DEFINERS];

static uint32_t
new_definer(void)
{
	uint32_t id;

	for (id = FIRST_DEFINER; id < DEFINERS; id++)
		if (!__atomic_exchange_n(&definers[id], true, __ATOMIC_RELAXED))
			return id;
	return 0;
}

static bool
is_definer(const void *create)
{
	return get_field(create, 0, 16) == OP_CREATE_GENERAL_OBJECT &&
	       get_field(create, BIT_general_obj_in_cmd_hdr_obj_type, 16) == OBJ_DEFINER;
}

struct mlx5dv_devx_obj *
mlx5dv_devx_obj_create(struct ibv_context *ctx, const void *in, size_t inlen, void *out, size_t outlen)
{
	struct mlx5dv_devx_obj *o = calloc(1, sizeof(*o));

	memset(out, 0, outlen);
	o->opcode = get_field(in, 0, 16);
	if (o->opcode == OP_ALLOC_FLOW_COUNTER)
		new_counters(o, in);
	else
		o->id = is_definer(in) ? new_definer() : new_id();
	o->definer = is_definer(in);
	if (o->id == 0) {
		free(o);
		errno = ENOSPC;
		return NULL;
	}
	if (o->opcode == OP_CREATE_CQ)
		devx_cq(o->id, in);
	if (o->opcode == OP_CREATE_SQ)
		devx_sq(o->id, in);
	record_object(o->id, in);
	/* The answers of all create commands have the new object's number in the third word. */
	set_field(out, BIT_general_obj_out_cmd_hdr_obj_id, 32, o->id);
	return o;
}

int
mlx5dv_devx_obj_destroy(struct mlx5dv_devx_obj *o)
{
	if (o->opcode == OP_CREATE_CQ || o->opcode == OP_CREATE_SQ)
		ring_gone(o->id);
	if (o->definer)
		__atomic_store_n(&definers[o->id], false, __ATOMIC_RELAXED);
	free(o);
	return 0;
}

int
mlx5dv_devx_obj_modify(struct mlx5dv_devx_obj *obj, const void *in, size_t inlen, void *out, size_t outlen)
{
	memset(out, 0, outlen);
	record_modify(in);
	return 0;
}
