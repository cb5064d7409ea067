// SPDX-License-Identifier: GPL-2.0-only
/*
 * A document as JSON or as text. As text a member of an object is a line, an array of
 * objects a table, an object in an object a paragraph of its own; names of members that
 * end in "bytes" or "size" are amounts of memory.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

static bool colours;
static bool progress_shown;
/* A report is to be pasted: no colours, whatever stdout is. */
static bool report;

void out_begin(bool for_report)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	report = for_report;
	colours = !report && !opt_json && isatty(STDOUT_FILENO) && !(no && *no) &&
		  !(term && !strcmp(term, "dumb"));
}

const char *out_colour(const char *status)
{
	if (!colours)
		return "";
	if (!strcmp(status, "problem") || !strncmp(status, "error", 5))
		return "\033[31m";
	if (!strcmp(status, "unknown"))
		return "\033[33m";
	if (!strcmp(status, "ok") || !strcmp(status, "signaled"))
		return "\033[32m";
	if (!strcmp(status, "note") || !strcmp(status, "pending"))
		return "\033[36m";
	return "";
}

const char *out_plain(void)
{
	return colours ? "\033[0m" : "";
}

/* Home, and clear what is below: of a terminal only. */
void out_clear(void)
{
	if (!opt_json && isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
}

/**
 * out_progress - say on a terminal what is taking long
 * @format:	as printf()'s; "" ends it
 */
void out_progress(const char *format, ...)
{
	va_list args;

	if (!isatty(STDERR_FILENO) || (!*format && !progress_shown))
		return;
	fputs("\r\033[K", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fflush(stderr);
	progress_shown = *format;
}

void add(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

/* NULL is what is unknown. */
void add_string(struct json_object *to, const char *key, const char *value)
{
	add(to, key, value ? json_object_new_string(value) : NULL);
}

void add_number(struct json_object *to, const char *key, int64_t value)
{
	add(to, key, json_object_new_int64(value));
}

static bool is_amount(const char *key)
{
	size_t len = strlen(key);

	return !strcmp(key, "size") || !strcmp(key, "peak") ||
	       (len >= 5 && !strcmp(key + len - 5, "bytes"));
}

/* amount - bytes as people write them, three digits at least */
static void amount(uint64_t bytes, char *text, size_t size)
{
	static const char * const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	int unit = -1;

	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text, size, "%" PRIu64 " B", bytes);
	else
		snprintf(text, size, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" :
			 "%.0f %s", value, units[unit]);
}

/**
 * out_harmless - no control characters
 * @text:	of somebody else's, such as a name or a log, which must not drive the terminal
 */
void out_harmless(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void cell(const char *key, struct json_object *value, char *text, size_t size)
{
	size_t i, used = 0;

	switch (json_object_get_type(value)) {
	case json_type_null:
		snprintf(text, size, "unknown");
		break;
	case json_type_boolean:
		snprintf(text, size, json_object_get_boolean(value) ? "yes" : "no");
		break;
	case json_type_int:
		if (is_amount(key))
			amount(json_object_get_uint64(value), text, size);
		else
			snprintf(text, size, "%s", json_object_get_string(value));
		break;
	case json_type_array:
		snprintf(text, size, "none");
		for (i = 0; i < json_object_array_length(value) && used < size; i++)
			used += snprintf(text + used, size - used, "%s%s", i ? ", " : "",
				json_object_get_string(json_object_array_get_idx(value, i)));
		break;
	default:
		snprintf(text, size, "%s", json_object_get_string(value));
	}
	out_harmless(text);
}

/* Names below the top are those of modules and parameters, and stay as they are. */
static void heading(FILE *to, const char *key, bool upper, int level)
{
	for (; *key; key++) {
		char c = *key == '_' && (upper || !level) ? ' ' : *key;

		fputc(upper && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c, to);
	}
}

static void indent(FILE *to, int level)
{
	fprintf(to, "%*s", 2 * level, "");
}

/* print_table - rows have the members of the first one */
static void print_table(FILE *to, struct json_object *rows, int level)
{
	struct json_object *first = json_object_array_get_idx(rows, 0);
	size_t count = json_object_array_length(rows), columns = 0, c, i;
	char text[PATH_SIZE];
	size_t *width;

	columns = json_object_object_length(first);
	width = calloc(columns, sizeof(*width));
	if (!width)
		return;
	for (i = 0; i < count; i++) {
		c = 0;
		json_object_object_foreach(first, key, unused) {
			struct json_object *value = NULL;

			(void)unused;
			json_object_object_get_ex(json_object_array_get_idx(rows, i), key,
						  &value);
			cell(key, value, text, sizeof(text));
			if (strlen(text) > width[c])
				width[c] = strlen(text);
			if (strlen(key) > width[c])
				width[c] = strlen(key);
			c++;
		}
	}
	indent(to, level);
	c = 0;
	json_object_object_foreach(first, title, unused) {
		(void)unused;
		heading(to, title, true, level);
		if (++c < columns)
			fprintf(to, "%*s", (int)(width[c - 1] - strlen(title)) + 2, "");
	}
	fputc('\n', to);
	for (i = 0; i < count; i++) {
		indent(to, level);
		c = 0;
		json_object_object_foreach(first, key, unused2) {
			struct json_object *value = NULL;
			bool number, state = !strcmp(key, "state") || !strcmp(key, "status");

			(void)unused2;
			json_object_object_get_ex(json_object_array_get_idx(rows, i), key,
						  &value);
			number = json_object_is_type(value, json_type_int) && is_amount(key);
			cell(key, value, text, sizeof(text));
			if (state)
				fputs(out_colour(text), to);
			if (++c == columns)
				fputs(text, to);
			else
				fprintf(to, number ? "%*s  " : "%-*s  ", (int)width[c - 1], text);
			if (state)
				fputs(out_plain(), to);
		}
		fputc('\n', to);
	}
	free(width);
}

static bool is_table(struct json_object *value)
{
	return json_object_is_type(value, json_type_array) &&
	       json_object_array_length(value) &&
	       json_object_is_type(json_object_array_get_idx(value, 0), json_type_object);
}

static void print_object(FILE *to, struct json_object *doc, int level)
{
	bool paragraph = false;
	char text[PATH_SIZE];
	size_t width = 0, i;

	json_object_object_foreach(doc, name, any)
		if (!json_object_is_type(any, json_type_object) && !is_table(any) &&
		    strlen(name) > width)
			width = strlen(name);
	json_object_object_foreach(doc, key, value) {
		if (json_object_is_type(value, json_type_object) || is_table(value)) {
			if (level == 0)
				fputc('\n', to);
			indent(to, level);
			heading(to, key, false, level);
			fputs(":\n", to);
			if (is_table(value))
				print_table(to, value, level + 1);
			else
				print_object(to, value, level + 1);
			paragraph = true;
			continue;
		}
		if (paragraph && level == 0)
			fputc('\n', to);
		paragraph = false;
		indent(to, level);
		heading(to, key, false, level);
		fprintf(to, ":%*s", (int)(width - strlen(key)) + 2, "");
		if (!strcmp(key, "lines")) {	/* too long for one */
			fputc('\n', to);
			for (i = 0; i < json_object_array_length(value); i++) {
				cell("", json_object_array_get_idx(value, i), text, sizeof(text));
				indent(to, level + 1);
				fprintf(to, "%s\n", text);
			}
			continue;
		}
		cell(key, value, text, sizeof(text));
		fprintf(to, "%s\n", text);
	}
}

void out_text(FILE *to, struct json_object *doc)
{
	print_object(to, doc, 0);
}

/**
 * out_document - print a subcommand's document
 * @doc:	the document, an object
 *
 * JSON is a line, so that what is watched is a line each time.
 */
void out_document(struct json_object *doc)
{
	out_progress("%s", "");
	if (opt_json)
		puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		out_text(stdout, doc);
	fflush(stdout);
}
