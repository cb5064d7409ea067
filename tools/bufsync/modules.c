// SPDX-License-Identifier: GPL-2.0-only
/* The bundle's modules: on disk, by libkmod, and loaded, by sysfs. */
#include <string.h>
#include <unistd.h>
#include <libkmod.h>

#include "bufsync.h"

static const char * const names[MODULES] = { BUFSYNC_MODULES };

static void copy(char to[LINE_SIZE], const char *from)
{
	snprintf(to, LINE_SIZE, "%s", from);
}

static void read_info(struct module *module, struct kmod_module *mod)
{
	struct kmod_list *list = NULL, *item;

	module->readable = kmod_module_get_info(mod, &list) >= 0;
	kmod_list_foreach(item, list) {
		const char *key = kmod_module_info_get_key(item);
		const char *value = kmod_module_info_get_value(item);

		if (!strcmp(key, "version"))
			copy(module->version, value);
		else if (!strcmp(key, "srcversion"))
			copy(module->srcversion, value);
		else if (!strcmp(key, "signer"))
			copy(module->signer, value);
		else if (!strcmp(key, "description"))
			module->stub = !strncmp(value, "Stand-in", 8);
	}
	kmod_module_info_free_list(list);
}

/* What modprobe would find by the name. Its configuration does not matter here. */
static void read_disk(struct module *module, struct kmod_ctx *ctx)
{
	struct kmod_list *list = NULL, *item;
	const char *path;

	if (kmod_module_new_from_lookup(ctx, module->name, &list) < 0)
		return;
	kmod_list_foreach(item, list) {
		struct kmod_module *mod = kmod_module_get_module(item);

		path = kmod_module_get_path(mod);
		if (path) {
			module->on_disk = true;
			snprintf(module->path, sizeof(module->path), "%s",
				 path + strlen(opt_root));
			read_info(module, mod);
		} else {
			module->builtin = kmod_module_get_initstate(mod) == KMOD_MODULE_BUILTIN;
		}
		kmod_module_unref(mod);
	}
	kmod_module_unref_list(list);
}

/* Not by libkmod, which knows no other sysfs than /sys. */
static void read_loaded(struct module *module)
{
	char state[LINE_SIZE];

	module->loaded = !sys_line(state, "/sys/module/%s/initstate", module->name);
	sys_line(module->loaded_version, "/sys/module/%s/version", module->name);
	sys_line(module->loaded_srcversion, "/sys/module/%s/srcversion", module->name);
}

void modules_read(const struct kernel *kernel, struct module modules[MODULES])
{
	const char *no_config = NULL;
	struct kmod_ctx *ctx = NULL;
	char dir[PATH_SIZE];
	bool indexed;
	int i;

	indexed = sys_is_there("/lib/modules/%s/modules.dep.bin", kernel->release) > 0;
	sys_path(dir, "/lib/modules/%s", kernel->release);
	if (*kernel->release)
		ctx = kmod_new(dir, &no_config);
	for (i = 0; i < MODULES; i++) {
		memset(&modules[i], 0, sizeof(modules[i]));
		modules[i].name = names[i];
		modules[i].indexed = ctx && indexed;
		if (ctx)
			read_disk(&modules[i], ctx);
		read_loaded(&modules[i]);
	}
	kmod_unref(ctx);
}

/* The kernel's own modules are below kernel/, those of others are not. */
bool module_is_ours(const struct module *module)
{
	return module->on_disk && !strstr(module->path, "/kernel/");
}
