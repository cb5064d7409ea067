// SPDX-License-Identifier: GPL-2.0-only
/* The process that saves, kills, starts and compares. It prints. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "gem-demo.h"

static const char * const names[GEM_FILES] = {
	"vgem", "vgem again", "virtio-gpu"
};

static int ctl;
static int drm[GEM_FILES];

static struct msg ask(const struct peer *peer, enum op op)
{
	struct msg msg = { .op = op };

	send_msg(peer, &msg, -1);
	recv_msg(peer, &msg);
	return msg;
}

/* A process is at its end, and with it all that only it had. */
static void end(struct peer *peer)
{
	int status;

	gem_files_close(drm);
	kill(peer->pid, SIGKILL);
	if (waitpid(peer->pid, &status, 0) != peer->pid ||
	    !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail("%s has failed", peer->name);
	peer->pid = 0;
}

static void get_files(const struct peer *peer)
{
	int ret = gem_files_recv(peer->sock, drm);

	if (ret)
		fail("files of %s: %s", peer->name, strerror(-ret));
}

static void print_files(void)
{
	const struct gem_object *object;
	char line[128];
	size_t i, len;
	int f;

	for (f = 0; f < GEM_FILES; f++) {
		len = 0;
		for (i = 0; i < image.count[f]; i++) {
			object = &image.objects[f][i];
			len += snprintf(line + len, sizeof(line) - len, " %u:%c%s",
					object->handle, 'A' + object->group,
					object->imported ? "*" : "");
		}
		printf("    %-11s%s\n", names[f], line);
	}
}

/* Handles whose object has another handle in these files, or is imported by one */
static size_t count_shared(const __u64 *inos, size_t count)
{
	size_t i, j, shared = 0;

	for (i = 0; i < count; i++) {
		for (j = 0; j < count; j++)
			if (j != i && inos[i] && inos[j] == inos[i])
				break;
		shared += j < count;
	}
	return shared;
}

static void step_list(struct peer *program)
{
	__u64 inos[GEM_FILES * GEM_OBJECTS];
	struct drm_gem_ctl_entry *list;
	size_t i, n = 0, shared, count[GEM_FILES];
	int f;

	begin("A program has objects; its files come over a socket: LIST");
	get_files(program);
	for (f = 0; f < GEM_FILES; f++) {
		if (bufsync_gem_list(ctl, drm[f], &list, &count[f]))
			fail("LIST: %s", strerror(errno));
		if (count[f] > GEM_OBJECTS)
			fail("%zu handles", count[f]);
		for (i = 0; i < count[f]; i++)
			inos[n++] = list[i].dmabuf_ino;
		free(list);
	}
	shared = count_shared(inos, n);
	if (shared != 5)
		fail("%zu of %zu handles are shared", shared, n);
	proved("%zu, %zu and %zu handles; %zu of them share memory, by their dma-bufs' inodes",
	       count[0], count[1], count[2], shared);
}

static void step_save(void)
{
	__u64 bytes = 0;
	size_t i;
	int f, ret;

	begin("Save it: handle:object, * is imported from another device");
	ret = gem_image_take(&image, ctl, drm);
	if (ret)
		fail("%s", strerror(-ret));
	print_files();
	for (f = 0; f < GEM_FILES; f++)
		for (i = 0; i < image.count[f]; i++)
			bytes += image.objects[f][i].size;
	proved("%llu KiB of contents", bytes >> 10);
}

static void step_kill(struct peer *program)
{
	begin("Kill the program");
	end(program);
	proved("its files are closed, its objects are gone");
}

static struct peer *step_make(const char *name, const char *title)
{
	struct peer *peer;
	struct msg answer;

	begin(title);
	peer = peer_start(name, run_restore);
	answer = ask(peer, OP_MAKE);
	if (!answer.value)
		fail("they have the old handles already");
	proved("handles of the first file as they come:%s; %llu are not what they were",
	       answer.text, answer.value);
	return peer;
}

static void step_restore(struct peer *peer, enum op op, const char *title)
{
	struct msg answer;

	begin(title);
	answer = ask(peer, op);
	get_files(peer);
	proved("%llu handles in %.2f ms", answer.value, msec(answer.time));
}

static void step_compare(struct peer *peer)
{
	struct gem_image after;
	const char *diff;
	int ret;

	begin("Look at its files from outside");
	ret = gem_image_take(&after, ctl, drm);
	if (ret)
		fail("%s", strerror(-ret));
	diff = gem_image_diff(&image, &after);
	if (diff)
		fail("%s", diff);
	gem_image_free(&after);
	end(peer);
	proved("handles, sizes, sharing and contents are what they were");
}

void run_checkpoint(struct peer *program)
{
	__s64 start = now();
	struct utsname uts;
	struct peer *peer;

	uname(&uts);
	printf("Linux %s %s: checkpoint %d, program %d\n", uts.release,
	       uts.machine, getpid(), program->pid);
	ctl = bufsync_gem_open();
	if (ctl < 0)
		fail("/dev/drm_gem: %s", strerror(errno));
	step_list(program);
	step_save();
	step_kill(program);
	peer = step_make("the restored program",
			 "A new process makes the objects again");
	step_restore(peer, OP_MOVE, "It gives them their old handles: MOVE");
	step_compare(peer);
	peer = step_make("another restored program", "Once more, in another process");
	step_restore(peer, OP_IMPORT,
		     "This time without the module: dummies fill the holes, each is imported in turn");
	step_compare(peer);
	printf("\nAll %d steps proved in %.1f s.\n", step,
	       (now() - start) / 1e9);
}
