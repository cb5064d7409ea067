// SPDX-License-Identifier: GPL-2.0-only
/* The process that has the device, and prints. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "vfio-demo.h"

static uint32_t *frame;		/* all of BAR 0, by the device's fd */

static void ask(const struct peer *peer, enum op op, __u64 value, int fd)
{
	struct msg msg = { .op = op, .value = value };

	send_msg(peer, &msg, fd);
}

static struct msg answer(const struct peer *peer)
{
	struct msg msg;

	recv_msg(peer, &msg);
	return msg;
}

/* What of VFIO a process has open */
static int vfio_fds(pid_t pid)
{
	char dir[32], path[320], to[64];
	struct dirent *entry;
	int count = 0;
	ssize_t len;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	if (!d)
		fail("%s: %s", dir, strerror(errno));
	while ((entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		len = readlink(path, to, sizeof(to) - 1);
		to[len < 0 ? 0 : len] = '\0';
		count += !!strstr(to, "vfio") && !strstr(to, "dmabuf");
	}
	closedir(d);
	return count;
}

/* The names of a process' mappings of slices */
static void mapping_name(pid_t pid, char *name, size_t size)
{
	char path[32], line[256];
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	name[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "/dmabuf:");
		if (at)
			snprintf(name, size, "%.*s", (int)strcspn(at, "\n"), at);
	}
	fclose(f);
}

static void step_bind(void)
{
	begin("Give the display to vfio_pci_dmabuf: bufsync-vfio bind");
	display_bind();
	proved("%s is no longer the host's", display.bdf);
}

static void step_mode(void)
{
	struct vfio_dmabuf_info info;

	begin("The primary opens it and sets a mode, by the registers in BAR 2");
	display_open();
	display_mode();
	frame = vfio_bar_map(&display, 0, PROT_READ | PROT_WRITE);
	if (frame == MAP_FAILED)
		fail("mmap of BAR 0: %s", strerror(errno));
	memset(frame, 0, FRAME);
	if (screen_wrong(PICTURES, NULL))
		fail("the screen is not black");
	info = display_info(-1);
	if (info.out_version < 1 || info.out_slices)
		fail("INFO: version %u, %u slices", info.out_version,
		     info.out_slices);
	proved("%u x %u, black; INFO: version %u, %s pages", WIDTH, HEIGHT,
	       info.out_version,
	       info.out_features & VFIO_DMABUF_FEATURE_BIT_HUGE ? "huge" :
	       "small");
}

static int step_export(void)
{
	struct vfio_dmabuf_info info;
	int slice;

	begin("It exports the frame, 3 MiB of the 16 MiB of BAR 0, write-combined");
	slice = display_export();
	info = display_info(slice);
	if (info.out_size != FRAME || info.out_slices != 1 ||
	    info.out_state != VFIO_DMABUF_STATE_ON)
		fail("INFO: %llu bytes, %u slices, state %u", info.out_size,
		     info.out_slices, info.out_state);
	if (info.out_effective != VFIO_DMABUF_MEMATTR_WC)
		fail("mappings would not be write-combined");
	proved("INFO: %llu KiB in %u range, on, write-combined",
	       info.out_size >> 10, info.out_nr_ranges);
	return slice;
}

static void step_draw(struct peer *client, int slice, unsigned int which,
		      const char *png)
{
	struct vfio_dmabuf_info before = display_info(slice), info;
	unsigned int wrong;
	char name[128];

	if (which)
		begin("The range is exported again, to the second client, which draws");
	else
		begin("The first client (uid 65534) gets the slice over a socket, and draws");
	ask(client, OP_DRAW, which, slice);
	answer(client);
	info = display_info(slice);
	if (vfio_fds(client->pid))
		fail("the client has more of VFIO than the slice");
	mapping_name(client->pid, name, sizeof(name));
	if (strncmp(name, "/dmabuf:vfio_pci_dmabuf:", 24) ||
	    !strstr(name, display.bdf))
		fail("its mapping is called '%s'", name);
	wrong = screen_wrong(which, png);
	if (wrong)
		fail("%u pixels on the screen are not what it drew", wrong);
	proved("all %u pixels on the screen are what it drew, by %llu faults; its mapping: %s",
	       PIXELS, info.out_slice_faults - before.out_slice_faults, name);
}

/* Takes a slice back while its client draws. Its fd stays the client's. */
static void step_revoke(struct peer *client, int slice)
{
	int other = display_export();
	struct vfio_dmabuf_info info;
	struct msg first, last;
	uint32_t *map;
	__s64 start;
	int ret;

	begin("It draws on and on; the primary revokes the slice");
	map = mmap(NULL, FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	if (map == MAP_FAILED)
		fail("mmap of another slice: %s", strerror(errno));
	ask(client, OP_DRAW_ON, 0, -1);
	first = answer(client);
	if (first.value != 1)
		fail("it drew %llu pictures", first.value);
	usleep(100000);
	start = now();
	ret = vfio_revoke(&display, slice);
	start = now() - start;
	if (ret)
		fail("REVOKE: %s", strerror(-ret));

	/* From here on nothing of it reaches the screen. */
	memset(map, 0, FRAME);
	last = answer(client);
	usleep(100000);
	if (screen_wrong(PICTURES, NULL))
		fail("the screen is not black: it still draws");
	info = display_info(slice);
	if (info.out_state != VFIO_DMABUF_STATE_REVOKED || info.out_revokes != 1)
		fail("INFO: state %u, %llu revoked", info.out_state,
		     info.out_revokes);
	if (display_info(other).out_state != VFIO_DMABUF_STATE_ON)
		fail("the primary's own slice of that range is not on");
	munmap(map, FRAME);
	close(other);
	proved("REVOKE took %.2f ms; SIGBUS in picture %llu; cleared by another, it stays black",
	       msec(start), last.value + 1);
}

static void step_for_good(struct peer *client, int slice)
{
	struct msg msg;
	int ret;

	begin("It has the fd still, and tries again");
	ask(client, OP_MAP, 0, -1);
	msg = answer(client);
	if (msg.value != ENODEV)
		fail("mmap: '%s' instead of '%s'", strerror(msg.value),
		     strerror(ENODEV));
	ret = vfio_revoke(&display, slice);
	if (ret != -EBADFD)
		fail("REVOKE once more: %s", strerror(-ret));
	proved("mmap: ENODEV; REVOKE once more: EBADFD");
}

static void step_close(struct peer *first, struct peer *second)
{
	struct msg msg;

	begin("The primary closes the device under the second client");
	ask(second, OP_DRAW_ON, 1, -1);
	answer(second);
	munmap(frame, vfio_bar_size(&display, 0));
	vfio_close(&display);
	answer(second);
	ask(second, OP_MAP, 0, -1);
	msg = answer(second);
	if (msg.value != ENODEV)
		fail("mmap: '%s' instead of '%s'", strerror(msg.value),
		     strerror(ENODEV));
	ask(first, OP_EXIT, 0, -1);
	peer_join(first);
	ask(second, OP_EXIT, 0, -1);
	peer_join(second);
	proved("SIGBUS, then ENODEV");
}

static void step_unbind(void)
{
	begin("Give the display back to the host: bufsync-vfio unbind");
	display_unbind();
	proved("what the host has for it has it");
}

void run_primary(struct peer *first, struct peer *second, const char *png)
{
	__s64 start = now();
	struct utsname uts;
	int slice, again;

	uname(&uts);
	printf("Linux %s %s: primary %d, clients %d and %d\n", uts.release,
	       uts.machine, getpid(), first->pid, second->pid);
	screen_open();
	step_bind();
	step_mode();
	slice = step_export();
	step_draw(first, slice, 0, png);
	step_revoke(first, slice);
	step_for_good(first, slice);
	again = display_export();
	step_draw(second, again, 1, NULL);
	close(slice);
	close(again);
	step_close(first, second);
	step_unbind();
	printf("\nAll %d steps proved in %.1f s.\n", step,
	       (now() - start) / 1e9);
}
