// SPDX-License-Identifier: GPL-2.0-only
/* The device nodes, as the modules and the udev rules make them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

/**
 * node_open - a node of this system, for ioctls
 * @path:	the node
 *
 * Return: the fd, or -errno: EOPNOTSUPP with --root, below which there may be a node, but of
 * the kernel that runs here
 */
int node_open(const char *path)
{
	int fd;

	if (*opt_root)
		return -EOPNOTSUPP;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/**
 * node_why - why a node could not be opened or asked
 * @why:	gets the sentence
 * @path:	the node
 * @error:	an errno
 *
 * Return: @why
 */
const char *node_why(char why[LINE_SIZE], const char *path, int error)
{
	const char *module = NULL;
	int i;

	for (i = 0; error == ENOENT && i < NODES; i++)
		if (!strcmp(nodes[i].path, path))
			module = nodes[i].module;
	snprintf(why, LINE_SIZE, "%s: %s%s%s%s", path,
		 *opt_root && error == EOPNOTSUPP ? "not with --root" : strerror(error),
		 module ? " (sudo modprobe " : "", module ? module : "", module ? ")" : "");
	return why;
}
