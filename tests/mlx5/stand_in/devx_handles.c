/* Handles of DevX that only need to exist: memory, doorbell pages, event channels. Nothing comes of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "stand_in.h"

struct mlx5dv_devx_umem *
mlx5dv_devx_umem_reg(struct ibv_context *ctx, void *addr, size_t size, uint32_t access)
{
	struct mlx5dv_devx_umem *u = calloc(1, sizeof(*u));

	u->umem_id = new_id();
	ring_memory(u->umem_id, addr, size);
	return u;
}

int
mlx5dv_devx_umem_dereg(struct mlx5dv_devx_umem *u)
{
	ring_memory_gone(u->umem_id);
	free(u);
	return 0;
}

struct mlx5dv_devx_uar *
mlx5dv_devx_alloc_uar(struct ibv_context *ctx, uint32_t flags)
{
	struct mlx5dv_devx_uar *u = calloc(1, sizeof(*u));

	u->base_addr = aligned_alloc(4096, 4096);
	u->reg_addr = (uint8_t *)u->base_addr + 0x800;
	u->page_id = new_id();
	return u;
}

void
mlx5dv_devx_free_uar(struct mlx5dv_devx_uar *u)
{
	free(u->base_addr);
	free(u);
}

int
mlx5dv_devx_query_eqn(struct ibv_context *ctx, uint32_t vector, uint32_t *eqn)
{
	*eqn = 1;
	return 0;
}

struct mlx5dv_devx_event_channel *
mlx5dv_devx_create_event_channel(struct ibv_context *ctx, enum mlx5dv_devx_create_event_channel_flags flags)
{
	struct mlx5dv_devx_event_channel *c = calloc(1, sizeof(*c));

	c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return c;
}

void
mlx5dv_devx_destroy_event_channel(struct mlx5dv_devx_event_channel *c)
{
	close(c->fd);
	free(c);
}

int
mlx5dv_devx_subscribe_devx_event(struct mlx5dv_devx_event_channel *c, struct mlx5dv_devx_obj *obj, uint16_t size,
				 uint16_t events[], uint64_t cookie)
{
	return 0;
}

int
mlx5dv_devx_subscribe_devx_event_fd(struct mlx5dv_devx_event_channel *c, int fd, struct mlx5dv_devx_obj *obj,
				    uint16_t event)
{
	return 0;
}

ssize_t
mlx5dv_devx_get_event(struct mlx5dv_devx_event_channel *c, struct mlx5dv_devx_async_event_hdr *data, size_t len)
{
	errno = EAGAIN;
	return -1;
}

int
mlx5dv_devx_qp_query(struct ibv_qp *qp, const void *in, size_t inlen, void *out, size_t outlen)
{
	memset(out, 0, outlen);
	return 0;
}

int
mlx5dv_devx_wq_query(struct ibv_wq *wq, const void *in, size_t inlen, void *out, size_t outlen)
{
	memset(out, 0, outlen);
	return 0;
}
