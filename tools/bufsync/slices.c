// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync vfio slices: which processes hold slices of which device.
 *
 * A process holds one by fds, or by mappings, which need no fd. The fds tell their
 * exporter; mappings have only the name, which anybody with an fd may change, so they are
 * known by the number of their inode as well. What a slice is like only its device tells:
 * some process has that open, and both fds are needed here at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/vfio-dmabuf.h>

#include "bufsync.h"

#define EXPORTER	"vfio_pci_dmabuf"

struct slice {
	pid_t pid;
	ino_t ino;
	bool ours;		/* known to be of vfio_pci_dmabuf */
	int fd;			/* one of them, or -1 */
	char fds[128];
	uint64_t mapped;	/* bytes */
	char name[256];
};

struct device {
	pid_t pid;
	int fd;
};

struct scan {
	struct slice *slices;
	struct device *devices;
	size_t nr_slices, nr_devices;
};

static void *grow(void *array, size_t count, size_t size)
{
	/* By powers of two: only then it has to move. */
	if (count & (count - 1))
		return array;
	array = realloc(array, (count ? 2 * count : 1) * size);
	if (!array) {
		complain("%s", strerror(ENOMEM));
		exit(EXIT_PROBLEM);
	}
	return array;
}

static struct slice *slice_of(struct scan *scan, pid_t pid, ino_t ino)
{
	struct slice *slice;
	size_t i;

	for (i = 0; i < scan->nr_slices; i++)
		if (scan->slices[i].pid == pid && scan->slices[i].ino == ino)
			return &scan->slices[i];
	scan->slices = grow(scan->slices, scan->nr_slices, sizeof(*slice));
	slice = &scan->slices[scan->nr_slices++];
	memset(slice, 0, sizeof(*slice));
	slice->pid = pid;
	slice->ino = ino;
	slice->fd = -1;
	return slice;
}

static void see_mappings(struct scan *scan, pid_t pid)
{
	FILE *file = sys_open("/proc/%d/maps", pid);
	char line[PATH_SIZE];

	while (file && fgets(line, sizeof(line), file)) {
		const char *name = strstr(line, " /dmabuf:");
		uint64_t from, to, ino;
		struct slice *slice;

		if (!name || sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64,
				    &from, &to, &ino) != 3)
			continue;
		name += strlen(" /dmabuf:");
		slice = slice_of(scan, pid, ino);
		slice->mapped += to - from;
		snprintf(slice->name, sizeof(slice->name), "%.*s", (int)strcspn(name, "\n"), name);
		if (!strncmp(name, EXPORTER ":", strlen(EXPORTER ":")))
			slice->ours = true;
	}
	if (file)
		fclose(file);
}

static void see_fd(const struct proc_fd *at, void *data)
{
	struct scan *scan = data;
	char value[LINE_SIZE];
	struct slice *slice;
	size_t used;

	if (!strcmp(at->link, "anon_inode:[vfio-device]")) {
		scan->devices = grow(scan->devices, scan->nr_devices, sizeof(*scan->devices));
		scan->devices[scan->nr_devices++] = (struct device){ at->pid, at->fd };
		return;
	}
	if (strncmp(at->link, "/dmabuf:", 8) ||
	    !proc_fdinfo(at->pid, at->fd, "exp_name", value) || strcmp(value, EXPORTER) ||
	    !proc_fdinfo(at->pid, at->fd, "ino", value))
		return;
	slice = slice_of(scan, at->pid, strtoull(value, NULL, 10));
	slice->ours = true;
	slice->fd = at->fd;
	used = strlen(slice->fds);
	snprintf(slice->fds + used, sizeof(slice->fds) - used, "%s%d", used ? " " : "", at->fd);
	snprintf(slice->name, sizeof(slice->name), "%s", at->link + 8);
}

static int see_process(pid_t pid, void *data)
{
	see_mappings(data, pid);
	return proc_each_fd(pid, see_fd, data);
}

/* INFO of the slice, if it is of the device. Return: 0 or -errno */
static int ask(const struct device *device, int slice, struct vfio_dmabuf_info *info)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_dmabuf_info info;
	} arg = {
		.head.argsz = sizeof(arg),
		.head.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DMABUF_FEATURE_INFO,
		.info.dmabuf_fd = slice,
	};
	int fd = proc_fd_copy(device->pid, device->fd), error;

	if (fd < 0)
		return fd;
	error = ioctl(fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
	close(fd);
	*info = arg.info;
	return error;
}

static int find_info(const struct scan *scan, const struct slice *slice,
		     struct vfio_dmabuf_info *info, const struct device **device)
{
	int fd, error = -ENODEV;
	size_t i;

	if (slice->fd < 0)
		return -EBADF;
	fd = proc_fd_copy(slice->pid, slice->fd);
	if (fd < 0)
		return fd;
	for (i = 0; error && i < scan->nr_devices; i++) {
		*device = &scan->devices[i];
		error = ask(*device, fd, info);
	}
	close(fd);
	return error;
}

static struct json_object *row_of(const struct scan *scan, const struct slice *slice)
{
	static const char * const states[] = {
		[VFIO_DMABUF_STATE_ON] = "on",
		[VFIO_DMABUF_STATE_BLOCKED] = "blocked",
		[VFIO_DMABUF_STATE_OFF] = "off",
		[VFIO_DMABUF_STATE_REVOKED] = "revoked",
	};
	struct json_object *row = json_object_new_object();
	const struct device *device = NULL;
	struct vfio_dmabuf_info info = { 0 };
	char text[LINE_SIZE], of[LINE_SIZE] = "", *slash;
	bool known = !find_info(scan, slice, &info, &device);

	proc_name(slice->pid, text);
	add_number(row, "pid", slice->pid);
	add_string(row, "process", *text ? text : NULL);
	add_string(row, "fds", *slice->fds ? slice->fds : "-");
	add_number(row, "mapped_bytes", slice->mapped);
	/* The name that it is made with is the driver's, the device's, and the BAR's. */
	snprintf(text, sizeof(text), "%s", slice->name);
	slash = strrchr(text, '/');
	if (!strncmp(text, EXPORTER ":", strlen(EXPORTER ":")) && slash) {
		*slash = 0;
		add_string(row, "device", text + strlen(EXPORTER ":"));
		add_string(row, "bar", slash + 1);
	} else {
		/* It has been given another one; newer kernels tell of the device's fd. */
		if (known && proc_fdinfo(device->pid, device->fd, "vfio-device-syspath", of)) {
			slash = strrchr(of, '/');
			memmove(of, slash ? slash + 1 : of, strlen(slash ? slash + 1 : of) + 1);
		}
		add_string(row, "device", *of ? of : NULL);
		add(row, "bar", NULL);
	}
	add(row, "size", known ? json_object_new_uint64(info.out_size) : NULL);
	add_string(row, "state", known && info.out_state < 4 ? states[info.out_state] : NULL);
	add_string(row, "memory", !known ? NULL :
		   info.out_effective == VFIO_DMABUF_MEMATTR_WC ? "write-combined" : "uncached");
	add(row, "importers", known ? json_object_new_int64(info.out_importers) : NULL);
	add_string(row, "name", slice->name);
	return row;
}

int slices_run(const struct command *self)
{
	struct json_object *doc = json_object_new_object(), *rows = json_object_new_array();
	struct scan scan = { 0 };
	size_t i, k;
	int hidden;

	(void)self;
	out_progress("looking into all processes ...");
	hidden = proc_each(see_process, &scan);
	for (i = 0; i < scan.nr_slices; i++) {
		struct slice *slice = &scan.slices[i];

		for (k = 0; !slice->ours && k < scan.nr_slices; k++)
			slice->ours = scan.slices[k].ours && scan.slices[k].ino == slice->ino;
		if (slice->ours)
			json_object_array_add(rows, row_of(&scan, slice));
	}
	if (hidden < 0) {
		json_object_put(rows);
		rows = NULL;
	}
	add(doc, "slices", rows);
	add(doc, "processes_not_seen", hidden < 0 ? NULL : json_object_new_int(hidden));
	out_document(doc);
	json_object_put(doc);
	free(scan.slices);
	free(scan.devices);
	return hidden < 0 ? EXIT_PROBLEM : EXIT_FINE;
}
