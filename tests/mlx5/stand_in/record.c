/* The record: what the driver would give the NIC, one line an event. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "stand_in.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *file;

static void __attribute__((constructor))
open_record(void)
{
	const char *path = getenv("STAND_IN_RECORD");

	if (path != NULL && *path != '\0')
		file = fopen(path, "ae");
	if (file != NULL)
		setvbuf(file, NULL, _IOLBF, 1 << 16);
}

uint32_t
new_id(void)
{
	static uint32_t last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

int recording(void) { return file != NULL; }

void
record(const char *format, ...)
{
	va_list args;

	if (file == NULL)
		return;
	va_start(args, format);
	pthread_mutex_lock(&lock);
	vfprintf(file, format, args);
	putc('\n', file);
	pthread_mutex_unlock(&lock);
	va_end(args);
}

static char *
hex_byte(char *to, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	*to++ = digits[byte >> 4];
	*to++ = digits[byte & 15];
	return to;
}

const char *
sparse(const struct mlx5dv_flow_match_parameters *match, char out[SPARSE_MAX])
{
	const uint8_t *bytes = (const uint8_t *)match->match_buf;
	char *to = out;
	size_t i, j;
	int open = 0;

	for (i = 0; recording() && i + 4 <= match->match_sz; i += 4) {
		if ((bytes[i] | bytes[i + 1] | bytes[i + 2] | bytes[i + 3]) == 0) {
			open = 0;
			continue;
		}
		if (!open)
			to += sprintf(to, "%s%zu:", to == out ? "" : ",", i);
		open = 1;
		for (j = 0; j < 4; j++)
			to = hex_byte(to, bytes[i + j]);
	}
	if (to == out)
		*to++ = '-';
	*to = '\0';
	return out;
}

const char *
hex(const void *data, size_t size, char *out)
{
	char *to = out;
	size_t i;

	for (i = 0; recording() && i < size; i++)
		to = hex_byte(to, ((const uint8_t *)data)[i]);
	*to = '\0';
	return out;
}
