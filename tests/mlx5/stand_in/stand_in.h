/*
 * A stand-in for a ConnectX below DPDK's net_mlx5. Preloaded, it answers what the driver asks of libibverbs and libmlx5;
 * what the driver would give the NIC goes to a record. ../README.md says which part answers what, and why.
 */
#ifndef STAND_IN_H
#define STAND_IN_H
#include <stddef.h>
#include <stdint.h>
#include <infiniband/mlx5dv.h>
#include <infiniband/verbs.h>

#define MAX_PORTS 16

/* record.c: one line an event, in the file that $STAND_IN_RECORD names; ids are unique in a run. */
uint32_t new_id(void);
int recording(void);
void record(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SPARSE_MAX 8192
/* "OFFSET:HEX,...": the runs of 4-byte words that are not zero, at decimal byte offsets; "-" for none. */
const char *sparse(const struct mlx5dv_flow_match_parameters *match, char out[SPARSE_MAX]);
/* `out` has room for 2 * size + 1 characters. */
const char *hex(const void *data, size_t size, char *out);

/* tree.c: the fake tree, in the folder that $STAND_IN_TREE names. */
const char *tree(void);
int tree_port_count(const char *ibdev);

/* firmware.c: a field of a firmware command: big-endian 32-bit words, bits counted from the most significant one. */
uint64_t get_field(const void *base, uint32_t bit, unsigned int bits);
uint64_t capability(const char *name);  /* as this NIC has it: firmware.h */
void set_field(void *base, uint32_t bit, unsigned int bits, uint64_t value);

struct mlx5dv_devx_obj {
	uint32_t id;
	uint16_t opcode;
	bool definer;           /* with a number of its own kind, see firmware.c */
	uint32_t counters;      /* of ALLOC_FLOW_COUNTER: how many, numbers from id on */
};

/* counters.c: n counters from number `first` on, as the firmware lays them: packets, bytes, 64 bits each. */
void write_counters(uint32_t first, uint32_t n, void *memory);

/* steering.c: how all mlx5dv_dr_* handles start. */
struct handle {
	uint32_t id;
	char kind;              /* d: domain, t: table, m: matcher, r: rule, a: action */
};
#define ID(object) (((const struct handle *)(object))->id)
void *new_handle(char kind, size_t size);
int destroy_handle(void *handle);
/* While the file that $STAND_IN_FULL names is there, the NIC takes no rule. */
int nic_is_full(void);

struct mlx5dv_dr_domain {
	struct handle handle;
	enum mlx5dv_dr_domain_type type;
};
struct mlx5dv_dr_table {
	struct handle handle;
	enum mlx5dv_dr_domain_type type;
	uint32_t level;
};
struct mlx5dv_dr_matcher {
	struct handle handle;
	enum mlx5dv_dr_domain_type type;
	uint32_t level;
	size_t mask_size;
	uint8_t mask[512];
};
enum action_class {
	CLASS_COUNTER, CLASS_TAG, CLASS_AGE, CLASS_DECAP, CLASS_MODIFY, CLASS_POP, CLASS_PUSH, CLASS_ENCAP, CLASS_FATE,
	CLASS_DROP, CLASS_MAX
};
struct mlx5dv_dr_action {
	struct handle handle;
	enum action_class class;
	int invalid;            /* a counter that its bulk has not */
	uint32_t to_level;      /* of a jump */
};

/* limits.c: what libmlx5 itself refuses, NULL if nothing. */
#define REASON_MAX 128
const char *refused_rule(const struct mlx5dv_dr_matcher *matcher, const struct mlx5dv_flow_match_parameters *value, size_t n,
			 struct mlx5dv_dr_action *const actions[], char reason[REASON_MAX]);
const char *refused_modify(enum mlx5dv_dr_domain_type type, uint32_t flags, size_t size, const __be64 actions[]);

/* root.c: the kernel's rules end through struct verbs_context. */
int destroy_root_flow(struct ibv_flow *flow);
int destroy_root_action(struct ibv_flow_action *action);

/* rings.c: memory and queues as they come and go. */
void ring_memory(uint32_t umem, void *addr, size_t size);
void ring_memory_gone(uint32_t umem);
void *new_cq_memory(uint32_t cq, uint32_t entries);
void devx_cq(uint32_t cq, const void *create);
void devx_sq(uint32_t sq, const void *create);
void ring_gone(uint32_t id);
/* hws.c: requests of hardware steering, in words of the record. */
void record_object(uint32_t id, const void *create);
void record_modify(const void *modify);
void record_request(const uint32_t *request, const uint32_t *data);
#endif
