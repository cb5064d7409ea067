// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "splat.h"

static regex_t regex;
static int kmsg = -1;
static char line[1024];

void splat_init(const char *path)
{
	char all[8192] = "", one[512];
	FILE *f = fopen(path, "re");

	if (!f) {
		perror(path);
		exit(2);
	}
	while (fgets(one, sizeof(one), f)) {
		one[strcspn(one, "\n")] = '\0';
		if (!*one || *one == '#' || strlen(all) + strlen(one) + 2 > sizeof(all))
			continue;
		if (*all)
			strcat(all, "|");
		strcat(all, one);
	}
	fclose(f);
	if (regcomp(&regex, all, REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "fuzz: %s is not understood\n", path);
		exit(2);
	}
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

bool splat_seen(void)
{
	char record[8192], *text;
	bool seen = false;
	ssize_t n;

	while (kmsg >= 0 && ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		if (n <= 0)
			continue;
		record[n] = '\0';
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		text[strcspn(text, "\n")] = '\0';
		if (regexec(&regex, text, 0, NULL, 0))
			continue;
		/* The first one is what it is about, but for a line that is always the same. */
		if (!seen || strstr(line, "[ cut here ]"))
			snprintf(line, sizeof(line), "%.1000s", text);
		seen = true;
	}
	return seen;
}

const char *splat_line(void)
{
	return line;
}

void splat_close(void)
{
	if (kmsg >= 0)
		close(kmsg);
	kmsg = -1;
}
