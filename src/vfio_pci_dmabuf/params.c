// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "vfio_pci_dmabuf_private.h"

int vdmabuf_bar_mmap = VDMABUF_BAR_STOCK;
int vdmabuf_write_combine = VDMABUF_WC_PREFETCHABLE;
int vdmabuf_p2p = VDMABUF_P2P_SAFE;
unsigned int vdmabuf_importer_wait_ms = 1000;
unsigned int vdmabuf_revoke_alias = VFIO_DMABUF_ALIAS_REVOKE;
unsigned int vdmabuf_memattr_alias = VFIO_DMABUF_ALIAS_MEMATTR;
bool vdmabuf_nointxmask;
bool vdmabuf_disable_vga;
bool vdmabuf_disable_idle_d3;

static const char * const vdmabuf_bar_words[] = {
	[VDMABUF_BAR_STOCK] = "stock",
	[VDMABUF_BAR_DMABUF] = "dmabuf",
	NULL,
};

static const char * const vdmabuf_wc_words[] = {
	[VDMABUF_WC_OFF] = "off",
	[VDMABUF_WC_PREFETCHABLE] = "prefetchable",
	[VDMABUF_WC_ALL] = "all",
	NULL,
};

static const char * const vdmabuf_p2p_words[] = {
	[VDMABUF_P2P_OFF] = "off",
	[VDMABUF_P2P_SAFE] = "safe",
	[VDMABUF_P2P_FORCE] = "force",
	NULL,
};

/* A parameter that is one of a few words. */
struct vdmabuf_choice {
	int *value;
	const char * const *words;
};

static int vdmabuf_choice_set(const char *val, const struct kernel_param *kp)
{
	const struct vdmabuf_choice *choice = kp->arg;
	int word = __sysfs_match_string(choice->words, -1, val);

	if (word < 0)
		return word;
	WRITE_ONCE(*choice->value, word);
	return 0;
}

static int vdmabuf_choice_get(char *buf, const struct kernel_param *kp)
{
	const struct vdmabuf_choice *choice = kp->arg;

	return sysfs_emit(buf, "%s\n",
			  choice->words[READ_ONCE(*choice->value)]);
}

static const struct kernel_param_ops vdmabuf_choice_ops = {
	.set = vdmabuf_choice_set,
	.get = vdmabuf_choice_get,
};

static struct vdmabuf_choice vdmabuf_bar_choice = {
	&vdmabuf_bar_mmap, vdmabuf_bar_words
};

static struct vdmabuf_choice vdmabuf_wc_choice = {
	&vdmabuf_write_combine, vdmabuf_wc_words
};

static struct vdmabuf_choice vdmabuf_p2p_choice = {
	&vdmabuf_p2p, vdmabuf_p2p_words
};

module_param_cb(bar_mmap, &vdmabuf_choice_ops, &vdmabuf_bar_choice, 0444);
MODULE_PARM_DESC(bar_mmap,
		 "mappings of the device fd: stock (as vfio-pci; default) or dmabuf (as slices)");
module_param_cb(write_combine, &vdmabuf_choice_ops, &vdmabuf_wc_choice, 0644);
MODULE_PARM_DESC(write_combine,
		 "BARs that can be write-combined: prefetchable (default), all or off");
module_param_cb(p2p, &vdmabuf_choice_ops, &vdmabuf_p2p_choice, 0644);
MODULE_PARM_DESC(p2p,
		 "other devices may attach to slices: safe (where accesses are known to arrive; default), force (everybody; no effect from Linux 6.19 on) or off");
module_param_named(importer_wait_ms, vdmabuf_importer_wait_ms, uint, 0644);
MODULE_PARM_DESC(importer_wait_ms,
		 "how long a reset, a write to the configuration space or the entry to low power waits for other devices to let go of slices, all together, in ms (1000)");
module_param_named(revoke_alias, vdmabuf_revoke_alias, uint, 0444);
MODULE_PARM_DESC(revoke_alias,
		 "feature number that is REVOKE as well, for SET (13 to 0xfcff, default 13; 0: none)");
module_param_named(memattr_alias, vdmabuf_memattr_alias, uint, 0444);
MODULE_PARM_DESC(memattr_alias,
		 "feature number that is MEMATTR as well, for SET (13 to 0xfcff, default 14; 0: none)");
module_param_named(nointxmask, vdmabuf_nointxmask, bool, 0444);
MODULE_PARM_DESC(nointxmask,
		 "as of vfio-pci; before Linux 7.2 that one's holds for all");
module_param_named(disable_vga, vdmabuf_disable_vga, bool, 0444);
MODULE_PARM_DESC(disable_vga,
		 "as of vfio-pci; before Linux 7.2 that one's holds for all");
module_param_named(disable_idle_d3, vdmabuf_disable_idle_d3, bool, 0444);
MODULE_PARM_DESC(disable_idle_d3,
		 "as of vfio-pci; before Linux 7.2 that one's holds for all");
