/*
 * Flow counters, whose numbers a test writes: $STAND_IN_COUNTERS names a file of lines
 *     COUNTER PACKETS BYTES [PACKETS_A_SECOND BYTES_A_SECOND]
 * COUNTER as in the record, or `*`; the last line that fits counts. It is read again and again, so a test rewrites it (by
 * rename) while the program runs. Rates run from the first query. With no file, a counter stands at 0.
 *
 * Asynchronous commands are done at once; their numbers wait in a pipe, whose read end the driver's interrupt thread polls.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "firmware.h"
#include "stand_in.h"

#define MAX_LINES 64
#define FRESH_S 0.02    /* the file is read again when what was read is older: drivers ask for a million counters at once */

struct line {
	uint32_t first, end;
	uint64_t packets, bytes;
	double pps, bps;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line lines[MAX_LINES];
static size_t line_count;

static double
seconds_since_first(void)
{
	static struct timespec start;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (start.tv_sec == 0)
		start = now;
	return now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9;
}

static void
read_file(void)
{
	const char *path = getenv("STAND_IN_COUNTERS");
	FILE *file = path != NULL ? fopen(path, "re") : NULL;
	unsigned long long packets, bytes;
	char text[256], name[32];

	line_count = 0;
	while (file != NULL && line_count < MAX_LINES && fgets(text, sizeof(text), file) != NULL) {
		struct line *l = &lines[line_count];

		l->pps = l->bps = 0;
		if (sscanf(text, "%31s %llu %llu %lf %lf", name, &packets, &bytes, &l->pps, &l->bps) < 3)
			continue;
		l->packets = packets;
		l->bytes = bytes;
		l->first = name[0] == '*' ? 0 : strtoul(name, NULL, 0);
		l->end = name[0] == '*' ? UINT32_MAX : l->first + 1;
		line_count++;
	}
	if (file != NULL)
		fclose(file);
}

void
write_counters(uint32_t first, uint32_t n, void *memory)
{
	static double read_at = -1;
	double seconds = seconds_since_first();
	uint8_t *to = memory;
	uint32_t i;
	size_t j;

	pthread_mutex_lock(&lock);
	if (read_at < 0 || seconds - read_at > FRESH_S) {
		read_file();
		read_at = seconds;
	}
	for (i = first; i < first + n; i++, to += 16) {
		struct line l = {0};

		for (j = 0; j < line_count; j++)
			if (i >= lines[j].first && i < lines[j].end)
				l = lines[j];
		set_field(to, BIT_traffic_counter_packets, 64, l.packets + (uint64_t)(l.pps * seconds));
		set_field(to, BIT_traffic_counter_octets, 64, l.bytes + (uint64_t)(l.bps * seconds));
	}
	pthread_mutex_unlock(&lock);
}

/* One counter into the answer, or a run of them into memory that the command names by address (this very process's). */
static int
query_flow_counter(const void *in, void *out)
{
	uint32_t id = get_field(in, BIT_query_flow_counter_in_flow_counter_id, 32);

	if (get_field(in, BIT_query_flow_counter_in_dump_to_memory, 1))
		write_counters(id, get_field(in, BIT_query_flow_counter_in_num_of_counters, 30),
			      (void *)(uintptr_t)get_field(in, BIT_query_flow_counter_in_address, 64));
	else
		write_counters(id, 1, (uint8_t *)out + BIT_query_flow_counter_out_flow_statistics / 8);
	return 0;
}

int
mlx5dv_devx_obj_query(struct mlx5dv_devx_obj *obj, const void *in, size_t inlen, void *out, size_t outlen)
{
	memset(out, 0, outlen);
	if (get_field(in, 0, 16) == OP_QUERY_FLOW_COUNTER)
		return query_flow_counter(in, out);
	return 0;
}

struct cmd_comp {
	struct mlx5dv_devx_cmd_comp public;
	int write_fd;
};

struct mlx5dv_devx_cmd_comp *
mlx5dv_devx_create_cmd_comp(struct ibv_context *ctx)
{
	struct cmd_comp *c = calloc(1, sizeof(*c));
	int fds[2];

	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(c);
		return NULL;
	}
	c->public.fd = fds[0];
	c->write_fd = fds[1];
	return &c->public;
}

void
mlx5dv_devx_destroy_cmd_comp(struct mlx5dv_devx_cmd_comp *comp)
{
	close(comp->fd);
	close(((struct cmd_comp *)comp)->write_fd);
	free(comp);
}

int
mlx5dv_devx_obj_query_async(struct mlx5dv_devx_obj *obj, const void *in, size_t inlen, size_t outlen, uint64_t wr_id,
			    struct mlx5dv_devx_cmd_comp *comp)
{
	uint8_t out[256];

	mlx5dv_devx_obj_query(obj, in, inlen, out, sizeof(out));
	return write(((struct cmd_comp *)comp)->write_fd, &wr_id, sizeof(wr_id)) == sizeof(wr_id) ? 0 : EAGAIN;
}

int
mlx5dv_devx_get_async_cmd_comp(struct mlx5dv_devx_cmd_comp *comp, struct mlx5dv_devx_async_cmd_hdr *resp, size_t len)
{
	uint64_t wr_id;

	if (read(comp->fd, &wr_id, sizeof(wr_id)) != sizeof(wr_id))
		return EAGAIN;
	memset(resp, 0, len);
	resp->wr_id = wr_id;
	return 0;
}
