// SPDX-License-Identifier: GPL-2.0-only
/* DRM_IOCTL_GEM_CHANGE_HANDLE as $FAKE_ERRNO says; 0 is success. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int fd, unsigned long request, ...) =
		(int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if ((unsigned int)request != 0xc00864d2 || !getenv("FAKE_ERRNO"))
		return next(fd, request, arg);
	errno = atoi(getenv("FAKE_ERRNO"));
	return errno ? -1 : 0;
}
