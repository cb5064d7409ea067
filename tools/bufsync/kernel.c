// SPDX-License-Identifier: GPL-2.0-only
/* Which kernel it is about, and whether the bundle is for that. */
#include <ctype.h>
#include <regex.h>
#include <string.h>
#include <sys/utsname.h>

#include "bufsync.h"

void kernel_read(struct kernel *kernel)
{
	struct utsname uts;

	/* From /proc, not from uname(), because of --root. */
	sys_line(kernel->release, "/proc/sys/kernel/osrelease");
	sys_line(kernel->version, "/proc/version");
	/* Since Linux 6.1; before, it is the one that runs here in any case. */
	if (sys_line(kernel->arch, "/proc/sys/kernel/arch") && !*opt_root && !uname(&uts))
		snprintf(kernel->arch, sizeof(kernel->arch), "%s", uts.machine);
}

bool kernel_supported(const char *release)
{
	bool match;
	regex_t regex;

	if (regcomp(&regex, BUFSYNC_KERNELS, REG_EXTENDED | REG_NOSUB))
		return false;
	match = !regexec(&regex, release, 0, NULL, 0);
	regfree(&regex);
	return match;
}

/* Linux's own version, where a distribution's release does not tell; else "". */
void kernel_linux_version(const struct kernel *kernel, char version[LINE_SIZE])
{
	const char *at = strstr(kernel->version, " Debian ");
	size_t len = 0;

	*version = 0;
	if (!at)
		return;
	at += strlen(" Debian ");
	while (isdigit((unsigned char)at[len]) || (len && at[len] == '.'))
		len++;
	snprintf(version, LINE_SIZE, "%.*s", (int)len, at);
}
