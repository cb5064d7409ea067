// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync heap: who pays for how much.
 *
 * The table in /proc has all cgroups, also those that have been removed, and is root's.
 * Others may ask the device about each cgroup directory that they see, which is what is
 * done then.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/dma-heap-memcg.h>

#include "bufsync.h"

#define TABLE	"/proc/dma_heap_memcg"
#define NODE	"/dev/dma_heap/memcg"
#define CGROUPS	"/sys/fs/cgroup"

static const char * const columns[] = {
	"cgroup", "bytes", "buffers", "peak", "local_bytes", "local_buffers", "charges",
	"denials", "failures", "throttled",
};

#define COLUMNS	ARRAY_SIZE(columns)

/* The path last, as it is of any length; the number next to it. */
static struct json_object *row_of(const int64_t values[COLUMNS], const char *path)
{
	struct json_object *row = json_object_new_object();
	size_t i;

	for (i = 1; i < COLUMNS; i++)
		add_number(row, columns[i], values[i]);
	add_number(row, columns[0], values[0]);
	add_string(row, "path", path);
	return row;
}

/* The kernel writes blanks and the like as \040: three octal digits */
static void unescape(char *text)
{
	char *to = text;
	unsigned int code;

	for (; *text; text++) {
		if (*text == '\\' && sscanf(text + 1, "%3o", &code) == 1 && strlen(text) > 3) {
			*to++ = code;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

static int read_table(struct json_object *rows)
{
	FILE *file = sys_open(TABLE);
	int64_t values[COLUMNS];
	char *line = NULL;
	size_t room = 0, i;

	if (!file)
		return -errno;
	while (getline(&line, &room, file) > 0) {
		char *at = line, *end;

		if (*line == '#')
			continue;
		for (i = 0; i < COLUMNS; i++) {
			values[i] = strtoll(at, &end, 10);
			if (end == at)
				break;
			at = end;
		}
		if (i < COLUMNS || *at != ' ')
			continue;
		at[strcspn(at, "\n")] = 0;
		unescape(++at);
		json_object_array_add(rows, row_of(values, at));
	}
	free(line);
	fclose(file);
	return 0;
}

/* For nftw(), which passes nothing on */
static struct json_object *asked_rows;
static int asked_dev;

static int ask_directory(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct dma_heap_memcg_query_args args = { .size = sizeof(args) };
	int fd, failed;

	(void)ftw;
	if (type != FTW_D)
		return 0;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	args.charge_fd = fd;
	failed = ioctl(asked_dev, DMA_HEAP_MEMCG_IOC_QUERY, &args);
	close(fd);
	/* One without the controller stands for the one above it that has it. */
	if (!failed && args.out_charges && args.out_cgroup == st->st_ino) {
		const int64_t values[COLUMNS] = {
			args.out_cgroup, args.out_bytes, args.out_buffers, args.out_peak,
			args.out_local_bytes, args.out_local_buffers, args.out_charges,
			args.out_denials, args.out_failures, args.out_throttled,
		};
		const char *relative = path + strlen(CGROUPS);

		json_object_array_add(asked_rows, row_of(values, *relative ? relative : "/"));
	}
	return 0;
}

static int ask_device(struct json_object *rows)
{
	int ret;

	asked_dev = node_open(NODE);
	if (asked_dev < 0)
		return asked_dev;
	asked_rows = rows;
	out_progress("asking about each cgroup ...");
	ret = nftw(CGROUPS, ask_directory, 16, FTW_PHYS) ? -errno : 0;
	close(asked_dev);
	return ret;
}

static int64_t number(struct json_object *row, const char *key)
{
	struct json_object *value;

	json_object_object_get_ex(row, key, &value);
	return json_object_get_int64(value);
}

/* What a cgroup itself pays comes before what those below it do. */
static int most_first(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object * const *)a;
	struct json_object *y = *(struct json_object * const *)b;
	int64_t d = number(y, "bytes") - number(x, "bytes");

	if (!d)
		d = number(y, "local_bytes") - number(x, "local_bytes");
	if (!d)
		d = number(x, "cgroup") - number(y, "cgroup");
	return d > 0 ? 1 : d < 0 ? -1 : 0;
}

static struct json_object *document(void *data)
{
	struct json_object *doc = json_object_new_object(), *rows = json_object_new_array();
	bool *failed = data;
	char why[LINE_SIZE];
	int error = read_table(rows), second = 0;

	add_string(doc, "source", TABLE);
	if (error == -EACCES || error == -EPERM) {
		second = ask_device(rows);
		add_string(doc, "source", NODE ", for the cgroups that you see");
	}
	*failed = second || (error && error != -EACCES && error != -EPERM);
	if (*failed) {
		json_object_put(rows);
		rows = NULL;
		add_string(doc, "source", TABLE);
		snprintf(why, sizeof(why), "%s%s", strerror(-error), error == -ENOENT ?
			 ": dma_heap_memcg is not loaded (sudo modprobe dma_heap_memcg)" :
			 " (only root may, or who may open " NODE ")");
		add_string(doc, "why", why);
	} else {
		json_object_array_sort(rows, most_first);
	}
	add(doc, "cgroups", rows);
	return doc;
}

int heap_run(const struct command *self, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "watch", optional_argument, NULL, 'w' },
		{ "count", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	double seconds = 1;
	bool failed = false;
	int c, count = 1, ret;
	const char *interval;
	bool counted = false;

	while ((c = getopt_long(argc, argv, "w::n:", long_options, NULL)) != -1) {
		switch (c) {
		case 'w':
			if (!counted)
				count = 0;
			interval = optarg;
			/* "--watch 2", too: getopt wants "--watch=2" */
			if (!interval && optind < argc && *argv[optind] != '-')
				interval = argv[optind++];
			if (interval && !watch_interval(interval, &seconds))
				return usage_error(self, "'%s' is no interval", interval);
			break;
		case 'n':
			if (!watch_count(optarg, &count))
				return usage_error(self, "'%s' is no count", optarg);
			counted = true;
			break;
		default:
			return usage_error(self, "see --help");
		}
	}
	if (optind < argc)
		return usage_error(self, "'%s' is too much", argv[optind]);
	ret = watch(seconds, count, document, &failed);
	return failed ? EXIT_PROBLEM : ret;
}
