// SPDX-License-Identifier: GPL-2.0-only
/* The device nodes, as the modules and the udev rules make them. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bufsync.h"

const struct node nodes[NODES] = {
	{ "/dev/syncobj", "syncobj", 0666, NULL },
	{ "/dev/dma_heap/memcg", "dma_heap_memcg", 0660, "render" },
	{ "/dev/drm_gem", "drm_gem_ctl", 0666, NULL },
};

/* Groups and access control lists included: 1 yes, 0 no, or -errno */
int node_may_open(const struct node *node)
{
	char path[PATH_SIZE];

	sys_path(path, "%s", node->path);
	if (!faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS))
		return 1;
	return errno == EACCES ? 0 : -errno;
}
