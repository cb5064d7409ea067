# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# firmware.sh - guests that are booted as a PC is: by UEFI firmware (OVMF) with Microsoft's
# keys, which starts Debian's shim, that its GRUB, and that the kernel, each only if its
# signature is known. Secure Boot is on, so the kernel locks itself down.
#
# VM_FIRMWARE is a directory of the machine's, at /run/firmware while it runs:
#   vars        the firmware's variables, kept from one boot to the next
#   esp/        the files of the EFI system partition
#   keys        what is written here is typed at the console

VM_FIRMWARE=''

# Only unpacked: as a layer of the guest's root, where mokutil is wanted, too.
FIRMWARE_PKGS='ovmf shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed
	mokutil libefivar1t64 libkeyutils1'
FIRMWARE=$CACHE/firmware-$(hash_of "$ROOT_SUITES" "$FIRMWARE_PKGS")

firmware_unpack() {
	local deb
	rm -rf "$FIRMWARE" "$FIRMWARE.tmp"
	mkdir -p "$FIRMWARE.tmp/fs"
	# shellcheck disable=SC2086 # words
	kernel_download "$FIRMWARE.tmp/debs" $FIRMWARE_PKGS
	for deb in "$FIRMWARE.tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$FIRMWARE.tmp/fs" --no-same-owner
	done
	rm -rf "$FIRMWARE.tmp/debs"
	mv "$FIRMWARE.tmp" "$FIRMWARE"
}

firmware_ensure_locked() {
	[[ -d $FIRMWARE ]] || try_step "firmware: fetch and unpack" firmware_unpack ||
		root_explain_failure
}

# The rig's initial RAM disk has modules without their signatures, which a kernel that is
# locked down refuses. Of two files of one name the later one is taken.
# shellcheck disable=SC2016 # the inner shell's
FIRMWARE_INITRD='
	cp "/run/kernel/initrd-$1" /run/esp/initrd
	mkdir /tmp/initrd
	cd /tmp/initrd
	cpio --quiet -id modules/order </run/esp/initrd
	while read -r name; do
		path=$(find /run/kernel/fs/usr/lib/modules -name "$name" -o -name "$name.xz")
		case $path in
		*.xz) xz -dc "$path" ;;
		*) cat "$path" ;;
		esac >"modules/$name"
	done <modules/order
	find modules/*.ko | cpio --quiet -o -H newc >>/run/esp/initrd'

# firmware_prepare: after kernel_ensure. Makes of VM_FIRMWARE a machine, if it is none yet, with
# this kernel.
firmware_prepare() {
	local esp=$VM_FIRMWARE/esp
	[[ $ROOT_ARCH == amd64 ]] || die "Secure Boot: only on rows of amd64"
	locked firmware firmware_ensure_locked
	mkdir -p "$esp/EFI/BOOT" "$esp/EFI/debian"
	[[ -e $VM_FIRMWARE/vars ]] ||
		cp "$FIRMWARE/fs/usr/share/OVMF/OVMF_VARS_4M.ms.fd" "$VM_FIRMWARE/vars"
	[[ -p $VM_FIRMWARE/keys ]] || mkfifo "$VM_FIRMWARE/keys"
	# QEMU waits for somebody who writes.
	exec {FIRMWARE_KEYS}<>"$VM_FIRMWARE/keys"
	cp "$FIRMWARE/fs/usr/lib/shim/shimx64.efi.signed" "$esp/EFI/BOOT/BOOTX64.EFI"
	cp "$FIRMWARE/fs/usr/lib/shim/mmx64.efi.signed" "$esp/EFI/BOOT/mmx64.efi"
	cp "$FIRMWARE/fs/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$esp/EFI/BOOT/grubx64.efi"
	cp "$KERNEL_DIR/vmlinuz" "$esp/vmlinuz"
	ns_run -l "$ROOT" -b "$KERNEL_DIR=/run/kernel" -b "$esp=/run/esp" -- \
		sh -ec "$FIRMWARE_INITRD" sh "$KERNEL_BOOT"
}

# firmware_argv CMDLINE: instead of QEMU's -kernel, -initrd and -append. The firmware guards
# its variables by system management mode. The kernel panics when it sees no tick of its timer
# early on, which happens where others keep the processors busy.
firmware_argv() {
	printf '%s\n' "linux /vmlinuz $1 no_timer_check" 'initrd /initrd' boot \
		>"$VM_FIRMWARE/esp/EFI/debian/grub.cfg"
	printf '%s\n' -machine smm=on -global driver=cfi.pflash01,property=secure,value=on \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=/run/guest/usr/share/OVMF/OVMF_CODE_4M.ms.fd \
		-drive if=pflash,unit=1,format=raw,file=/run/firmware/vars \
		-drive if=none,id=esp,format=raw,readonly=on,file=fat:/run/firmware/esp \
		-device virtio-blk-pci,drive=esp,bootindex=0
}
