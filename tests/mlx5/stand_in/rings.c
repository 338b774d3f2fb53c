/*
 * Send queues: a thread reads the doorbell records of every one, takes the work requests as done and writes their
 * completions. That is what hardware steering (dv_flow_en=2) waits for, and what frees the buffers of packets that were sent;
 * packets go nowhere. A rule that is added while the NIC is full completes with an error.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "firmware.h"
#include "stand_in.h"

#define MAX_RINGS 1024
enum { WQE_BYTES = 64, WQE_OPCODE_TBL_ACCESS = 0x2c, WQE_OPCODE_ASO = 0x2d, WQE_CQ_UPDATE = 8, CQE_INVALID = 0xf0,
       ASO_COUNTERS = 8 /* flow_access_aso_opc_mod in firmware.h */ };

struct cq {
	uint32_t id;
	uint8_t *buf;
	uint32_t entries, entry_bytes, produced;
};
struct sq {
	uint32_t id;
	struct cq *cq;
	uint8_t *buf;
	uint32_t mask;
	volatile uint32_t *doorbell;
	uint32_t unset;         /* what the doorbell's memory held before it was rung; a NIC reads it when it is rung */
	int rung;
	uint16_t done;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct umem {
	uint32_t id;
	uint8_t *addr;
	size_t size;
} umems[MAX_RINGS * 4];
static struct cq cqs[MAX_RINGS];
static struct sq sqs[MAX_RINGS];

void
ring_memory(uint32_t id, void *addr, size_t size)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < MAX_RINGS * 4 && umems[i].addr != NULL; i++)
		;
	if (i < MAX_RINGS * 4)
		umems[i] = (struct umem){id, addr, size};
	pthread_mutex_unlock(&lock);
}

/* Queues that their owner forgot go with their memory. */
static void
drop_queues(const uint8_t *memory, size_t size)
{
	size_t i;

	for (i = 0; i < MAX_RINGS; i++)
		if ((const uint8_t *)sqs[i].doorbell >= memory && (const uint8_t *)sqs[i].doorbell < memory + size)
			memset(&sqs[i], 0, sizeof(sqs[i]));
}

void
ring_memory_gone(uint32_t id)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < MAX_RINGS * 4; i++)
		if (umems[i].addr != NULL && umems[i].id == id) {
			drop_queues(umems[i].addr, umems[i].size);
			memset(&umems[i], 0, sizeof(umems[i]));
		}
	pthread_mutex_unlock(&lock);
}

/* EAL's own memory goes at the end, with what the driver left in it. */
int
munmap(void *memory, size_t size)
{
	pthread_mutex_lock(&lock);
	drop_queues(memory, size);
	pthread_mutex_unlock(&lock);
	return syscall(SYS_munmap, memory, size);
}

static uint8_t *
umem_addr(uint32_t id)
{
	size_t i;

	for (i = 0; i < MAX_RINGS * 4; i++)
		if (umems[i].addr != NULL && umems[i].id == id)
			return umems[i].addr;
	return NULL;
}

static void
complete(struct sq *sq, uint16_t index, int refused)
{
	struct cq *cq = sq->cq;
	uint8_t *cqe = cq->buf + (size_t)(cq->produced & (cq->entries - 1)) * cq->entry_bytes + cq->entry_bytes - 64;

	memset(cqe, 0, 63);
	*(uint32_t *)(cqe + 44) = htobe32(refused ? 1u << 31 : 0);      /* how a rule that was not taken is told */
	*(uint32_t *)(cqe + 56) = htobe32(sq->id);
	*(uint16_t *)(cqe + 60) = htobe16(index);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	cqe[63] = (cq->produced & cq->entries) != 0;    /* the owner bit; opcode 0: a request */
	cq->produced++;
}

/* A request of hardware steering; 1: it is refused. */
static int
steer(const struct sq *sq, const uint32_t *request)
{
	const uint8_t *data = sq->buf + (size_t)((sq->done + 1) & sq->mask) * WQE_BYTES;
	int adds = be32toh(request[0]) >> 24 == 0 && be32toh(request[4]) >> 28 == 0;

	if (adds && nic_is_full()) {
		record("hws refused rtc=x%u", be32toh(request[3]));
		return 1;
	}
	record_request(request, (const uint32_t *)data);
	return 0;
}

/* The numbers of four counters, to where the request says. */
static void
read_counters(const uint32_t *request)
{
	uint64_t address = (uint64_t)be32toh(request[4]) << 32 | be32toh(request[5]);

	if (be32toh(request[0]) >> 24 == ASO_COUNTERS && (address & 1) != 0)
		write_counters(4 * be32toh(request[3]), 4, (void *)(uintptr_t)(address & ~1ul));
}

static int
work(struct sq *sq)
{
	uint16_t to = be32toh(sq->doorbell[1]);
	int done;

	sq->rung |= sq->doorbell[1] != sq->unset;
	if (!sq->rung)
		return 0;
	done = sq->done != to;
	while (sq->done != to) {
		const uint32_t *w = (const uint32_t *)(sq->buf + (size_t)(sq->done & sq->mask) * WQE_BYTES);
		uint16_t blocks = ((be32toh(w[1]) & 0x3f) + 3) / 4;
		uint8_t opcode = be32toh(w[0]) & 0xff;
		int refused = opcode == WQE_OPCODE_TBL_ACCESS && steer(sq, w);

		if (opcode == WQE_OPCODE_ASO)
			read_counters(w);
		if (((be32toh(w[2]) & WQE_CQ_UPDATE) != 0 || refused) && sq->cq != NULL)
			complete(sq, sq->done, refused);
		sq->done += blocks != 0 ? blocks : 1;
	}
	return done;
}

static void *
run(void *unused)
{
	unsigned int idle = 0;

	for (;;) {
		size_t i;
		int done = 0;

		pthread_mutex_lock(&lock);
		for (i = 0; i < MAX_RINGS; i++)
			if (sqs[i].doorbell != NULL)
				done |= work(&sqs[i]);
		pthread_mutex_unlock(&lock);
		idle = done ? 0 : idle + 1;
		usleep(idle < 100 ? 10 : 500);
	}
	return NULL;
}

static void
add_cq(uint32_t id, void *buf, uint32_t entries, uint32_t entry_bytes)
{
	size_t i;

	for (i = 0; i < MAX_RINGS; i++)
		if (cqs[i].buf == NULL) {
			cqs[i] = (struct cq){id, buf, entries, entry_bytes, 0};
			return;
		}
}

void *
new_cq_memory(uint32_t id, uint32_t entries)
{
	uint8_t *buf = aligned_alloc(4096, ((size_t)entries * 64 + 4095) & ~4095ul);
	uint32_t i;

	memset(buf, 0, (size_t)entries * 64);
	for (i = 0; i < entries; i++)
		buf[i * 64 + 63] = CQE_INVALID;
	pthread_mutex_lock(&lock);
	add_cq(id, buf, entries, 64);
	pthread_mutex_unlock(&lock);
	return buf;
}

void
devx_cq(uint32_t id, const void *in)
{
	uint8_t *at;

	pthread_mutex_lock(&lock);
	at = umem_addr(get_field(in, BIT_create_cq_in_cq_umem_id, 32));
	if (at != NULL)
		add_cq(id, at + get_field(in, BIT_create_cq_in_cq_umem_offset, 64),
		       1u << get_field(in, BIT_create_cq_in_cq_context_log_cq_size, 5),
		       get_field(in, BIT_create_cq_in_cq_context_cqe_sz, 3) == 1 ? 128 : 64);
	pthread_mutex_unlock(&lock);
}

static struct cq *
cq_of(uint32_t id)
{
	size_t i;

	for (i = 0; i < MAX_RINGS; i++)
		if (cqs[i].buf != NULL && cqs[i].id == id)
			return &cqs[i];
	return NULL;
}

void
devx_sq(uint32_t id, const void *in)
{
	static int running;
	uint8_t *wq, *db;
	pthread_t thread;
	size_t i;

	pthread_mutex_lock(&lock);
	wq = umem_addr(get_field(in, BIT_create_sq_in_ctx_wq_wq_umem_id, 32));
	db = umem_addr(get_field(in, BIT_create_sq_in_ctx_wq_dbr_umem_id, 32));
	for (i = 0; i < MAX_RINGS && sqs[i].doorbell != NULL; i++)
		;
	if (wq != NULL && db != NULL && i < MAX_RINGS)
		sqs[i] = (struct sq){
			.id = id,
			.cq = cq_of(get_field(in, BIT_create_sq_in_ctx_cqn, 24)),
			.buf = wq + get_field(in, BIT_create_sq_in_ctx_wq_wq_umem_offset, 64),
			.mask = (1u << get_field(in, BIT_create_sq_in_ctx_wq_log_wq_sz, 5)) - 1,
			.doorbell = (uint32_t *)(db + get_field(in, BIT_create_sq_in_ctx_wq_dbr_addr, 64)),
		};
	if (i < MAX_RINGS && sqs[i].doorbell != NULL)
		sqs[i].unset = sqs[i].doorbell[1];
	if (!running) {
		running = 1;
		pthread_create(&thread, NULL, run, NULL);
		pthread_detach(thread);
	}
	pthread_mutex_unlock(&lock);
}

/* Before the memory of a queue goes. */
void
ring_gone(uint32_t id)
{
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < MAX_RINGS; i++) {
		if (sqs[i].id == id)
			memset(&sqs[i], 0, sizeof(sqs[i]));
		if (cqs[i].id == id)
			memset(&cqs[i], 0, sizeof(cqs[i]));
	}
	pthread_mutex_unlock(&lock);
}
