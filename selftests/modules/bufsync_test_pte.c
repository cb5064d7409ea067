// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the caller's page tables: with which attribute does a mapping reach
 * the hardware, and is anything left of it after it was taken away? What a
 * driver asked for cannot tell: x86 may put another attribute into the entry.
 *
 * Leaf entries can be zapped by others while mmap_lock is held for reading, so
 * each is read under its own lock, and the way to it is checked again there.
 * Tables are freed after a grace period, or under mmap_lock for writing.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "bufsync_test_pte.h"

#ifdef CONFIG_ARM64
static void test_leaf(struct test_pte_args *args, u32 level, u64 entry,
		      u64 pfn)
{
	args->out_level = level;
	if (entry & PTE_VALID)
		args->out_flags |= TEST_PTE_FLAG_PRESENT;
	if (entry & PTE_WRITE)
		args->out_flags |= TEST_PTE_FLAG_WRITE;
	args->out_pat_index = (entry & PTE_ATTRINDX_MASK) >> 2;
	switch (args->out_pat_index) {
	case MT_NORMAL:
	case MT_NORMAL_TAGGED:
		args->out_attr = TEST_PTE_ATTR_WB;
		break;
	case MT_NORMAL_NC:
		args->out_attr = TEST_PTE_ATTR_WC;
		break;
	default:
		args->out_attr = TEST_PTE_ATTR_UC;
	}
	args->out_pfn = pfn;
}
#else
#include <asm/msr.h>

/* Where the bits of the PAT's index are; the third is elsewhere if huge. */
static u32 test_pat_index(u64 entry, u64 pat_bit)
{
	return (entry & _PAGE_PWT ? 1 : 0) | (entry & _PAGE_PCD ? 2 : 0) |
	       (entry & pat_bit ? 4 : 0);
}

static u32 test_pat_type(u32 index)
{
	u32 low, high;

	rdmsr(MSR_IA32_CR_PAT, low, high);
	return ((index < 4 ? low : high) >> (index % 4 * 8)) & 7;
}

static void test_leaf(struct test_pte_args *args, u32 level, u64 entry,
		      u64 pfn)
{
	u64 pat_bit = level == TEST_PTE_4K ? _PAGE_PAT : _PAGE_PAT_LARGE;

	args->out_level = level;
	if (entry & _PAGE_PRESENT)
		args->out_flags |= TEST_PTE_FLAG_PRESENT;
	if (entry & _PAGE_RW)
		args->out_flags |= TEST_PTE_FLAG_WRITE;
	args->out_pat_index = test_pat_index(entry, pat_bit);
	args->out_attr = test_pat_type(args->out_pat_index);
	args->out_pfn = pfn;
}
#endif

/* False: the tables have changed on the way, try again. */
static bool test_ptes(struct mm_struct *mm, pmd_t *pmdp, pmd_t pmd,
		      struct test_pte_args *args)
{
	spinlock_t *ptl = pte_lockptr(mm, &pmd);
	bool same;
	pte_t pte;

	spin_lock(ptl);
	same = pmd_val(READ_ONCE(*pmdp)) == pmd_val(pmd);
	if (same) {
		pte = READ_ONCE(*pte_offset_kernel(&pmd, args->addr));
		if (!pte_none(pte))
			test_leaf(args, TEST_PTE_4K, pte_val(pte),
				  pte_pfn(pte));
	}
	spin_unlock(ptl);
	return same;
}

static bool test_pmds(struct mm_struct *mm, pmd_t *pmdp,
		      struct test_pte_args *args)
{
	spinlock_t *ptl = pmd_lockptr(mm, pmdp);
	pmd_t pmd = READ_ONCE(*pmdp);

	if (pmd_none(pmd))
		return true;
	if (pmd_present(pmd) && !pmd_leaf(pmd))
		return test_ptes(mm, pmdp, pmd, args);

	spin_lock(ptl);
	pmd = READ_ONCE(*pmdp);
	if (pmd_leaf(pmd))
		test_leaf(args, TEST_PTE_2M, pmd_val(pmd),
			  pmd_pfn(pmd) +
			  ((args->addr & ~PMD_MASK) >> PAGE_SHIFT));
	spin_unlock(ptl);
	return !pmd_present(pmd) || pmd_leaf(pmd);
}

static bool test_puds(struct mm_struct *mm, pud_t *pudp,
		      struct test_pte_args *args)
{
	spinlock_t *ptl = pud_lockptr(mm, pudp);
	pud_t pud = READ_ONCE(*pudp);

	if (pud_none(pud))
		return true;
	if (!pud_leaf(pud))
		return test_pmds(mm, pmd_offset(&pud, args->addr), args);

	spin_lock(ptl);
	pud = READ_ONCE(*pudp);
	if (pud_leaf(pud))
		test_leaf(args, TEST_PTE_1G, pud_val(pud),
			  pud_pfn(pud) +
			  ((args->addr & ~PUD_MASK) >> PAGE_SHIFT));
	spin_unlock(ptl);
	return pud_none(pud) || pud_leaf(pud);
}

/* Tables of the two upper levels are there until the process has ended. */
static bool test_walk(struct mm_struct *mm, struct test_pte_args *args)
{
	pgd_t *pgd = pgd_offset(mm, args->addr);
	p4d_t *p4d;

	if (pgd_none(READ_ONCE(*pgd)))
		return true;
	p4d = p4d_offset(pgd, args->addr);
	if (p4d_none(READ_ONCE(*p4d)))
		return true;
	return test_puds(mm, pud_offset(p4d, args->addr), args);
}

static void test_read(struct test_pte_args *args)
{
	struct mm_struct *mm = current->mm;
	bool settled;

	mmap_read_lock(mm);
	do {
		rcu_read_lock();
		settled = test_walk(mm, args);
		rcu_read_unlock();
	} while (!settled);
	mmap_read_unlock(mm);
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	struct test_pte_args in, args = {};

	if (cmd != TEST_PTE_READ)
		return -ENOTTY;
	if (copy_from_user(&in, argp, sizeof(in)))
		return -EFAULT;
	if (in.addr >= TASK_SIZE)
		return -EINVAL;
	args.addr = in.addr;
	test_read(&args);
	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = test_ioctl,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bufsync_test_pte",
	.fops = &test_fops,
	.mode = 0666,
};
module_misc_device(test_misc);

MODULE_DESCRIPTION("Page tables for the tests of bufsync to read");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
