// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Handles as they were: cc -I include/user -I include/uapi gem-restore.c */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <sys/mman.h>
#include <bufsync/gem-restore.h>

#define SIZE	4096

/* What a checkpoint keeps of an object */
struct saved {
	__u32 handle;
	char data[SIZE];
};

static int open_vgem(void)
{
	char path[32], name[16];
	int i, fd;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && !bufsync_gem_driver(fd, name, sizeof(name)) &&
		    !strcmp(name, "vgem"))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	errx(1, "no vgem: modprobe vgem");
}

static char *map(int drm, __u32 handle)
{
	int fd = bufsync_gem_export(drm, handle);
	char *at = fd < 0 ? MAP_FAILED : mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
					      MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		err(1, "handle %u", handle);
	close(fd);
	return at;
}

/* A program with handles 2, 5, 6 and 9 */
static int program(void)
{
	int drm = open_vgem();
	__u32 handle;

	do {
		if (bufsync_gem_create_dumb(drm, NULL, &handle))
			err(1, "create");
		snprintf(map(drm, handle), SIZE, "object %u", handle);
	} while (handle < 9);
	for (handle = 1; handle < 9; handle++)
		if (handle != 2 && handle != 5 && handle != 6)
			bufsync_gem_close(drm, handle);
	return drm;
}

static struct saved *save(int ctl, int drm, size_t *count)
{
	struct drm_gem_ctl_entry *list;
	struct saved *saved;
	size_t i;

	if (bufsync_gem_list(ctl, drm, &list, count))
		err(1, "LIST");
	saved = calloc(*count, sizeof(*saved));
	if (!saved)
		err(1, "calloc");
	for (i = 0; i < *count; i++) {
		saved[i].handle = list[i].handle;
		memcpy(saved[i].data, map(drm, list[i].handle), SIZE);
	}
	free(list);
	return saved;
}

/* New objects get handles as they come; then they get the old ones. */
static int restore(int ctl, const struct saved *saved, size_t count)
{
	struct bufsync_gem_move *moves = calloc(count, sizeof(*moves));
	int drm = open_vgem();
	size_t i;

	if (!moves)
		err(1, "calloc");
	for (i = 0; i < count; i++) {
		if (bufsync_gem_create_dumb(drm, NULL, &moves[i].handle))
			err(1, "create");
		memcpy(map(drm, moves[i].handle), saved[i].data, SIZE);
		moves[i].new_handle = saved[i].handle;
	}
	/* bufsync_gem_restore() goes the second way where the first is barred. */
	if (ctl >= 0 ? bufsync_gem_restore_by_move(ctl, drm, moves, count) :
	    bufsync_gem_restore_by_import(drm, moves, count, NULL, NULL))
		err(1, "restore");
	free(moves);
	return drm;
}

/* Both ways need the module for LIST; MOVE needs root as well. */
int main(int argc, char **argv)
{
	int without = argc > 1 && !strcmp(argv[1], "--without");
	int ctl = bufsync_gem_open(), drm;
	struct saved *saved;
	size_t count, i;

	if (ctl < 0)
		err(1, "/dev/drm_gem");
	drm = program();
	saved = save(ctl, drm, &count);
	close(drm);

	drm = restore(without ? -1 : ctl, saved, count);
	for (i = 0; i < count; i++)
		if (strcmp(map(drm, saved[i].handle), saved[i].data))
			errx(1, "handle %u is another object", saved[i].handle);
	printf("%zu handles are as they were, %s\n", count,
	       without ? "without MOVE" : "by MOVE");
	free(saved);
	return 0;
}
