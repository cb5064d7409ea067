// SPDX-License-Identifier: GPL-2.0-only
/* doctor: the device nodes. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>
#include <sys/xattr.h>

#include "bufsync.h"

static const struct module *module_of(const struct doctor *doctor, const struct node *node)
{
	int i;

	for (i = 0; i < MODULES - 1; i++)
		if (!strcmp(doctor->modules[i].name, node->module))
			break;
	return &doctor->modules[i];
}

/* Does it have a list of users and groups besides its mode? */
static bool has_acl(const char *node)
{
	char path[PATH_SIZE];

	sys_path(path, "%s", node);
	return getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

static void check_may(struct doctor *doctor, const struct node *node)
{
	int may = node_may_open(node);
	char fix[LINE_SIZE];

	if (may > 0)
		return;
	snprintf(fix, sizeof(fix), "sudo usermod -aG %s $USER, and log in again",
		 node->group ? node->group : "root");
	if (may < 0)
		found(doctor, "access", "unknown", NULL, "%s: %s", node->path, strerror(-may));
	else
		found(doctor, "access", "note", node->group ? fix : NULL,
		      "you may not open %s (who is logged in at the machine may, and the group %s)",
		      node->path, node->group ? node->group : "root");
}

static void check_node(struct doctor *doctor, const struct node *node)
{
	const struct module *module = module_of(doctor, node);
	struct group *group = node->group ? getgrnam(node->group) : NULL;
	char fix[LINE_SIZE];
	mode_t mode;
	struct stat st;
	int error;

	error = sys_stat(&st, "%s", node->path);
	if (error == -ENOENT || error == -ENOTDIR) {
		/* Whether it should be loaded is another finding. */
		if (!module->loaded)
			found(doctor, "node", "note", NULL, "%s is not there, as %s is not loaded",
			      node->path, node->module);
		else
			found(doctor, "node", "problem",
			      "mount devtmpfs, or in a container pass the node (--device)",
			      "%s is not there, although %s is loaded", node->path, node->module);
		return;
	}
	if (error) {
		found(doctor, "node", "unknown", NULL, "%s: %s", node->path, strerror(-error));
		return;
	}
	if (!module->loaded) {
		found(doctor, "provider", "problem", "sudo make uninstall: use the kernel's own",
		      "%s is there, but %s is not loaded: it is somebody else's",
		      node->path, node->module);
		return;
	}
	/* A system that is made up by files may have files. */
	if (!S_ISCHR(st.st_mode) && !*opt_root) {
		snprintf(fix, sizeof(fix), "sudo rm %s; sudo modprobe -r %s; sudo modprobe %s",
			 node->path, node->module, node->module);
		found(doctor, "node", "problem", fix, "%s is no device", node->path);
		return;
	}
	mode = st.st_mode & 0777;
	/* With an access control list these three bits are its mask. */
	if (has_acl(node->path))
		mode = (mode & ~0070) | (node->mode & 0070);
	snprintf(fix, sizeof(fix), "sudo chmod %04o %s; for good: find the udev rule that sets it",
		 node->mode, node->path);
	if (mode != node->mode)
		found(doctor, "node", "problem", fix, "%s has mode %04o, not %04o", node->path,
		      mode, node->mode);
	else if (group && st.st_gid != group->gr_gid && !*opt_root)
		found(doctor, "node", "problem",
		      "sudo udevadm trigger --action=add --subsystem-match=misc",
		      "%s is not of the group %s: the udev rule has not been at work",
		      node->path, node->group);
	else
		found(doctor, "node", "ok", NULL, "%s has mode %04o%s", node->path, mode,
		      has_acl(node->path) ? ", and an access control list" : "");
	check_may(doctor, node);
}

void doctor_nodes(struct doctor *doctor)
{
	int i;

	for (i = 0; i < NODES; i++)
		check_node(doctor, &nodes[i]);
}
