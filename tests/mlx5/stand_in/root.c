/*
 * The kernel's own rules, through libmlx5's older calls: what hardware steering (dv_flow_en=2) uses for its root tables, group 0
 * of a NIC. Recorded; the kernel's checks of them are not here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "stand_in.h"

struct mlx5dv_flow_matcher {
	struct handle handle;
	struct ibv_context *context;
};

struct mlx5dv_flow_matcher *
mlx5dv_create_flow_matcher(struct ibv_context *ctx, struct mlx5dv_flow_matcher_attr *attr)
{
	char text[SPARSE_MAX];
	struct mlx5dv_flow_matcher *m = new_handle('M', sizeof(*m));

	record("root_matcher M%u dev=%s ft_type=%u priority=%u criteria=0x%x mask=%s", ID(m), ctx->device->name,
		 (attr->comp_mask & MLX5DV_FLOW_MATCHER_MASK_FT_TYPE) != 0 ? attr->ft_type : 0, attr->priority,
		 attr->match_criteria_enable, sparse(attr->match_mask, text));
	m->context = ctx;
	return m;
}

int mlx5dv_destroy_flow_matcher(struct mlx5dv_flow_matcher *m) { return destroy_handle(m); }

struct root_flow {
	struct ibv_flow public;
	uint32_t id;
};
struct root_action {
	struct ibv_flow_action public;
	uint32_t id;
};

struct ibv_flow *
mlx5dv_create_flow(struct mlx5dv_flow_matcher *m, struct mlx5dv_flow_match_parameters *value, size_t n,
		   struct mlx5dv_flow_action_attr actions[])
{
	char text[SPARSE_MAX], list[512] = "-", *to = list;
	struct root_flow *f;
	size_t i;

	if (nic_is_full()) {
		record("root_rule refused matcher=M%u: full", ID(m));
		errno = ENOMEM;
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	f->public.context = m->context;
	f->id = new_id();
	for (i = 0; i < n && to < list + sizeof(list) - 32; i++) {
		const char *comma = i == 0 ? "" : ",";

		if (actions[i].type == MLX5DV_FLOW_ACTION_IBV_FLOW_ACTION)
			to += sprintf(to, "%sA%u", comma, ((struct root_action *)actions[i].action)->id);
		else if (actions[i].type == MLX5DV_FLOW_ACTION_DEST_DEVX)
			to += sprintf(to, "%sdest=%u", comma, actions[i].obj->id);
		else
			to += sprintf(to, "%stype%u", comma, actions[i].type);
	}
	record("root_rule R%u matcher=M%u actions=%s value=%s", f->id, ID(m), list, sparse(value, text));
	return &f->public;
}

int
destroy_root_flow(struct ibv_flow *flow)
{
	record("destroy R%u", ((struct root_flow *)flow)->id);
	free(flow);
	return 0;
}

static struct ibv_flow_action *
new_root_action(struct ibv_context *ctx, const char *what, int ft_type, const void *data, size_t size)
{
	struct root_action *a = calloc(1, sizeof(*a));
	char text[2 * size + 1];

	a->public.context = ctx;
	a->id = new_id();
	record("root_action A%u %s ft_type=%d data=%s", a->id, what, ft_type, hex(data, size, text));
	return &a->public;
}

struct ibv_flow_action *
mlx5dv_create_flow_action_modify_header(struct ibv_context *ctx, size_t size, uint64_t actions[],
					enum mlx5dv_flow_table_type ft_type)
{
	return new_root_action(ctx, "modify_header", ft_type, actions, size);
}

struct ibv_flow_action *
mlx5dv_create_flow_action_packet_reformat(struct ibv_context *ctx, size_t size, void *data,
					  enum mlx5dv_flow_action_packet_reformat_type type,
					  enum mlx5dv_flow_table_type ft_type)
{
	static const char *const names[] = {"l2_tunnel_to_l2", "l2_to_l2_tunnel", "l3_tunnel_to_l2", "l2_to_l3_tunnel"};

	return new_root_action(ctx, names[type], ft_type, data, data != NULL ? size : 0);
}

int
destroy_root_action(struct ibv_flow_action *action)
{
	record("destroy A%u", ((struct root_action *)action)->id);
	free(action);
	return 0;
}
