// SPDX-License-Identifier: GPL-2.0-only
/* What the modules say they have on this kernel: the CAPS ioctl of each node. */
#include <errno.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <drm/drm_gem_ctl.h>
#include <linux/dma-heap-memcg.h>
#include <linux/syncobj.h>

#include "bufsync.h"

struct feature {
	uint64_t bit;
	const char *name;
};

static const struct feature syncobj_features[] = {
	{ SYNCOBJ_FEATURE_EVENTFD_BATCH, "eventfd_batch" },
	{ SYNCOBJ_FEATURE_EVENTFD_CANCEL, "eventfd_cancel" },
	{ SYNCOBJ_FEATURE_STATUS, "status" },
	{ SYNCOBJ_FEATURE_DEADLINE, "deadline" },
	{ 0, NULL }
};

static const struct feature heap_features[] = {
	{ DMA_HEAP_MEMCG_FEATURE_PIDFD, "pidfd" },
	{ DMA_HEAP_MEMCG_FEATURE_CGROUP_FD, "cgroup_fd" },
	{ DMA_HEAP_MEMCG_FEATURE_GRANT, "grant" },
	{ DMA_HEAP_MEMCG_FEATURE_QUERY, "query" },
	{ DMA_HEAP_MEMCG_FEATURE_TRANSFER, "transfer" },
	{ DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT, "huge_fault" },
	{ 0, NULL }
};

static const struct feature gem_features[] = {
	{ DRM_GEM_CTL_FEATURE_MOVE, "move" },
	{ DRM_GEM_CTL_FEATURE_LIST, "list" },
	{ DRM_GEM_CTL_FEATURE_PRIME_INFO, "prime_info" },
	{ DRM_GEM_CTL_FEATURE_IMPORT_NO_MOVE, "import_no_move" },
	{ DRM_GEM_CTL_FEATURE_STATUS, "status" },
	{ 0, NULL }
};

/* Bits that are newer than this program have no names; they are not left out. */
static struct json_object *feature_names(uint64_t bits, const struct feature *all, bool have)
{
	struct json_object *list = json_object_new_array();
	char number[32];

	for (; all->name; all++) {
		if (!!(bits & all->bit) == have)
			json_object_array_add(list, json_object_new_string(all->name));
		bits &= ~all->bit;
	}
	if (bits && have) {
		snprintf(number, sizeof(number), "%#llx", (unsigned long long)bits);
		json_object_array_add(list, json_object_new_string(number));
	}
	return list;
}

static void set_features(struct json_object *row, unsigned int version, uint64_t bits,
			 const struct feature *all)
{
	add_number(row, "version", version);
	add(row, "has", feature_names(bits, all, true));
	add(row, "lacks", feature_names(bits, all, false));
}

/* ask - CAPS of a node; what did not work is a sentence, and the rest unknown */
static void ask(struct json_object *to, const char *module, const char *node,
		unsigned long request, void *caps)
{
	struct json_object *row = json_object_new_object();
	int fd = node_open(node), error = 0;
	char why[LINE_SIZE];

	if (fd < 0)
		error = -fd;
	else if (ioctl(fd, request, caps))
		error = errno;
	if (fd >= 0)
		close(fd);
	add(to, module, row);
	if (error) {
		add(row, "version", NULL);
		add(row, "has", NULL);
		add(row, "lacks", NULL);
		add_string(row, "why", node_why(why, node, error));
		return;
	}
	if (request == SYNCOBJ_IOC_CAPS) {
		const struct syncobj_caps *c = caps;

		set_features(row, c->out_version, c->out_features, syncobj_features);
		add_number(row, "max_count", c->out_max_count);
	} else if (request == DMA_HEAP_MEMCG_IOC_CAPS) {
		static const char * const remote[] = {
			[DMA_HEAP_MEMCG_REMOTE_OFF] = "off",
			[DMA_HEAP_MEMCG_REMOTE_STRICT] = "strict",
			[DMA_HEAP_MEMCG_REMOTE_SIGNAL] = "signal",
		};
		static const char * const high[] = {
			[DMA_HEAP_MEMCG_HIGH_IGNORE] = "ignore",
			[DMA_HEAP_MEMCG_HIGH_FAIL] = "fail",
			[DMA_HEAP_MEMCG_HIGH_THROTTLE] = "throttle",
		};
		const struct dma_heap_memcg_caps *c = caps;

		set_features(row, c->out_version, c->out_features, heap_features);
		add(row, "max_size", json_object_new_uint64(c->out_max_len));
		add_string(row, "remote_policy", c->out_remote_policy < 3 ?
			   remote[c->out_remote_policy] : NULL);
		add_string(row, "high_policy", c->out_high_policy < 3 ?
			   high[c->out_high_policy] : NULL);
	} else {
		struct drm_gem_ctl_caps *c = caps;

		set_features(row, c->out_version, c->out_features, gem_features);
		c->out_drivers[sizeof(c->out_drivers) - 1] = 0;
		add_string(row, "move_drivers", c->out_drivers);
	}
}

struct json_object *caps_features(void)
{
	struct json_object *all = json_object_new_object();
	struct syncobj_caps syncobj = { .size = sizeof(syncobj) };
	struct dma_heap_memcg_caps heap = { .size = sizeof(heap) };
	struct drm_gem_ctl_caps gem = { .size = sizeof(gem) };

	ask(all, "syncobj", "/dev/syncobj", SYNCOBJ_IOC_CAPS, &syncobj);
	ask(all, "dma_heap_memcg", "/dev/dma_heap/memcg", DMA_HEAP_MEMCG_IOC_CAPS, &heap);
	ask(all, "drm_gem_ctl", "/dev/drm_gem", DRM_GEM_CTL_IOC_CAPS, &gem);
	return all;
}
