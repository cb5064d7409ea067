/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A variant of the fixture "device" for each device. What these are is known when the
 * program runs, so it is not FIXTURE_VARIANT_ADD() that adds them.
 */
#ifndef _DEVICE_ENV_H
#define _DEVICE_ENV_H

#include "harness.h"

#include "device_util.h"

FIXTURE_VARIANT(device) {
	struct device device;
};

/* After the fixture */
#define DEVICE_VARIANTS							\
static struct __fixture_variant_metadata variants[DEVICES_MAX];		\
static FIXTURE_VARIANT(device) variant_data[DEVICES_MAX];		\
									\
static void __attribute__((constructor)) variants_add(void)		\
{									\
	struct device found[DEVICES_MAX];				\
	int i, n = devices_find(found);					\
									\
	for (i = 0; i < (n ? n : 1); i++) {				\
		variant_data[i].device = found[i];			\
		variants[i].name = n ? variant_data[i].device.name :	\
				   "none";				\
		variants[i].data = &variant_data[i];			\
		__register_fixture_variant(&_device_fixture_object,	\
					   &variants[i]);		\
	}								\
}

#endif /* _DEVICE_ENV_H */
