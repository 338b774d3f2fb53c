/* Handles of libibverbs that only need to exist: protection domains, memory regions, completion queues, queue pairs. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "stand_in.h"

struct cq {
	struct ibv_cq_ex public;
	void *memory;
	__be32 doorbell[2];
};

int
mlx5dv_init_obj(struct mlx5dv_obj *obj, uint64_t type)
{
	if (type & MLX5DV_OBJ_PD)
		obj->pd.out->pdn = obj->pd.in->handle;
	if (type & MLX5DV_OBJ_CQ) {
		struct cq *cq = (struct cq *)obj->cq.in;

		*obj->cq.out = (struct mlx5dv_cq){
			.buf = cq->memory, .dbrec = cq->doorbell, .cqe_cnt = cq->public.cqe, .cqe_size = 64,
			.cqn = cq->public.handle,
		};
	}
	return (type & ~(uint64_t)(MLX5DV_OBJ_PD | MLX5DV_OBJ_CQ)) != 0 ? ENOTSUP : 0;
}

struct ibv_pd *
ibv_alloc_pd(struct ibv_context *ctx)
{
	struct ibv_pd *pd = calloc(1, sizeof(*pd));

	pd->context = ctx;
	pd->handle = new_id();
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd) { free(pd); return 0; }

struct ibv_mr *
ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova, unsigned int access)
{
	struct ibv_mr *mr = calloc(1, sizeof(*mr));

	*mr = (struct ibv_mr){.context = pd->context, .pd = pd, .addr = addr, .length = length};
	mr->lkey = mr->rkey = mr->handle = new_id();
	return mr;
}

#undef ibv_reg_mr
struct ibv_mr *
ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, access);
}

int ibv_dereg_mr(struct ibv_mr *mr) { free(mr); return 0; }

struct ibv_comp_channel *
ibv_create_comp_channel(struct ibv_context *ctx)
{
	struct ibv_comp_channel *c = calloc(1, sizeof(*c));

	c->context = ctx;
	c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return c;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *c) { close(c->fd); free(c); return 0; }

static struct ibv_cq_ex *
new_cq(struct ibv_context *ctx, int cqe)
{
	struct cq *cq = calloc(1, sizeof(*cq));

	cq->public.context = ctx;
	for (cq->public.cqe = 1; cq->public.cqe < cqe; cq->public.cqe *= 2)
		;
	cq->public.handle = new_id();
	cq->memory = new_cq_memory(cq->public.handle, cq->public.cqe);
	return &cq->public;
}

struct ibv_cq *
ibv_create_cq(struct ibv_context *ctx, int cqe, void *data, struct ibv_comp_channel *channel, int vector)
{
	return ibv_cq_ex_to_cq(new_cq(ctx, cqe));
}

struct ibv_cq_ex *
mlx5dv_create_cq(struct ibv_context *ctx, struct ibv_cq_init_attr_ex *attr, struct mlx5dv_cq_init_attr *mlx5_attr)
{
	return new_cq(ctx, attr->cqe);
}

int
ibv_destroy_cq(struct ibv_cq *cq)
{
	ring_gone(cq->handle);
	free(((struct cq *)cq)->memory);
	free(cq);
	return 0;
}

int
ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **data)
{
	errno = EAGAIN;
	return -1;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int n) { }

struct ibv_qp *
ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct ibv_qp *qp = calloc(1, sizeof(*qp));

	qp->context = pd->context;
	qp->pd = pd;
	qp->qp_type = attr->qp_type;
	qp->qp_num = new_id();
	return qp;
}

struct ibv_qp *
mlx5dv_create_qp(struct ibv_context *ctx, struct ibv_qp_init_attr_ex *attr, struct mlx5dv_qp_init_attr *mlx5_attr)
{
	return ibv_create_qp(attr->pd, (struct ibv_qp_init_attr *)attr);
}

int
ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	return 0;
}

int ibv_destroy_qp(struct ibv_qp *qp) { free(qp); return 0; }
