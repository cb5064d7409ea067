// SPDX-License-Identifier: GPL-2.0-only
/*
 * From fds to syncobjs, and back.
 *
 * A syncobj file is one whose file operations are DRM's. DRM does not export
 * them, but every file that drm_syncobj_get_fd() makes shows them, so one is
 * made at load time, looked at and closed. They cannot go away: this module's
 * use of DRM's symbols pins it.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "syncobj_private.h"

static const struct file_operations *syncobj_fops;

/**
 * syncobj_lookup_init() - learn what a syncobj file looks like
 *
 * Uses an fd of the calling task for a moment.
 *
 * Context: process, may sleep.
 * Return: 0; -EOPNOTSUPP if DRM's syncobj files are not what this module
 * knows; an error of drm_syncobj_create() or drm_syncobj_get_fd().
 */
int syncobj_lookup_init(void)
{
	struct drm_syncobj *syncobj;
	struct file *file;
	int fd, ret;

	ret = drm_syncobj_create(&syncobj, 0, NULL);
	if (ret)
		return ret;

	ret = drm_syncobj_get_fd(syncobj, &fd);
	if (ret)
		goto out_syncobj;

	/* Another thread may have taken the fd for something else by now. */
	file = fget(fd);
	if (file && file->private_data == syncobj && file->f_op->release &&
	    !file->f_op->unlocked_ioctl)
		syncobj_fops = file->f_op;
	else
		ret = -EOPNOTSUPP;
	if (file)
		fput(file);
	close_fd(fd);

out_syncobj:
	drm_syncobj_put(syncobj);
	return ret;
}

/**
 * syncobj_from_fd() - the syncobj behind an fd
 * @f: what fdget() gave; may be empty
 *
 * Context: any.
 * Return: the syncobj, alive as long as @f is held; NULL if the fd was not
 * open or is something else (EBADF to user space).
 */
struct drm_syncobj *syncobj_from_fd(struct fd f)
{
	if (fd_empty(f) || fd_file(f)->f_op != syncobj_fops)
		return NULL;
	return fd_file(f)->private_data;
}

/**
 * syncobj_file_create() - a new file for a syncobj
 * @syncobj: gains a reference, which the file holds
 *
 * The file equals those of drm_syncobj_get_fd(), which cannot be used here
 * as it makes the fd visible at once.
 *
 * Context: process, may sleep.
 * Return: the file, or an ERR_PTR (-ENOMEM, -ENFILE).
 */
struct file *syncobj_file_create(struct drm_syncobj *syncobj)
{
	struct file *file;

	file = anon_inode_getfile("syncobj_file", syncobj_fops, syncobj, 0);
	if (!IS_ERR(file))
		drm_syncobj_get(syncobj);
	return file;
}
