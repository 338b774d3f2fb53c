/*
 * The fake tree: PCI devices (EAL reads them itself, through $SYSFS_PCI_DEVICES), infiniband devices (their paths are ours
 * to choose, see devices.c) and class/net, which the driver reads under the real name and which is sent to the fake tree here.
 * With it the two questions that the driver asks over RDMA netlink: how many ports, and which link is port N.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <unistd.h>
#include "stand_in.h"

const char *
tree(void)
{
	const char *dir = getenv("STAND_IN_TREE");

	return dir != NULL ? dir : "/nonexistent";
}

/* /sys/class/net/X/... lies in the fake tree if it has X; every other path stays. */
static const char *
redirect(const char *path, char *to)
{
	static const char prefix[] = "/sys/class/net/";

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return path;
	snprintf(to, PATH_MAX, "%s/class/net/%s", tree(), path + sizeof(prefix) - 1);
	return access(to, F_OK) == 0 ? to : path;
}

FILE *
fopen(const char *path, const char *mode)
{
	static FILE *(*real)(const char *, const char *);
	char to[PATH_MAX];

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "fopen");
	return real(redirect(path, to), mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

DIR *
opendir(const char *path)
{
	static DIR *(*real)(const char *);
	char to[PATH_MAX];

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "opendir");
	return real(redirect(path, to));
}

static int
port_netdev(const char *ibdev, unsigned int port, char name[IF_NAMESIZE])
{
	char path[PATH_MAX];
	FILE *file;
	int found;

	snprintf(path, sizeof(path), "%s/class/infiniband/%s/ports/%u/netdev", tree(), ibdev, port);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	found = fscanf(file, "%15s", name);
	fclose(file);
	return found == 1;
}

int
tree_port_count(const char *ibdev)
{
	char name[IF_NAMESIZE];
	int n = 0;

	while (n < MAX_PORTS && port_netdev(ibdev, n + 1, name))
		n++;
	return n;
}

static unsigned int
port_ifindex(const char *ibdev, unsigned int port)
{
	char name[IF_NAMESIZE];

	return port_netdev(ibdev, port, name) ? if_nametoindex(name) : 0;
}

/* A kernel without RDMA refuses this protocol, and the driver then asks nothing: give it a socket that it will not use. */
int
socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "socket");
	return real(domain, type, domain == AF_NETLINK && protocol == NETLINK_RDMA ? NETLINK_ROUTE : protocol);
}

/* librte_common_mlx5's own two questions (mlx5_nl.c), answered from the tree. */
unsigned int
mlx5_nl_portnum(int nl, const char *name)
{
	return tree_port_count(name);
}

unsigned int
mlx5_nl_ifindex(int nl, const char *name, uint32_t pindex)
{
	return port_ifindex(name, pindex);
}
