#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# qemu - QEMU, in the guest, is given two devices that vfio_pci_dmabuf has. Its qtest
# protocol takes the place of a processor: reads and writes as a driver would do them.
#
# QEMU 11 asks for a DMABUF of each BAR, which stock vfio-pci has from Linux 6.19 on.
# "edu" computes, and copies by DMA through what QEMU has mapped in the IOMMU. What is
# written to the BAR of the other one is in a file of the machine that this guest runs on.
set -u
shopt -s extglob
# shellcheck source=clients/lib.sh
. "$(dirname "$0")/lib.sh"

EDU=0000:00:03.0 IVSHMEM=0000:00:04.0
MEMORY=/run/vm/ivshmem
PATTERN=1$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | cut -c2-)	# no zeros before it

# bus COMMAND...: sets REPLY to what QEMU answers, "" if nothing. Numbers are without
# 0x and zeros before them.
bus() {
	local line
	REPLY=''
	echo "$@" >&"$to"
	while read -r -t 20 -u "$from" line; do
		[[ $line == OK* || $line == FAIL* ]] || continue
		[[ $line != 'OK 0x'* ]] || REPLY=${line##OK 0x*(0)}
		return
	done
}

reads() {	# reads HEX COMMAND...
	local want=$1
	shift
	bus "$@"
	is "$REPLY" "$want"
}

select_config() { bus outl 0xcf8 $((0x80000000 | $1 << 11 | $2)); }

config() {	# config SLOT REGISTER VALUE
	select_config "$1" "$2"
	bus outl 0xcfc "$3"
}

# copy FROM TO COMMAND: 16 bytes, by the device
copy() {
	bus writeq 0xe0000080 "$1"
	bus writeq 0xe0000088 "$2"
	bus writeq 0xe0000090 16
	bus writeq 0xe0000098 "$3"
	until_true 20 copied
}

# Bit 0 of the command is set while it copies.
copied() {
	bus readq 0xe0000098
	[[ $REPLY == *[02468ace] || ! $REPLY ]]
}

# has_slice DEVICE BAR SIZE: QEMU holds one, the module says
has_slice() {
	local all
	all=$(bufsync vfio slices --json)
	[[ $all == *"\"pid\":$pid,"*"\"device\":\"$1\",\"bar\":\"$2\",\"size\":$3,"* ]] ||
		is "$all" "one of $1"
}

end_of_memory() { tail -c 16 $MEMORY | od -An -tx1 | tr -d ' '; }

echo "# $(qemu-system-x86_64 --version | head -n 1)"
# The machine remaps no interrupts.
echo Y 2>/dev/null >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
claim bind bufsync-vfio bind $EDU $IVSHMEM

dir=$(mktemp -d)
mkfifo "$dir/to" "$dir/from"
exec {to}<>"$dir/to" {from}<>"$dir/from"
qemu-system-x86_64 -accel qtest -qtest stdio -machine q35 -m 32M \
	-nodefaults -display none -monitor none -trace vfio_region_dmabuf \
	-device vfio-pci,host=$EDU,addr=5 -device vfio-pci,host=$IVSHMEM,addr=6 \
	<"$dir/to" >"$dir/from" 2>"$LOG" &
pid=$!
select_config 5 0
claim configuration-space reads 11e81234 inl 0xcfc
if [[ ! $REPLY ]]; then
	echo "not ok - clients:$NAME:starts"
	kill $pid 2>/dev/null
	echo end
	exit
fi
config 5 0x10 0xe0000000	# BAR 0 of edu
config 5 4 6			# memory, DMA
config 6 0x18 0xe4000000	# BAR 2 of the other, its memory
config 6 0x1c 0
config 6 4 2

claim takes-a-dmabuf-of-edu grep -q "vfio_region_dmabuf Device $EDU, .* region 0 " "$LOG"
claim takes-a-dmabuf-of-ivshmem grep -q "vfio_region_dmabuf Device $IVSHMEM, .* region 2 " "$LOG"
claim slice-of-edu-is-seen has_slice $EDU 0 $((1 << 20))
claim slice-of-ivshmem-is-seen has_slice $IVSHMEM 2 $((4 << 20))

claim identification reads 10000ed readl 0xe0000000
bus writel 0xe0000004 0x12345678
claim inverts reads edcba987 readl 0xe0000004
bus writel 0xe0000008 5
claim factorial until_true 20 reads 78 readl 0xe0000008

bus write 0x1000 16 "0x$PATTERN"
claim control-memory-is-other not reads "$PATTERN" read 0x2000 16
claim dma-to-the-device copy 0x1000 0x40000 1
claim dma-from-the-device copy 0x40000 0x2000 3
claim dma-brought-it reads "$PATTERN" read 0x2000 16

claim control-file-is-other not is "$(end_of_memory)" "$PATTERN"
bus write $((0xe4000000 + (4 << 20) - 16)) 16 "0x$PATTERN"
claim bar-is-the-device is "$(end_of_memory)" "$PATTERN"

kill $pid
wait $pid 2>/dev/null
claim no-slice-is-left is "$(bufsync vfio slices --json | grep -o '"slices":\[[^]]*\]')" '"slices":[]'
claim unbind bufsync-vfio unbind $EDU $IVSHMEM
rm -r "$dir"
echo end
