/*
 * Devices: the entries of class/infiniband in the fake tree, and what they say of themselves.
 * A ConnectX-6 Dx (part 4125) with firmware 22.31.1014.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "stand_in.h"

static struct ibv_device **devices;
static int device_count;

static void
scan_devices(void)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	if (devices != NULL)
		return;
	devices = calloc(MAX_PORTS + 1, sizeof(*devices));
	snprintf(path, sizeof(path), "%s/class/infiniband", tree());
	dir = opendir(path);
	while (dir != NULL && device_count < MAX_PORTS && (e = readdir(dir)) != NULL) {
		struct ibv_device *d;

		if (e->d_name[0] == '.')
			continue;
		d = calloc(1, sizeof(*d));
		d->node_type = IBV_NODE_CA;
		d->transport_type = IBV_TRANSPORT_IB;
		snprintf(d->name, sizeof(d->name), "%.63s", e->d_name);
		snprintf(d->dev_name, sizeof(d->dev_name), "uverbs%d", device_count);
		snprintf(d->dev_path, sizeof(d->dev_path), "%.150s/%.63s", path, d->name);
		snprintf(d->ibdev_path, sizeof(d->ibdev_path), "%.150s/%.63s", path, d->name);
		devices[device_count++] = d;
	}
	if (dir != NULL)
		closedir(dir);
}

struct ibv_device **
ibv_get_device_list(int *n)
{
	struct ibv_device **list = calloc(MAX_PORTS + 1, sizeof(*list));

	scan_devices();
	memcpy(list, devices, device_count * sizeof(*list));
	if (n != NULL)
		*n = device_count;
	return list;
}

void ibv_free_device_list(struct ibv_device **list) { free(list); }
const char *ibv_get_device_name(struct ibv_device *d) { return d->name; }
int ibv_fork_init(void) { return 0; }
enum ibv_fork_status ibv_is_fork_initialized(void) { return IBV_FORK_UNNEEDED; }
const char *ibv_port_state_str(enum ibv_port_state s) { return s == IBV_PORT_ACTIVE ? "PORT_ACTIVE" : "PORT_DOWN"; }

#undef ibv_query_port
int
ibv_query_port(struct ibv_context *ctx, uint8_t port, struct _compat_ibv_port_attr *compat)
{
	struct ibv_port_attr *attr = (struct ibv_port_attr *)compat;

	memset(attr, 0, offsetof(struct ibv_port_attr, flags));
	attr->state = IBV_PORT_ACTIVE;
	attr->max_mtu = attr->active_mtu = IBV_MTU_4096;
	attr->link_layer = IBV_LINK_LAYER_ETHERNET;
	return 0;
}

static int
query_port(struct ibv_context *ctx, uint8_t port, struct ibv_port_attr *attr, size_t len)
{
	memset(attr, 0, len);
	return ibv_query_port(ctx, port, (struct _compat_ibv_port_attr *)attr);
}

int
ibv_query_device(struct ibv_context *ctx, struct ibv_device_attr *attr)
{
	*attr = (struct ibv_device_attr){
		.fw_ver = "22.31.1014", .vendor_id = 0x2c9, .vendor_part_id = 4125, .phys_port_cnt = 1,
		.max_qp = 1 << 18, .max_qp_wr = 1 << 15, .max_sge = 30, .max_cq = 1 << 24, .max_cqe = 1 << 22,
		.max_mr = 1 << 24, .max_mr_size = UINT64_MAX, .max_pd = 1 << 23, .page_size_cap = ~0xfffull,
	};
	return 0;
}

static int
query_device_ex(struct ibv_context *ctx, const struct ibv_query_device_ex_input *in, struct ibv_device_attr_ex *attr,
		size_t len)
{
	memset(attr, 0, len);
	ibv_query_device(ctx, &attr->orig_attr);
	attr->tso_caps.max_tso = 1 << 18;
	attr->tso_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	attr->rss_caps.max_rwq_indirection_tables = 1 << 20;
	attr->rss_caps.max_rwq_indirection_table_size = 512;
	attr->rss_caps.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ;
	attr->rss_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	attr->max_wq_type_rq = 1 << 20;
	attr->raw_packet_caps = IBV_RAW_PACKET_CAP_CVLAN_STRIPPING | IBV_RAW_PACKET_CAP_SCATTER_FCS |
				IBV_RAW_PACKET_CAP_IP_CSUM;
	attr->device_cap_flags_ex = IBV_DEVICE_RAW_IP_CSUM;
	return 0;
}

static int
query_rt_values(struct ibv_context *ctx, struct ibv_values_ex *values)
{
	values->raw_clock.tv_sec = 0;
	values->raw_clock.tv_nsec = 0;
	return 0;
}

static int
arm_cq(struct ibv_cq *cq, int solicited)
{
	return 0;
}

/* A FIFO, into which a test writes a byte when the device is to fail for good. Opened both ways, it never ends. */
static int
open_events(void)
{
	const char *path = getenv("STAND_IN_EVENTS");
	int fd = path != NULL ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;

	return fd >= 0 ? fd : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

struct ibv_context *
ibv_open_device(struct ibv_device *device)
{
	struct verbs_context *v = calloc(1, sizeof(*v));

	v->sz = sizeof(*v);
	v->query_port = query_port;
	v->query_device_ex = query_device_ex;
	v->query_rt_values = query_rt_values;
	v->ibv_destroy_flow = destroy_root_flow;
	v->destroy_flow_action = destroy_root_action;
	v->context.device = device;
	v->context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	v->context.ops.req_notify_cq = arm_cq;
	v->context.cmd_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	v->context.async_fd = open_events();
	v->context.num_comp_vectors = 8;
	return &v->context;
}

/* To open this way is what tells the driver that there is DevX. */
struct ibv_context *
mlx5dv_open_device(struct ibv_device *device, struct mlx5dv_context_attr *attr)
{
	return ibv_open_device(device);
}

int
ibv_close_device(struct ibv_context *ctx)
{
	close(ctx->cmd_fd);
	close(ctx->async_fd);
	free(verbs_get_ctx(ctx));
	return 0;
}

int
ibv_get_async_event(struct ibv_context *ctx, struct ibv_async_event *event)
{
	char byte[8];

	if (read(ctx->async_fd, byte, sizeof(byte)) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	event->event_type = IBV_EVENT_DEVICE_FATAL;
	return 0;
}

void ibv_ack_async_event(struct ibv_async_event *event) { }

int
mlx5dv_query_device(struct ibv_context *ctx, struct mlx5dv_context *attr)
{
	uint64_t asked = attr->comp_mask;

	memset(attr, 0, sizeof(*attr));
	attr->flags = MLX5DV_CONTEXT_FLAGS_CQE_V1 | MLX5DV_CONTEXT_FLAGS_MPW_ALLOWED | MLX5DV_CONTEXT_FLAGS_ENHANCED_MPW |
		      MLX5DV_CONTEXT_FLAGS_CQE_128B_COMP | MLX5DV_CONTEXT_FLAGS_CQE_128B_PAD;
	attr->comp_mask = asked & (MLX5DV_CONTEXT_MASK_SWP | MLX5DV_CONTEXT_MASK_TUNNEL_OFFLOADS |
				   MLX5DV_CONTEXT_MASK_STRIDING_RQ);
	attr->sw_parsing_caps.sw_parsing_offloads = MLX5DV_SW_PARSING | MLX5DV_SW_PARSING_CSUM | MLX5DV_SW_PARSING_LSO;
	attr->tunnel_offloads_caps = MLX5DV_RAW_PACKET_CAP_TUNNELED_OFFLOAD_VXLAN |
				     MLX5DV_RAW_PACKET_CAP_TUNNELED_OFFLOAD_GRE |
				     MLX5DV_RAW_PACKET_CAP_TUNNELED_OFFLOAD_GENEVE;
	attr->striding_rq_caps.min_single_stride_log_num_of_bytes = 6;
	attr->striding_rq_caps.max_single_stride_log_num_of_bytes = 13;
	attr->striding_rq_caps.min_single_wqe_log_num_of_strides = 9;
	attr->striding_rq_caps.max_single_wqe_log_num_of_strides = 16;
	attr->striding_rq_caps.supported_qpts = 1 << IBV_QPT_RAW_PACKET;
	return 0;
}

int
mlx5dv_set_context_attr(struct ibv_context *ctx, enum mlx5dv_set_ctx_attr_type type, void *attr)
{
	return 0;
}

/* A port of an E-Switch: its vport (the wire is 0xffff, VF n is n + 1) and its mark in the upper half of reg_c[0]. */
int
_mlx5dv_query_port(struct ibv_context *ctx, uint32_t port, struct mlx5dv_port *info, size_t len)
{
	memset(info, 0, len);
	if (tree_port_count(ctx->device->name) <= 1)
		return EOPNOTSUPP;
	info->flags = MLX5DV_QUERY_PORT_VPORT | MLX5DV_QUERY_PORT_VPORT_REG_C0 | MLX5DV_QUERY_PORT_ESW_OWNER_VHCA_ID;
	info->vport = port == 1 ? 0xffff : port - 1;
	info->esw_owner_vhca_id = 1;
	info->reg_c0.mask = 0xffff0000;
	info->reg_c0.value = port << 16;
	return 0;
}
