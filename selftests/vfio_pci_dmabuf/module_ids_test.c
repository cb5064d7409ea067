// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions the module takes: for those that the machine has none of another
 * one's ids are changed (bufsync_test_id).
 */
#include "module_env.h"

#include "syncobj_util.h"

#define ID	"bufsync_test_id"
#define INTEL	0x8086

FIXTURE(module) {
	struct module_env m;
};

FIXTURE_SETUP(module)
{
	module_env_setup(_metadata, &self->m);
}

FIXTURE_TEARDOWN(module)
{
	module_env_teardown(_metadata, &self->m);
	/* It is there still if bind_as() has failed. */
	module_unload(ID);
}

/* By the ids of a device that nobody drives */
TEST_F(module, ids)
{
	char out[1024], driver[64];
	int64_t end = in_ms(5000);

	ASSERT_EQ(0, vfio_bind(self->m.bdf, NAME));
	ASSERT_EQ(0, vfio_unbind(self->m.bdf));
	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("ids=1234:1111", out, sizeof(out)))
		TH_LOG("%s", out);
	do {
		vfio_driver(self->m.bdf, driver, sizeof(driver));
	} while (strcmp(driver, NAME) && now_ns() < end);
	EXPECT_STREQ(NAME, driver);
	ASSERT_EQ(0, vfio_open(&self->m.dev, self->m.bdf, NULL));
	EXPECT_LE(0, vfio_export(&self->m.dev, 0, 0, PAGE, O_RDWR));
}

/* Binds it as VENDOR:DEVICE; @more: what else bufsync_test_id shall do. */
static int bind_as(struct module_env *m, const char *driver,
		   unsigned int vendor, unsigned int device, const char *more)
{
	char parameters[128];
	int ret, undone;

	snprintf(parameters, sizeof(parameters),
		 "function=%s vendor=%u device=%u %s", m->bdf, vendor,
		 device, more);
	ret = module_load_with(ID, parameters);
	if (ret)
		return ret;
	read_log(m);
	ret = vfio_bind(m->bdf, driver);
	read_log(m);
	undone = vfio_unbind(m->bdf) ?: module_unload(ID);
	return undone ?: ret;
}

/* Functions with defects that their user could exploit */
TEST_F(module, denylist)
{
	static const unsigned int denied[] = {
		0x0435, 0x0443, 0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0b25, 0x0cfe,
	};
	char out[1024];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(denied); i++) {
		EXPECT_EQ(-ENODEV, bind_as(&self->m, NAME, INTEL, denied[i], ""))
			TH_LOG("%04x", denied[i]);
		EXPECT_EQ(1, kmsg_lines(self->m.log, "disable_denylist"))
			TH_LOG("%04x: %s", denied[i], self->m.log);
	}
	/* as stock */
	EXPECT_EQ(-ENODEV, bind_as(&self->m, VFIO_STOCK, INTEL, denied[0], ""));
	EXPECT_EQ(0, bind_as(&self->m, NAME, INTEL, denied[0] + 1, ""));
	EXPECT_EQ(0, bind_as(&self->m, NAME, INTEL + 1, denied[0], ""));

	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("disable_denylist=1", out, sizeof(out)))
		TH_LOG("%s", out);
	EXPECT_EQ(0, bind_as(&self->m, NAME, INTEL, denied[0], ""));
	EXPECT_EQ(1, kmsg_lines(self->m.log, "has known defects"))
		TH_LOG("%s", self->m.log);
}

/* Those that vfio-pci has regions for which no other driver can have */
TEST_F(module, display_of_intel)
{
	static const struct {
		unsigned int vendor;
		const char *more;
		int ret;
	} functions[] = {
		{ INTEL, "where=0xfc value=0x7a000000", -ENODEV },
		/* of its display, but not integrated */
		{ INTEL, "", 0 },
		{ INTEL, "where=0xfc value=0", 0 },
		{ INTEL, "where=0xfc value=0xffffffff", 0 },
		/* something else that is there */
		{ INTEL + 1, "where=0xfc value=0x7a000000", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		EXPECT_EQ(functions[i].ret,
			  bind_as(&self->m, NAME, functions[i].vendor, 1,
				  functions[i].more)) TH_LOG("%zu", i);
		EXPECT_EQ(!!functions[i].ret,
			  kmsg_lines(self->m.log, "integrated display"))
			TH_LOG("%zu: %s", i, self->m.log);
	}
}

TEST_HARNESS_MAIN
