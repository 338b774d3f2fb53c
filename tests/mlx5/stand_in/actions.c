/* Actions of the steering half of libmlx5: recorded, and what limits.c must know of each. */
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "stand_in.h"

static struct mlx5dv_dr_action *__attribute__((format(printf, 2, 3)))
new_action(enum action_class class, const char *format, ...)
{
	struct mlx5dv_dr_action *a = new_handle('a', sizeof(*a));
	char text[512];
	va_list args;

	a->class = class;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	record("action a%u %s", ID(a), text);
	return a;
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_ibv_qp(struct ibv_qp *qp)
{
	return new_action(CLASS_FATE, "dest_qp qp=%u", qp->qp_num);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_root_table(struct mlx5dv_dr_table *t, uint16_t priority)
{
	return new_action(CLASS_FATE, "dest_root_table table=t%u priority=%u", ID(t), priority);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_vport(struct mlx5dv_dr_domain *d, uint32_t vport)
{
	return new_action(CLASS_FATE, "dest_vport domain=d%u vport=%u", ID(d), vport);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_ib_port(struct mlx5dv_dr_domain *d, uint32_t port)
{
	return new_action(CLASS_FATE, "dest_ib_port domain=d%u port=%u", ID(d), port);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_devx_tir(struct mlx5dv_devx_obj *obj)
{
	return new_action(CLASS_FATE, "dest_tir tir=%u", obj->id);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_drop(void)
{
	return new_action(CLASS_DROP, "drop");
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_default_miss(void)
{
	return new_action(CLASS_DROP, "default_miss");
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_tag(uint32_t value)
{
	return new_action(CLASS_TAG, "tag value=0x%x", value);
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_pop_vlan(void)
{
	return new_action(CLASS_POP, "pop_vlan");
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_push_vlan(struct mlx5dv_dr_domain *d, __be32 vlan)
{
	return new_action(CLASS_PUSH, "push_vlan domain=d%u vlan=0x%08x", ID(d), be32toh(vlan));
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_table(struct mlx5dv_dr_table *t)
{
	struct mlx5dv_dr_action *a = new_action(CLASS_FATE, "dest_table table=t%u", ID(t));

	a->to_level = t->level;
	return a;
}

/* A counter beyond its bulk is refused by the kernel when a rule uses it, which the driver tries: see README. */
struct mlx5dv_dr_action *
mlx5dv_dr_action_create_flow_counter(struct mlx5dv_devx_obj *bulk, uint32_t offset)
{
	struct mlx5dv_dr_action *a = new_action(CLASS_COUNTER, "counter counter=%u", bulk->id + offset);

	a->invalid = offset >= bulk->counters;
	return a;
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_packet_reformat(struct mlx5dv_dr_domain *d, uint32_t flags,
					enum mlx5dv_flow_action_packet_reformat_type type, size_t size, void *data)
{
	static const struct {
		const char *name;
		enum action_class class;
	} kinds[] = {
		[MLX5DV_FLOW_ACTION_PACKET_REFORMAT_TYPE_L2_TUNNEL_TO_L2] = {"l2_tunnel_to_l2", CLASS_DECAP},
		[MLX5DV_FLOW_ACTION_PACKET_REFORMAT_TYPE_L2_TO_L2_TUNNEL] = {"l2_to_l2_tunnel", CLASS_ENCAP},
		[MLX5DV_FLOW_ACTION_PACKET_REFORMAT_TYPE_L3_TUNNEL_TO_L2] = {"l3_tunnel_to_l2", CLASS_DECAP},
		[MLX5DV_FLOW_ACTION_PACKET_REFORMAT_TYPE_L2_TO_L3_TUNNEL] = {"l2_to_l3_tunnel", CLASS_ENCAP},
	};
	char text[2 * size + 1];

	return new_action(kinds[type].class, "reformat domain=d%u type=%s flags=0x%x size=%zu data=%s", ID(d), kinds[type].name,
			  flags, size, hex(data, size, text));
}

struct mlx5dv_dr_action *
mlx5dv_dr_action_create_modify_header(struct mlx5dv_dr_domain *d, uint32_t flags, size_t size, __be64 actions[])
{
	const char *limit = refused_modify(d->type, flags, size, actions);
	char text[2 * size + 1];

	hex(actions, size, text);
	if (limit != NULL) {
		record("action refused modify_header data=%s: %s", text, limit);
		errno = EINVAL;
		return NULL;
	}
	return new_action(CLASS_MODIFY, "modify_header domain=d%u flags=0x%x data=%s", ID(d), flags, text);
}

int mlx5dv_dr_action_destroy(struct mlx5dv_dr_action *a) { return destroy_handle(a); }
