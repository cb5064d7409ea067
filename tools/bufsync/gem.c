// SPDX-License-Identifier: GPL-2.0-only
/* bufsync gem: handles of DRM files, and what a dma-buf is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <bufsync/gem-list.h>

#include "bufsync.h"

#define NODE	"/dev/drm_gem"

struct listing {
	int ctl;
	const char *node;		/* only files of it; NULL: of all */
	struct json_object *files;
	struct json_object *handles;
	char seen[LINE_SIZE];		/* of this process: ids of files, each with a blank */
	pid_t pid;
};

static bool is_drm(const char *link)
{
	return !strncmp(link, "/dev/dri/card", 13) || !strncmp(link, "/dev/dri/renderD", 16);
}

/* Two fds of one file have the same handles: the kernel numbers the files. */
static bool seen_before(struct listing *listing, pid_t pid, const char *client)
{
	char word[64];
	size_t used;

	if (listing->pid != pid) {
		listing->pid = pid;
		*listing->seen = 0;
	}
	if (!*client)
		return false;
	snprintf(word, sizeof(word), "%.40s ", client);
	if (strstr(listing->seen, word))
		return true;
	used = strlen(listing->seen);
	snprintf(listing->seen + used, sizeof(listing->seen) - used, " %s", word);
	return false;
}

static struct json_object *flag_names(uint32_t flags)
{
	static const char * const names[] = {
		"imported", "exported", "named", "prime-cached", "system-only", NULL,
		"resident", "purgeable",
	};
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && flags & (1u << i))
			json_object_array_add(list, json_object_new_string(names[i]));
	return list;
}

static void list_handles(struct listing *listing, const struct proc_fd *at, int drm,
			 struct json_object *file)
{
	struct drm_gem_ctl_entry *entries;
	size_t count, i;
	uint64_t total = 0;

	if (drm < 0) {
		errno = -drm;
	} else if (listing->ctl < 0) {
		errno = -listing->ctl;
	} else if (!bufsync_gem_list(listing->ctl, drm, &entries, &count)) {
		for (i = 0; i < count; i++) {
			struct json_object *row = json_object_new_object();

			add_number(row, "pid", at->pid);
			add_number(row, "fd", at->fd);
			add_number(row, "handle", entries[i].handle);
			add(row, "size", json_object_new_uint64(entries[i].obj_size));
			add_number(row, "handle_count", entries[i].handle_count);
			add(row, "dmabuf_inode", json_object_new_uint64(entries[i].dmabuf_ino));
			add(row, "flags", flag_names(entries[i].flags));
			json_object_array_add(listing->handles, row);
			total += entries[i].obj_size;
		}
		free(entries);
		add(file, "handles", json_object_new_uint64(count));
		add(file, "total_bytes", json_object_new_uint64(total));
		add_string(file, "why", "");
		return;
	}
	add_string(file, "why", strerror(errno));
	add(file, "handles", NULL);
	add(file, "total_bytes", NULL);
}

static void see_drm(const struct proc_fd *at, void *data)
{
	struct listing *listing = data;
	char driver[LINE_SIZE], client[LINE_SIZE], name[LINE_SIZE];
	struct json_object *file;
	int drm;

	if (!is_drm(at->link) || (listing->node && strcmp(at->link, listing->node)))
		return;
	proc_fdinfo(at->pid, at->fd, "drm-client-id", client);
	if (seen_before(listing, at->pid, client))
		return;
	drm = proc_fd_copy(at->pid, at->fd);
	/* Not all drivers have it in fdinfo. */
	if (!proc_fdinfo(at->pid, at->fd, "drm-driver", driver) && drm >= 0 &&
	    bufsync_gem_driver(drm, driver, sizeof(driver)))
		*driver = 0;
	proc_name(at->pid, name);
	file = json_object_new_object();
	add_number(file, "pid", at->pid);
	add_string(file, "process", *name ? name : NULL);
	add_number(file, "fd", at->fd);
	add_string(file, "node", at->link);
	add_string(file, "driver", *driver ? driver : NULL);
	add(file, "handles", NULL);	/* the order of the columns */
	add(file, "total_bytes", NULL);
	list_handles(listing, at, drm, file);
	json_object_array_add(listing->files, file);
	if (drm >= 0)
		close(drm);
}

static int see_process(pid_t pid, void *data)
{
	return proc_each_fd(pid, see_drm, data);
}

static int list(const struct command *self, const char *what)
{
	struct listing listing = { 0 };
	struct json_object *doc;
	char why[LINE_SIZE];
	int pid = 0, ret;

	if (what && *what == '/')
		listing.node = what;
	else if (what && !proc_number(what, &pid))
		return usage_error(self, "'%s' is neither a process nor a node", what);
	listing.ctl = node_open(NODE);
	listing.files = json_object_new_array();
	listing.handles = json_object_new_array();
	doc = json_object_new_object();
	if (what && !listing.node) {
		ret = proc_each_fd(pid, see_drm, &listing);
		if (ret)
			complain("process %d: %s", pid, strerror(-ret));
	} else {
		out_progress("looking into all processes ...");
		ret = proc_each(see_process, &listing);
	}
	add_string(doc, "list_by", listing.ctl < 0 ? NULL : NODE);
	if (listing.ctl < 0)
		add_string(doc, "why", node_why(why, NODE, -listing.ctl));
	/* What was not looked at is not "none". */
	if (ret < 0) {
		json_object_put(listing.files);
		listing.files = NULL;
	}
	if (ret < 0 || listing.ctl < 0) {
		json_object_put(listing.handles);
		listing.handles = NULL;
	}
	add(doc, "files", listing.files);
	add(doc, "handles", listing.handles);
	if (!what || listing.node)
		add(doc, "processes_not_seen", ret < 0 ? NULL : json_object_new_int(ret));
	out_document(doc);
	json_object_put(doc);
	if (listing.ctl >= 0)
		close(listing.ctl);
	return ret < 0 || listing.ctl < 0 ? EXIT_PROBLEM : EXIT_FINE;
}

struct owner {
	int ctl;
	int dmabuf;
	struct json_object *doc;
	struct json_object *rows;	/* what importing it would mean, for each DRM file */
};

static struct json_object *device_number(uint32_t major, uint32_t minor)
{
	char text[32];

	if (!major)
		return json_object_new_string("none");
	snprintf(text, sizeof(text), "%u:%u", major, minor);
	return json_object_new_string(text);
}

static void ask_owner(struct owner *owner, int drm, const char *node, const char *whose)
{
	static const char * const classes[] = {
		[DRM_GEM_CTL_CLASS_ALREADY] = "already a handle",
		[DRM_GEM_CTL_CLASS_SAME_DEVICE] = "same device",
		[DRM_GEM_CTL_CLASS_SYSTEM_ONLY] = "system memory",
		[DRM_GEM_CTL_CLASS_FOREIGN] = "another device's, may move",
		[DRM_GEM_CTL_CLASS_UNKNOWN] = "not known",
	};
	struct drm_gem_ctl_prime_info_args args = {
		.size = sizeof(args), .drm_fd = drm, .dmabuf_fd = owner->dmabuf,
	};
	struct json_object *row = json_object_new_object();
	bool failed = bufsync_gem_ioctl(owner->ctl, DRM_GEM_CTL_IOC_PRIME_INFO, &args);

	add_string(row, "node", node);
	add_string(row, "file", whose);
	add_string(row, "import", failed || args.out_class < 1 || args.out_class > 5 ? NULL :
		   classes[args.out_class]);
	add(row, "handle", failed ? NULL : json_object_new_int64(args.out_handle));
	add_string(row, "why", failed ? strerror(errno) : "");
	json_object_array_add(owner->rows, row);
	if (failed)
		return;
	args.out_exporter[sizeof(args.out_exporter) - 1] = 0;
	args.out_driver[sizeof(args.out_driver) - 1] = 0;
	add_string(owner->doc, "exporter", args.out_exporter);
	add_string(owner->doc, "driver", *args.out_driver ? args.out_driver : "none of DRM's");
	add(owner->doc, "inode", json_object_new_uint64(args.out_ino));
	add(owner->doc, "size", json_object_new_uint64(args.out_size));
	add(owner->doc, "primary_node",
	    device_number(args.out_primary_major, args.out_primary_minor));
	add(owner->doc, "render_node",
	    device_number(args.out_render_major, args.out_render_minor));
}

static void see_own(const struct proc_fd *at, void *data)
{
	char whose[64];
	int drm;

	if (!is_drm(at->link))
		return;
	drm = proc_fd_copy(at->pid, at->fd);
	if (drm < 0)
		return;
	snprintf(whose, sizeof(whose), "its fd %d", at->fd);
	ask_owner(data, drm, at->link, whose);
	close(drm);
}

/* Render nodes only: who opens a primary one may become its master. */
static void see_render_node(const char *name, void *data)
{
	char path[PATH_SIZE];
	int drm;

	if (strncmp(name, "renderD", 7))
		return;
	snprintf(path, sizeof(path), "/dev/dri/%.200s", name);
	drm = open(path, O_RDWR | O_CLOEXEC);
	if (drm < 0)
		return;
	ask_owner(data, drm, path, "a new one");
	close(drm);
}

static int owner_run(const struct command *self, const char *pid_text, const char *fd_text)
{
	struct owner owner = { 0 };
	int pid, fd, ret = EXIT_PROBLEM;
	char why[LINE_SIZE];

	if (!proc_number(pid_text, &pid) || !proc_number(fd_text, &fd))
		return usage_error(self, "'%s %s' is no process and fd", pid_text, fd_text);
	owner.ctl = node_open(NODE);
	if (owner.ctl < 0) {
		complain("%s", node_why(why, NODE, -owner.ctl));
		return EXIT_PROBLEM;
	}
	owner.dmabuf = proc_fd_copy(pid, fd);
	if (owner.dmabuf < 0) {
		complain("fd %d of process %d: %s", fd, pid, strerror(-owner.dmabuf));
		goto out;
	}
	owner.doc = json_object_new_object();
	owner.rows = json_object_new_array();
	/* Unknown until a DRM file has been asked. */
	add(owner.doc, "exporter", NULL);
	add(owner.doc, "driver", NULL);
	add(owner.doc, "inode", NULL);
	add(owner.doc, "size", NULL);
	add(owner.doc, "primary_node", NULL);
	add(owner.doc, "render_node", NULL);
	proc_each_fd(pid, see_own, &owner);
	sys_each(see_render_node, &owner, "/dev/dri");
	add(owner.doc, "importing", owner.rows);
	out_document(owner.doc);
	if (json_object_object_get(owner.doc, "exporter"))
		ret = EXIT_FINE;
	else
		complain(json_object_array_length(owner.rows) ?
			 "is fd %d of process %d a dma-buf?" :
			 "there is no DRM file to ask about fd %d of process %d", fd, pid);
	json_object_put(owner.doc);
	close(owner.dmabuf);
out:
	close(owner.ctl);
	return ret;
}

int gem_run(const struct command *self, int argc, char **argv)
{
	if (argc >= 2 && argc <= 3 && !strcmp(argv[1], "list"))
		return list(self, argc == 3 ? argv[2] : NULL);
	if (argc == 4 && !strcmp(argv[1], "owner"))
		return owner_run(self, argv[2], argv[3]);
	return usage_error(self, "say list or owner, and of what");
}
