// SPDX-License-Identifier: GPL-2.0-only
/* doctor: IOMMU and VFIO, what taints the kernel, and known holes of the kernel's own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bufsync.h"

struct names {
	unsigned int count;
	char text[LINE_SIZE];
};

static void see_function(const char *name, void *data)
{
	struct names *names = data;
	size_t used = strlen(names->text);

	/* Beside them are bind, unbind, module ... */
	if (!strchr(name, ':'))
		return;
	names->count++;
	snprintf(names->text + used, sizeof(names->text) - used, " %s", name);
}

static void see_group(const char *name, void *data)
{
	unsigned int *count = data;

	(void)name;
	++*count;
}

static void check_iommu(struct doctor *doctor)
{
	struct names ours = { 0 }, stock = { 0 };
	unsigned int groups = 0;
	int error;

	error = sys_each(see_group, &groups, "/sys/kernel/iommu_groups");
	if (error < 0 && error != -ENOENT)
		found(doctor, "iommu", "unknown", NULL, "/sys/kernel/iommu_groups: %s",
		      strerror(-error));
	else if (!groups)
		found(doctor, "iommu", "note",
		      "switch on VT-d or AMD-Vi in the firmware's set-up; Intel: boot with intel_iommu=on",
		      "there are no IOMMU groups: no device can be given to vfio_pci_dmabuf");
	else
		found(doctor, "iommu", "ok", NULL, "%u IOMMU groups", groups);
	sys_each(see_function, &ours, "/sys/bus/pci/drivers/vfio_pci_dmabuf");
	sys_each(see_function, &stock, "/sys/bus/pci/drivers/vfio-pci");
	if (ours.count)
		found(doctor, "vfio", "ok", NULL, "with vfio_pci_dmabuf:%s", ours.text);
	if (stock.count)
		found(doctor, "vfio", "note", NULL, "with stock vfio-pci, without slices:%s",
		      stock.text);
}

static void check_taint(struct doctor *doctor)
{
	static const char letters[] = "GFSRMBUDAWCIOELKXT";
	char line[LINE_SIZE], text[32];
	unsigned long long mask;
	int error, i, used = 0;
	char *end;

	error = sys_line(line, "/proc/sys/kernel/tainted");
	mask = strtoull(line, &end, 10);
	if (error || end == line) {
		found(doctor, "taint", "unknown", NULL, "/proc/sys/kernel/tainted: %s",
		      strerror(error ? -error : EINVAL));
		return;
	}
	for (i = 0; letters[i]; i++)
		if (mask & (1ULL << i))
			text[used++] = i ? letters[i] : 'P';
	text[used] = 0;
	/* After an oops (D) nothing is sure; a lock up (L), a bad page (B) are as bad. */
	if (mask & (1ULL << 7 | 1ULL << 5 | 1ULL << 14))
		found(doctor, "taint", "problem", "reboot, and report what dmesg says of it",
		      "the kernel has had an oops, a bad page or a lockup (taint flags %s)", text);
	else if (mask & (1ULL << 9))
		found(doctor, "taint", "note", "dmesg | grep -A30 WARNING",
		      "the kernel has had a warning (taint flags %s)", text);
	else
		found(doctor, "taint", "ok", NULL, "taint flags: %s", used ? text : "none");
}

/*
 * ask_tool - run one of the bundle's checks of a kernel
 *
 * Return: its exit status, or below 0; its first line is in text, and what follows
 * "fix:" in fix.
 */
static int ask_tool(struct doctor *doctor, const char *name, char text[LINE_SIZE],
		    char fix[LINE_SIZE])
{
	struct json_object *lines = json_object_new_array();
	char path[PATH_SIZE], version[LINE_SIZE];
	/* Without arguments it asks the kernel that runs. */
	char *argv[4] = { path };
	size_t i;
	int ret;

	*text = 0;
	*fix = 0;
	if (*opt_root) {
		kernel_linux_version(&doctor->kernel, version);
		argv[1] = doctor->kernel.release;
		if (*version)
			argv[2] = version;
	}
	ret = tool_path(path, name);
	if (!ret)
		ret = tool_lines(argv, lines);
	for (i = 0; i < json_object_array_length(lines); i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i));

		if (!strncmp(line, "fix: ", 5))
			snprintf(fix, LINE_SIZE, "%s", line + 5);
		else if (!*text)
			snprintf(text, LINE_SIZE, "%s", line);
	}
	json_object_put(lines);
	if (!*text)
		snprintf(text, LINE_SIZE, "%s did not run: %s", name,
			 ret < 0 ? strerror(-ret) : "it said nothing");
	return ret;
}

static void check_gem(struct doctor *doctor)
{
	char text[LINE_SIZE], fix[LINE_SIZE], nodes_dir[PATH_SIZE];
	int ret;

	if (*opt_root) {
		sys_path(nodes_dir, "/dev/dri");
		setenv("BUFSYNC_GEM_NODES", nodes_dir, 1);
	}
	ret = ask_tool(doctor, "bufsync-gem-check", text, fix);
	found(doctor, "gem_ioctl", ret == 0 ? "ok" : ret == 1 ? "problem" : "unknown",
	      *fix ? fix : NULL, "%s", text);
}

/* Of interest only where there is such a device, and no live patch for it. */
static void check_virtio_gpu(struct doctor *doctor)
{
	char text[LINE_SIZE], fix[LINE_SIZE], modules[PATH_SIZE];
	int ret;

	if (sys_is_there("/sys/module/virtio_gpu") <= 0)
		return;
	if (sys_is_there("/sys/kernel/livepatch/virtio_gpu_resv_fix") > 0) {
		found(doctor, "virtio_gpu", "ok", NULL, "virtio_gpu_resv_fix is at work");
		return;
	}
	if (*opt_root) {
		sys_path(modules, "/lib/modules");
		setenv("MODROOT", modules, 1);
	}
	ret = ask_tool(doctor, "bufsync-virtio-gpu-check", text, fix);
	found(doctor, "virtio_gpu", ret == 0 ? "ok" : ret == 1 ? "problem" : "unknown",
	      ret == 1 ? "a newer kernel, or docs/virtio-gpu-resv-fix.md" : NULL, "%s", text);
}

void doctor_machine(struct doctor *doctor)
{
	check_iommu(doctor);
	check_taint(doctor);
	if (!*doctor->kernel.release)
		return;
	check_gem(doctor);
	check_virtio_gpu(doctor);
}
