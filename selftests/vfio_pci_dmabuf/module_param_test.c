// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's parameters: which there are, which words they take, at load and later,
 * and what the aliases of its features are for.
 */
#include <sys/stat.h>

#include "module_env.h"

#define PARAMS	"/sys/module/" NAME "/parameters/"

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
}

TEST_F(module, parameters)
{
	static const struct {
		const char *name;
		unsigned int mode;
	} all[] = {
		{ "bar_mmap", 0444 }, { "revoke_alias", 0444 },
		{ "memattr_alias", 0444 }, { "write_combine", 0644 },
		{ "p2p", 0644 }, { "importer_wait_ms", 0644 },
	};
	static const char * const stock[] = {
		"ids", "nointxmask", "disable_vga", "disable_idle_d3",
		"enable_sriov", "disable_denylist",
	};
	char path[128], out[4096];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(path, sizeof(path), PARAMS "%s", all[i].name);
		ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", path);
		EXPECT_EQ(all[i].mode, st.st_mode & 07777)
			TH_LOG("%s", path);
	}
	/* It is used up at load. */
	EXPECT_NE(0, access(PARAMS "ids", F_OK));
	ASSERT_EQ(0, command_run("modinfo -F parm " NAME, out, sizeof(out)));
	for (i = 0; i < ARRAY_SIZE(stock); i++) {
		snprintf(path, sizeof(path), "%s:", stock[i]);
		EXPECT_NE(NULL, strstr(out, path)) TH_LOG("no %s", stock[i]);
	}
}

TEST_F(module, parameters_at_run_time)
{
	static const struct {
		const char *name, *word;
	} good[] = {
		{ "write_combine", "off" }, { "write_combine", "all" },
		{ "write_combine", "prefetchable" }, { "p2p", "off" },
		{ "p2p", "force" }, { "p2p", "safe" },
	};
	static const char * const wrong[] = {
		"\n", "0", "1", "al", "allx", "All", " all", "of", "forced",
		"stock", "prefetchable safe", "Y",
	};
	char line[64];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(line, sizeof(line), "%s\n", good[i].word);
		EXPECT_EQ(0, param_set(NAME, good[i].name, line));
		for (j = 0; j < ARRAY_SIZE(wrong); j++)
			EXPECT_EQ(-EINVAL, param_set(NAME, good[i].name,
						     wrong[j]))
				TH_LOG("word %zu: wrong one %zu", i, j);
		EXPECT_TRUE(param_is(NAME, good[i].name, good[i].word));
	}
	ASSERT_EQ(0, start(&self->m));
	ASSERT_EQ(0, param_set(NAME, "p2p", "force"));
	/* Where the kernel knows what is safe it lets nobody overrule it. */
	EXPECT_EQ(kernel_at_least(6, 19) ? 0 :
		  VFIO_DMABUF_FEATURE_BIT_P2P_FORCED,
		  INFO_OF(&self->m.dev, -1, out_features) &
		  VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);
	ASSERT_EQ(0, param_set(NAME, "p2p", "safe"));
	EXPECT_EQ(0, INFO_OF(&self->m.dev, -1, out_features) &
		  VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);
}

/* A wrong word is an error, and not the default. */
TEST_F_TIMEOUT(module, wrong_at_load, 300)
{
	static const struct {
		const char *name, *value;
	} wrong[] = {
		{ "bar_mmap", "both" }, { "bar_mmap", "1" },
		{ "write_combine", "sometimes" }, { "p2p", "perhaps" },
		{ "revoke_alias", "thirteen" }, { "revoke_alias", "-1" },
		{ "memattr_alias", "65536" },
		/* older numbers than the series', and the driver's own */
		{ "revoke_alias", "12" }, { "revoke_alias", "0xfd00" },
		{ "memattr_alias", "0xfd01" },
		{ "revoke_alias", "20 memattr_alias=20" },
		{ "ids", "nonsense" },
	};
	char line[128], out[1024];
	size_t i;

	ASSERT_EQ(0, module_unload(NAME));
	for (i = 0; i < ARRAY_SIZE(wrong) - 1; i++) {
		read_log(&self->m);
		snprintf(line, sizeof(line), "%s=%s", wrong[i].name,
			 wrong[i].value);
		EXPECT_NE(0, load_with(line, out, sizeof(out)))
			TH_LOG("%s", line);
		EXPECT_NE(NULL, strstr(out, "Invalid argument"))
			TH_LOG("%s: %s", line, out);
		EXPECT_FALSE(module_loaded(NAME)) TH_LOG("%s", line);
		module_unload(NAME);
		/* one line, and it says which */
		read_log(&self->m);
		EXPECT_EQ(1, kmsg_lines(self->m.log, NAME)) TH_LOG("%s", self->m.log);
		EXPECT_EQ(1, kmsg_lines(self->m.log, wrong[i].name))
			TH_LOG("%s: %s", line, self->m.log);
	}
	/* the last one that is right */
	EXPECT_EQ(0, load_with("revoke_alias=0xfcff", out, sizeof(out)))
		TH_LOG("%s", out);
	EXPECT_TRUE(param_is(NAME, "revoke_alias", "64767"));
	EXPECT_EQ(0, module_unload(NAME));
	/* As stock has it: a warning, and the others of the list are taken. */
	read_log(&self->m);
	snprintf(line, sizeof(line), "%s=%s", wrong[i].name, wrong[i].value);
	EXPECT_EQ(0, load_with(line, out, sizeof(out))) TH_LOG("%s", out);
	read_log(&self->m);
	EXPECT_EQ(1, kmsg_lines(self->m.log, "nonsense")) TH_LOG("%s", self->m.log);
}

/* Then these numbers are the kernel's, which does not know them. */
TEST_F(module, without_aliases)
{
	struct vfio_dmabuf_memattr attr = {};
	struct vfio_dmabuf_info info;
	uint32_t set = VFIO_DEVICE_FEATURE_SET;
	char out[1024];
	int fd;

	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("revoke_alias=0 memattr_alias=0", out,
			       sizeof(out))) TH_LOG("%s", out);
	ASSERT_EQ(0, start(&self->m));
	ASSERT_EQ(0, vfio_info(&self->m.dev, -1, &info));
	EXPECT_EQ(0, info.out_revoke_alias);
	EXPECT_EQ(0, info.out_memattr_alias);
	fd = vfio_export(&self->m.dev, 0, 0, PAGE, O_RDWR);
	ASSERT_GE(fd, 0);
	attr.dmabuf_fd = fd;
	EXPECT_EQ(-ENOTTY, vfio_feature(self->m.dev.fd, set | 13, &fd, 4));
	EXPECT_EQ(-ENOTTY, vfio_feature(self->m.dev.fd, set | 14, &fd, 4));
	EXPECT_EQ(-ENOTTY, vfio_feature(self->m.dev.fd, set | 14, &attr, 8));
	EXPECT_EQ(-ENOTTY, vfio_probe(self->m.dev.fd, set | 13));
	EXPECT_EQ(-ENOTTY, vfio_probe(self->m.dev.fd, set | 14));
	/* 0 is no alias of anything: VFIO_DEVICE_FEATURE_PCI_VF_TOKEN */
	EXPECT_NE(0, vfio_feature(self->m.dev.fd, set, &fd, 4));
	EXPECT_EQ(1, INFO_OF(&self->m.dev, -1, out_slices));
	EXPECT_EQ(0, vfio_memattr(&self->m.dev, fd, VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(0, vfio_revoke(&self->m.dev, fd));
}

TEST_F(module, other_aliases)
{
	struct vfio_dmabuf_info info;
	uint32_t set = VFIO_DEVICE_FEATURE_SET;
	char out[1024];
	int fd;

	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("revoke_alias=14 memattr_alias=15", out,
			       sizeof(out))) TH_LOG("%s", out);
	ASSERT_EQ(0, start(&self->m));
	ASSERT_EQ(0, vfio_info(&self->m.dev, -1, &info));
	EXPECT_EQ(14, info.out_revoke_alias);
	EXPECT_EQ(15, info.out_memattr_alias);
	fd = vfio_export(&self->m.dev, 0, 0, PAGE, O_RDWR);
	EXPECT_EQ(-ENOTTY, vfio_feature(self->m.dev.fd, set | 13, &fd, 4));
	EXPECT_EQ(0, vfio_feature(self->m.dev.fd, set | 15,
				  &(struct vfio_dmabuf_memattr) { fd, 1 }, 8));
	EXPECT_EQ(1, INFO_OF(&self->m.dev, fd, out_memattr));
	EXPECT_EQ(0, vfio_feature(self->m.dev.fd, set | 14, &fd, 4));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  INFO_OF(&self->m.dev, fd, out_state));
}

TEST_HARNESS_MAIN
