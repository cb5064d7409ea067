// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync-vfio, as "make install" leaves it in /usr/sbin; and the example of docs/, on
 * a device that the tool has bound. The checks that the tests' machine cannot fail are
 * tool_checks_test's matter.
 */
#include <libgen.h>

#include "vfio_env.h"

#include "slice_util.h"
#include "tool_env.h"

#define HOST	"bochs-drm"
#define PCI	"/sys/bus/pci/devices/"

static const char *override(const char *bdf)
{
	static char text[64];

	if (vfio_sysfs_read(bdf, "driver_override", text, sizeof(text)))
		return "(error)";
	return text;
}

static const char *driver(const char *bdf)
{
	static char name[64];

	if (vfio_driver(bdf, name, sizeof(name)))
		return "(error)";
	return name;
}

FIXTURE(tool) {
	char a[16], b[16];	/* two functions of one group */
	int kmsg;
	unsigned long taint;
	char out[8192];
};

/* The tool's exit status */
#define TOOL_RUN(...) \
	shell(self->out, sizeof(self->out), TOOL " " __VA_ARGS__)

FIXTURE_SETUP(tool)
{
	ASSERT_EQ(0, vfio_find(VFIO_BOCHS, self->a));
	ASSERT_EQ(0, vfio_find(VFIO_SIBLING, self->b));
	/* This also tells type1 to do without interrupt remapping. */
	ASSERT_EQ(0, vfio_bind(self->a, VFIO_OURS));
	ASSERT_EQ(0, vfio_unbind(self->a));
	ASSERT_EQ(0, vfio_unbind(self->b));
	self->taint = taint_bits();
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
}

/* As the others expect it: with no driver. */
FIXTURE_TEARDOWN(tool)
{
	static char log[65536];

	kmsg_read(self->kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	EXPECT_EQ(self->taint, taint_bits());
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(0, vfio_unbind(self->a));
	EXPECT_EQ(0, vfio_unbind(self->b));
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0));
}

TEST_F(tool, bind_list_unbind)
{
	char line[256], node[64];
	struct vfio_dev dev;
	int slice;

	ASSERT_EQ(0, TOOL_RUN("bind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	vfio_group_path(self->a, node, sizeof(node));
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS, driver(self->b));
	EXPECT_STREQ(VFIO_OURS, override(self->a));
	SAYS(node);
	EXPECT_EQ(0, access(node, R_OK | W_OK));

	/* What it has bound can be used. */
	ASSERT_EQ(0, vfio_open(&dev, self->a, NULL));
	slice = vfio_export(&dev, 0, 0, MIB(1), O_RDWR | O_CLOEXEC);
	EXPECT_GE(slice, 0);

	ASSERT_EQ(0, TOOL_RUN("list 2>&1"));
	snprintf(line, sizeof(line), "\n%s  1234:1111  %-15s  %-16s  %d\n",
		 self->a, VFIO_OURS, node, getpid());
	SAYS(line);
	SAYS(self->b);
	close(slice);
	vfio_close(&dev);

	ASSERT_EQ(0, TOOL_RUN("unbind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_STREQ(HOST, driver(self->b));
	EXPECT_STREQ("(null)", override(self->a));
	SAYS(HOST " has it now");
	ASSERT_EQ(0, TOOL_RUN("list 2>&1"));
	SAYS("DEVICE");
	SAYS_NOT(self->a);
	SAYS_NOT(self->b);
}

TEST_F(tool, a_short_address_will_do)
{
	ASSERT_EQ(0, strncmp(self->a, "0000:", 5));
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a + 5))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ("", driver(self->b));
	/* once more is no error */
	EXPECT_EQ(0, TOOL_RUN("bind %s %s 2>&1", self->a, self->a));
	SAYS("has it already");
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
}

TEST_F(tool, stock_and_from_one_to_the_other)
{
	ASSERT_EQ(0, TOOL_RUN("bind --stock %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_STOCK, driver(self->a));
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	SAYS(VFIO_STOCK " had it");
	/* A sibling may be with either. */
	ASSERT_EQ(0, TOOL_RUN("bind %s --stock 2>&1", self->b))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_STOCK, driver(self->b));
	EXPECT_EQ(0, TOOL_RUN("unbind %s %s 2>&1", self->a, self->b));
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_STREQ(HOST, driver(self->b));
}

TEST_F(tool, the_rest_of_the_group)
{
	char held[64];

	/* both to the host's driver */
	ASSERT_EQ(0, TOOL_RUN("unbind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	ASSERT_STREQ(HOST, driver(self->b));

	EXPECT_EQ(1, TOOL_RUN("bind %s 2>&1", self->a));
	snprintf(held, sizeof(held), "%s (%s)", self->b, HOST);
	SAYS(held);
	snprintf(held, sizeof(held), "bind %s %s", self->a, self->b);
	SAYS(held);
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_STREQ("(null)", override(self->a));

	EXPECT_EQ(0, TOOL_RUN("bind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS, driver(self->b));
	SAYS(HOST " had it");
}

TEST_F(tool, in_use)
{
	struct vfio_dev dev;
	void *bar, *map;
	char pid[32];
	size_t size;
	int slice;

	snprintf(pid, sizeof(pid), "(process %d)", getpid());
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	ASSERT_EQ(0, vfio_open(&dev, self->a, NULL));
	size = vfio_bar_size(&dev, 0);
	bar = vfio_bar_map(&dev, 0, PROT_READ);
	ASSERT_NE(MAP_FAILED, bar);
	slice = vfio_export(&dev, 0, 0, MIB(1), O_RDWR | O_CLOEXEC);
	ASSERT_GE(slice, 0);
	map = mmap(NULL, MIB(1), PROT_READ, MAP_SHARED, slice, 0);
	ASSERT_NE(MAP_FAILED, map);

	EXPECT_EQ(1, TOOL_RUN("unbind %s 2>&1", self->a));
	SAYS("is in use");
	SAYS(pid);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_EQ(1, TOOL_RUN("bind --stock %s 2>&1", self->a));
	SAYS("is in use");
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS, override(self->a));

	/* A mapping of the BAR holds it, one of a slice does not. */
	vfio_close(&dev);
	EXPECT_EQ(1, TOOL_RUN("unbind %s 2>&1", self->a));
	SAYS("is in use");
	EXPECT_EQ(0, munmap(bar, size));
	EXPECT_EQ(0, TOOL_RUN("unbind %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_EQ(0, munmap(map, MIB(1)));
}

TEST_F(tool, dry_run_changes_nothing)
{
	char line[128];

	EXPECT_EQ(0, TOOL_RUN("bind --dry-run %s 2>&1", self->a));
	snprintf(line, sizeof(line), "echo '" VFIO_OURS "' > " PCI
		 "%s/driver_override\n", self->a);
	SAYS(line);
	snprintf(line, sizeof(line),
		 "echo '%s' > /sys/bus/pci/drivers_probe\n", self->a);
	SAYS(line);
	EXPECT_STREQ("", driver(self->a));
	EXPECT_STREQ("(null)", override(self->a));

	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	EXPECT_EQ(0, TOOL_RUN("unbind %s --dry-run 2>&1", self->a));
	snprintf(line, sizeof(line), "echo '%s' > " PCI "%s/driver/unbind\n",
		 self->a, self->a);
	SAYS(line);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS, override(self->a));
}

TEST_F(tool, wants_root)
{
	static const char as_user[] =
		"setpriv --reuid 65534 --clear-groups " TOOL;

	EXPECT_EQ(1, shell(self->out, sizeof(self->out), "%s bind %s 2>&1",
			   as_user, self->a));
	SAYS("must be root");
	EXPECT_STREQ("", driver(self->a));
	EXPECT_EQ(0, shell(self->out, sizeof(self->out),
			   "%s bind --dry-run %s 2>&1", as_user, self->a));
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	EXPECT_EQ(1, shell(self->out, sizeof(self->out), "%s unbind %s 2>&1",
			   as_user, self->a));
	SAYS("must be root");
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_EQ(0, shell(self->out, sizeof(self->out), "%s list 2>&1",
			   as_user));
	SAYS(self->a);
}

TEST_F(tool, wrong_usage)
{
	static const char * const wrong[] = {
		"", "give 00:01.0", "bind", "unbind", "bind --stock",
		"list 00:01.0", "list --dry-run", "unbind --stock 00:01.0",
		"bind --force 00:01.0", "bind 0000:00:01", "bind 00:20.0",
		"bind 00:01.8", "bind ../../00:01.0", "bind 00:01.0 zero",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(2, TOOL_RUN("%s 2>&1", wrong[i])) {
			TH_LOG("'%s'", wrong[i]);
		}
		SAYS("Usage: ");
	}
	EXPECT_EQ(0, TOOL_RUN("--help 2>&1"));
	SAYS("Usage: ");
	EXPECT_EQ(0, TOOL_RUN("bind --help 2>/dev/null"));
	SAYS("Usage: ");
}

TEST_F(tool, no_such_device)
{
	EXPECT_EQ(1, TOOL_RUN("bind ffff:ff:1f.7 2>&1"));
	SAYS("ffff:ff:1f.7: no such device");
	EXPECT_EQ(1, TOOL_RUN("unbind ffff:ff:1f.7 2>&1"));
	SAYS("ffff:ff:1f.7: no such device");
	/* One that is wrong, and none is touched. */
	EXPECT_EQ(1, TOOL_RUN("bind %s ffff:ff:1f.7 2>&1", self->a));
	EXPECT_STREQ("", driver(self->a));
	EXPECT_STREQ("(null)", override(self->a));
}

TEST_F(tool, unbind_what_the_host_has)
{
	ASSERT_EQ(0, TOOL_RUN("unbind %s 2>&1", self->a));
	ASSERT_STREQ(HOST, driver(self->a));
	EXPECT_EQ(1, TOOL_RUN("unbind %s 2>&1", self->a));
	SAYS("is not given away: " HOST " has it");
	EXPECT_STREQ(HOST, driver(self->a));
}

/* docs/examples/vfio-slice.c */
TEST_F(tool, example)
{
	char dir[256] = "";

	ASSERT_GT(readlink("/proc/self/exe", dir, sizeof(dir) - 1), 0);
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	ASSERT_EQ(0, shell(self->out, sizeof(self->out),
			   "%s/vfio-slice %s 0 2>&1", dirname(dir), self->a))
		TH_LOG("%s", self->out);
	SAYS("primary: both have drawn, 1048576 pixels each\n");
	SAYS("client 0: SIGBUS after ");
	SAYS(" pictures, then ENODEV\nprimary: client 0 draws no more, ");
	SAYS("client 1 does\nclient 1: SIGBUS after ");
	SAYS(" pictures, then ENODEV\nprimary: 3 exports, 2 revoked, 1 live\n");
	/* BAR 2 is registers, of 4 KiB. */
	EXPECT_EQ(1, shell(self->out, sizeof(self->out),
			   "%s/vfio-slice %s 2 2>&1", dir, self->a));
	SAYS("BAR 2 is too small\n");
	EXPECT_EQ(0, TOOL_RUN("unbind %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(HOST, driver(self->a));
}

TEST_HARNESS_MAIN
