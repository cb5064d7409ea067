// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dma_heap/memcg at work, with nothing faked.
 *
 * Three processes, each in a cgroup of its own: a service that allocates, its
 * client that has a limit, and a stranger. What is said to be charged is read
 * from the cgroups' own files (memory.current, memory.stat, memory.events).
 *
 * The parent is the service and prints; the others do what it asks for. It
 * runs as root, they do not. Each step must come to its end within
 * STEP_SECONDS. Exit status 0: every step has been proved.
 *
 * cgroup2 is expected at /sys/fs/cgroup; the cgroups are made below
 * heap-demo there, and removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "heap-demo.h"

struct cgroup top, service, client, stranger;
int dev, stock;

static int open_heap(const char *path, const char *hint)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("%s: %s (%s)", path, strerror(errno), hint);
	return fd;
}

int main(void)
{
	struct peer *client_peer, *stranger_peer;

	if (geteuid())
		fail("must be root");
	/* The node's own permissions are not what is shown here. */
	dev = open_heap(NODE, "is the module loaded?");
	stock = open_heap(STOCK, "a kernel without CONFIG_DMABUF_HEAPS_SYSTEM?");
	cgroups_make();
	clean_up = cgroups_remove;

	client_peer = peer_start("client", run_client);
	stranger_peer = peer_start("stranger", run_stranger);
	run_service(client_peer, stranger_peer);
	return 0;
}
