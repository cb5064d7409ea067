// SPDX-License-Identifier: GPL-2.0-only
/* doctor: the modules on disk and those that are loaded. */
#include <string.h>

#include "bufsync.h"

/* Loaded at boot; the others are when somebody wants them. */
static bool at_boot(const char *name)
{
	return !strcmp(name, "syncobj") || !strcmp(name, "dma_heap_memcg");
}

/* Return: whether it is there, and of this package */
static bool check_disk(struct doctor *doctor, const struct module *m)
{
	const char *release = doctor->kernel.release;
	char fix[LINE_SIZE];

	snprintf(fix, sizeof(fix), "sudo dkms install --force bufsync/" BUFSYNC_VERSION
		 " -k %.500s", release);
	if (m->builtin || (m->on_disk && !module_is_ours(m))) {
		found(doctor, "provider", "problem", "sudo make uninstall: use the kernel's own",
		      "the kernel has a %s of its own (%s), and ours does not load",
		      m->name, m->builtin ? "built in" : m->path);
		return false;
	}
	if (!m->on_disk && !m->indexed)
		return false;	/* said once for all */
	if (!m->on_disk) {
		found(doctor, "module", "problem", fix, "%s is not there for Linux %s",
		      m->name, release);
		return false;
	}
	if (!m->readable) {
		found(doctor, "module", "unknown", fix, "%s cannot be read", m->path);
		return false;
	}
	if (m->stub) {
		found(doctor, "module", "problem", OTHER_KERNEL_FIX,
		      "%s was built to refuse to load: this kernel lacks something (dmesg | tail)",
		      m->name);
		return false;
	}
	if (strcmp(m->version, BUFSYNC_VERSION)) {
		found(doctor, "module", "problem", fix,
		      "%s on disk is of version %s; this command is of " BUFSYNC_VERSION,
		      m->name, *m->version ? m->version : "(none)");
		return false;
	}
	return true;
}

static void check_loaded(struct doctor *doctor, const struct module *m, bool usable)
{
	char first[LINE_SIZE] = "", load[LINE_SIZE], reload[LINE_SIZE], bind[LINE_SIZE];
	const char *refused = doctor_refused(m);

	/* modprobe alone would only fail. */
	if (refused)
		snprintf(first, sizeof(first), "what %s below, then ", refused);
	snprintf(load, sizeof(load), "%.200ssudo modprobe %s", first, m->name);
	snprintf(reload, sizeof(reload), "%.200ssudo modprobe -r %s && sudo modprobe %s", first,
		 m->name, m->name);
	snprintf(bind, sizeof(bind), "%.200ssudo bufsync vfio bind BDF", first);
	if (!m->loaded) {
		if (!strcmp(m->name, "vfio_pci_dmabuf"))
			found(doctor, "module", "note", bind,
			      "%s is not loaded: it is when it gets a device", m->name);
		else
			found(doctor, "module", at_boot(m->name) ? "problem" : "note", load,
			      "%s is not loaded", m->name);
	} else if (strcmp(m->loaded_version, BUFSYNC_VERSION)) {
		found(doctor, "module", "problem", reload,
		      "%s %s is loaded; this command is of " BUFSYNC_VERSION, m->name,
		      *m->loaded_version ? m->loaded_version : "(no version)");
	} else if (usable && *m->srcversion && *m->loaded_srcversion &&
		   strcmp(m->srcversion, m->loaded_srcversion)) {
		found(doctor, "module", "problem", reload,
		      "%s that is loaded is another build than %s", m->name, m->path);
	} else if (usable) {
		found(doctor, "module", "ok", NULL, "%s %s is loaded, from %s", m->name,
		      m->loaded_version, m->path);
	} else {
		found(doctor, "module", "ok", NULL, "%s %s is loaded", m->name,
		      m->loaded_version);
	}
}

void doctor_modules(struct doctor *doctor)
{
	int i;

	if (sys_is_there("/sys/module") <= 0) {
		found(doctor, "module", "unknown", NULL,
		      "/sys/module is not there: what is loaded?");
		return;
	}
	if (!doctor->modules[0].indexed)
		found(doctor, "module", "unknown", "sudo depmod",
		      "/lib/modules/%s has no list of modules: what is on disk?",
		      doctor->kernel.release);
	for (i = 0; i < MODULES; i++) {
		const struct module *m = &doctor->modules[i];

		check_loaded(doctor, m, check_disk(doctor, m));
	}
}
