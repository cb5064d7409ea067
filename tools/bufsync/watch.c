// SPDX-License-Identifier: GPL-2.0-only
/* Documents that are made again and again. */
#include <stdlib.h>
#include <time.h>

#include "bufsync.h"

/* Seconds, a fraction allowed, from a hundredth to a day */
bool watch_interval(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds >= 0.01 && *seconds <= 86400;
}

bool watch_count(const char *text, int *count)
{
	return proc_number(text, count) && *count > 0;
}

/**
 * watch - print a document until it is interrupted
 * @seconds:	between them
 * @count:	how many; 0: until it is interrupted
 * @document:	makes it; NULL, of which has been told: it cannot go on
 * @data:	for that
 *
 * Return: an exit status
 */
int watch(double seconds, long count, struct json_object *(*document)(void *data), void *data)
{
	struct timespec pause = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (long)seconds) * 1e9,
	};
	long i;

	for (i = 0; !count || i < count; i++) {
		struct json_object *doc;

		if (i)
			nanosleep(&pause, NULL);
		doc = document(data);
		if (!doc)
			return EXIT_PROBLEM;
		if (count != 1)
			out_clear();
		out_document(doc);
		json_object_put(doc);
		/* Whoever read it has gone. */
		if (ferror(stdout))
			return EXIT_PROBLEM;
	}
	return EXIT_FINE;
}
