# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
#
# made_up.sh - a system made of files, in which all is fine. To be sourced after lib.sh.

MODULES='syncobj dma_heap_memcg vfio_pci_dmabuf drm_gem_ctl'
VERSION=$("$BUFSYNC" --version | sed 's/^bufsync \([^ ]*\).*/\1/')
EFI=sys/firmware/efi/efivars
SECURE_BOOT=$EFI/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
MOK_LIST=$EFI/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23

# ko FILE NAME VERSION SRCVERSION DESCRIPTION [SIGNER]: as much of a module as modinfo
# reads: an ELF file of two sections. A signature is of the old kind, which names its
# signer in clear.
ko() {
	perl -e '
		my ($file, $name, $version, $srcversion, $description, $signer) = @ARGV;
		my $info = join("", map { "$_\0" } "name=$name", "version=$version",
			"srcversion=$srcversion", "description=$description",
			"license=GPL", "depends=", "vermagic=test");
		my $names = "\0.modinfo\0.shstrtab\0";
		my $at = 64 + length($info);
		my $table = $at + length($names);
		my $elf = pack("A4C4x8SSLQQQLSSSSSS", "\x7fELF", 2, 1, 1, 0, 1, 62, 1,
			0, 0, $table, 0, 64, 0, 0, 64, 3, 2);
		$elf .= $info . $names . "\0" x 64;
		$elf .= pack("LLQQQQLLQQ", 1, 1, 2, 0, 64, length($info), 0, 0, 1, 0);
		$elf .= pack("LLQQQQLLQQ", 10, 3, 0, 0, $at, length($names), 0, 0, 1, 0);
		$elf .= $signer . "key" . "signature" . pack("CCCCCx3N", 1, 4, 1,
			length($signer), 3, 9) . "~Module signature appended~\n" if $signer;
		open(my $to, ">:raw", $file) or die "$file: $!";
		print $to $elf;
	' "$1" "$2" "$3" "$4" "$5" "${6-}"
}

index() { depmod -b "$1" "$2" 2>/dev/null; }	# index ROOT RELEASE

# put FILE TEXT: below $root
put() {
	mkdir -p "$root/${1%/*}"
	printf '%s\n' "$2" >"$root/$1"
}

# make_root DIR RELEASE [SIGNER]: sets root.
make_root() {
	local release=$2 name symbol disk
	root=$1
	disk=lib/modules/$release/updates/dkms
	mkdir -p "$root/usr/lib" "$root/dev/dri" "$root/proc/self" "$root/sys/kernel/iommu_groups/0"
	ln -s usr/lib "$root/lib"
	mkdir -p "$root/$disk" "$root/lib/modules/$release/build"
	put proc/sys/kernel/osrelease "$release"
	put proc/sys/kernel/arch x86_64
	put proc/sys/kernel/tainted 4096
	put proc/version "Linux version $release (made up)"
	put proc/cgroups '#subsys_name hierarchy num_cgroups enabled'
	put proc/cgroups "memory	0	80	1"
	put proc/self/mountinfo \
		'30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw'
	put sys/fs/cgroup/cgroup.controllers 'cpuset cpu io memory pids'
	put sys/fs/cgroup/cgroup.subtree_control 'cpu memory'
	put sys/kernel/security/lsm lockdown,capability
	put sys/kernel/security/lockdown '[none] integrity confidentiality'
	put sys/module/module/parameters/sig_enforce N
	mkdir -p "$root/$EFI"
	printf '\6\0\0\0\0' >"$root/$SECURE_BOOT"
	for name in $MODULES; do
		put "sys/module/$name/initstate" live
		put "sys/module/$name/version" "$VERSION"
		put "sys/module/$name/srcversion" "$name-1"
		ko "$root/$disk/$name.ko" "$name" "$VERSION" "$name-1" "$name" "${3-A signer}"
	done
	put "lib/modules/$release/modules.order" ''
	put "lib/modules/$release/modules.builtin" ''
	put "lib/modules/$release/build/Makefile" ''
	index "$root" "$release"
	put "boot/config-$release" 'CONFIG_CC_VERSION_TEXT="gcc-made-up (made up) 1.0"'
	for name in MODULES DRM SYNC_FILE EVENTFD DMA_SHARED_BUFFER MEMCG VFIO_PCI_CORE; do
		echo "CONFIG_$name=y" >>"$root/boot/config-$release"
	done
	put usr/bin/gcc-made-up ''
	mkdir -p "$root/var/lib/dkms/bufsync/$VERSION/$release/x86_64"
	ln -s "$VERSION/$release/x86_64" "$root/var/lib/dkms/bufsync/kernel-$release-x86_64"
	put dev/syncobj ''
	put dev/drm_gem ''
	put dev/dma_heap/memcg ''
	chmod 666 "$root/dev/syncobj" "$root/dev/drm_gem"
	chmod 660 "$root/dev/dma_heap/memcg"
	put dev/kmsg '6,1,5000000,-;syncobj: ready'
	# Which symbols are needed the command itself tells, when none is there.
	put "lib/modules/$release/build/Module.symvers" ''
	for symbol in $("$BUFSYNC" doctor --root "$root" | sed -n 's/.*not export \([^:]*\):.*/\1/p'); do
		printf '0x00000000\t%s\tvmlinux\tEXPORT_SYMBOL_GPL\t\n' "$symbol"
	done >"$tmp/symvers"
	mv "$tmp/symvers" "$root/lib/modules/$release/build/Module.symvers"
}
