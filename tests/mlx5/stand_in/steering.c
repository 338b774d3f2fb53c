/*
 * The steering half of libmlx5 (mlx5dv_dr_*): nothing is steered, everything is recorded, one line a call, so that a reader
 * can follow rule -> matcher -> table -> domain and rule -> actions, and see each destroyed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "stand_in.h"

void *
new_handle(char kind, size_t size)
{
	struct handle *h = calloc(1, size);

	h->id = new_id();
	h->kind = kind;
	return h;
}

int
destroy_handle(void *handle)
{
	struct handle *h = handle;

	record("destroy %c%u", h->kind, h->id);
	free(h);
	return 0;
}

int
nic_is_full(void)
{
	const char *path = getenv("STAND_IN_FULL");

	return path != NULL && *path != '\0' && access(path, F_OK) == 0;
}

struct mlx5dv_dr_domain *
mlx5dv_dr_domain_create(struct ibv_context *ctx, enum mlx5dv_dr_domain_type type)
{
	static const char *const names[] = {"nic_rx", "nic_tx", "fdb"};
	struct mlx5dv_dr_domain *d = new_handle('d', sizeof(*d));

	d->type = type;
	record("domain d%u dev=%s type=%s", ID(d), ctx->device->name, names[type]);
	return d;
}

int mlx5dv_dr_domain_destroy(struct mlx5dv_dr_domain *d) { return destroy_handle(d); }
int mlx5dv_dr_domain_sync(struct mlx5dv_dr_domain *d, uint32_t flags) { return 0; }
void mlx5dv_dr_domain_set_reclaim_device_memory(struct mlx5dv_dr_domain *d, bool on) { }
void mlx5dv_dr_domain_allow_duplicate_rules(struct mlx5dv_dr_domain *d, bool allow) { }

struct mlx5dv_dr_table *
mlx5dv_dr_table_create(struct mlx5dv_dr_domain *d, uint32_t level)
{
	struct mlx5dv_dr_table *t = new_handle('t', sizeof(*t));

	t->type = d->type;
	t->level = level;
	record("table t%u domain=d%u level=%u", ID(t), ID(d), level);
	return t;
}

int mlx5dv_dr_table_destroy(struct mlx5dv_dr_table *t) { return destroy_handle(t); }

struct mlx5dv_dr_matcher *
mlx5dv_dr_matcher_create(struct mlx5dv_dr_table *t, uint16_t priority, uint8_t criteria,
			 struct mlx5dv_flow_match_parameters *mask)
{
	struct mlx5dv_dr_matcher *m = new_handle('m', sizeof(*m));
	char text[SPARSE_MAX];

	m->type = t->type;
	m->level = t->level;
	m->mask_size = mask->match_sz < sizeof(m->mask) ? mask->match_sz : sizeof(m->mask);
	memcpy(m->mask, mask->match_buf, m->mask_size);
	record("matcher m%u table=t%u priority=%u criteria=0x%x mask=%s", ID(m), ID(t), priority, criteria,
	       sparse(mask, text));
	return m;
}

int mlx5dv_dr_matcher_destroy(struct mlx5dv_dr_matcher *m) { return destroy_handle(m); }

static const char *
action_list(size_t n, struct mlx5dv_dr_action *const actions[], char out[512])
{
	char *to = out;
	size_t i;

	strcpy(out, "-");
	for (i = 0; recording() && i < n && to < out + 512 - 16; i++)
		to += sprintf(to, "%sa%u", i == 0 ? "" : ",", ID(actions[i]));
	return out;
}

/* NULL with errno as libmlx5 leaves it, where the NIC is full (what the kernel says of it) or limits.c knows a reason. */
struct mlx5dv_dr_rule {
	struct handle handle;
};
struct mlx5dv_dr_rule *
mlx5dv_dr_rule_create(struct mlx5dv_dr_matcher *m, struct mlx5dv_flow_match_parameters *value, size_t n,
		      struct mlx5dv_dr_action *actions[])
{
	char text[SPARSE_MAX], list[512], reason[REASON_MAX];
	const char *limit;
	struct mlx5dv_dr_rule *r;
	size_t i;

	if (nic_is_full()) {
		record("rule refused matcher=m%u: full", ID(m));
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < n; i++)
		if (actions[i]->invalid) {
			errno = EINVAL;
			return NULL;
		}
	limit = refused_rule(m, value, n, actions, reason);
	if (limit != NULL) {
		record("rule refused matcher=m%u: %s", ID(m), limit);
		errno = strstr(limit, "out of order") != NULL ? EOPNOTSUPP : EINVAL;
		return NULL;
	}
	r = new_handle('r', sizeof(*r));
	record("rule r%u matcher=m%u actions=%s value=%s", ID(r), ID(m), action_list(n, actions, list), sparse(value, text));
	return r;
}

int mlx5dv_dr_rule_destroy(struct mlx5dv_dr_rule *r) { return destroy_handle(r); }
int mlx5dv_dump_dr_domain(FILE *f, struct mlx5dv_dr_domain *d) { fprintf(f, "domain d%u\n", ID(d)); return 0; }
int mlx5dv_dump_dr_rule(FILE *f, struct mlx5dv_dr_rule *r) { fprintf(f, "rule r%u\n", ID(r)); return 0; }
