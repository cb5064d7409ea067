#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# process_test - what is seen of processes, and of devices, where /proc and /sys are made
# up. What only the modules can tell is unknown then.
# shellcheck source=selftests/command/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
plan

root=$tmp/root
mkdir -p "$root/proc"

# process PID NAME
process() {
	mkdir -p "$root/proc/$1/fd" "$root/proc/$1/fdinfo"
	echo "$2" >"$root/proc/$1/comm"
	: >"$root/proc/$1/maps"
}

# open_file PID FD LINK FDINFO-LINE...
open_file() {
	ln -s "$3" "$root/proc/$1/fd/$2"
	printf '%s\n' "${@:4}" >"$root/proc/$1/fdinfo/$2"
}

SLICE=vfio_pci_dmabuf:0000:01:00.0
process 10 primary
open_file 10 3 'anon_inode:[vfio-device]'
open_file 10 7 "/dmabuf:$SLICE/0" $'ino:\t77' $'exp_name:\tvfio_pci_dmabuf'
open_file 10 8 "/dmabuf:$SLICE/0" $'ino:\t77' $'exp_name:\tvfio_pci_dmabuf'
open_file 10 9 '/dmabuf:cg:12' $'ino:\t78' $'exp_name:\tmemcg'
process 11 client
# It has no fds at all, and has mapped it twice.
{
	echo "7f0000000000-7f0000200000 rw-s 00000000 00:0e 77    /dmabuf:$SLICE/0"
	echo "7f0000400000-7f0000500000 rw-s 00000000 00:0e 77    /dmabuf:$SLICE/0"
	echo "7f0000600000-7f0000700000 rw-s 00000000 00:0e 78    /dmabuf:cg:12"
} >"$root/proc/11/maps"
process 12 renamed
open_file 12 4 '/dmabuf:screen' $'ino:\t79' $'exp_name:\tvfio_pci_dmabuf'
process 13 only_mapped
echo '7f0000000000-7f0000001000 rw-s 00000000 00:0e 79    /dmabuf:screen' >"$root/proc/13/maps"
process 14 nothing

bufsync vfio slices --root "$root"
status_is 0
matches '^ +10 +primary +7 8 +0 B +0000:01:00.0 +0 '
matches '^ +11 +client +- +3.00 MiB +0000:01:00.0 +0 '
matches '^ +12 +renamed +4 +0 B +unknown +unknown .* screen$'
matches '^ +13 +only_mapped +- +4.00 KiB +unknown '
matches '^processes not seen: +0$'
says_not 'cg:12'
says_not 'nothing'
[[ $(grep -cE '^ +1[0-9] ' <<<"$out") == 4 ]] || fail 'not four rows'
result 'slices by fd, by mapping, and renamed'

bufsync vfio slices --root "$root" --json
says '{"pid":10,"process":"primary","fds":"7 8","mapped_bytes":0,"device":"0000:01:00.0","bar":"0","size":null,"state":null,'
result 'the same as JSON'

process 20 drawing
open_file 20 5 /dev/dri/renderD128 $'drm-driver:\tvgem' $'drm-client-id:\t3'
open_file 20 6 /dev/dri/renderD128 $'drm-driver:\tvgem' $'drm-client-id:\t3'
open_file 20 7 /dev/dri/renderD129 $'drm-driver:\tvirtio_gpu' $'drm-client-id:\t33'
process 21 another
open_file 21 5 /dev/dri/renderD128 $'drm-driver:\tvgem' $'drm-client-id:\t4'

bufsync gem list --root "$root"
status_is 1
matches '^ +20 +drawing +5 +/dev/dri/renderD128 +vgem +unknown '
matches '^ +20 +drawing +7 +/dev/dri/renderD129 +virtio_gpu +unknown '
matches '^ +21 +another +5 '
says '/dev/drm_gem: not with --root'
[[ $(grep -cE '^ +2[01] ' <<<"$out") == 3 ]] || fail 'a file is there twice'
result 'DRM files of all processes, each once'

bufsync gem list 20 --root "$root"
[[ $(grep -cE '^ +20 ' <<<"$out") == 2 ]] || fail 'not the two of the process'
says_not another
result 'DRM files of a process'

bufsync gem list /dev/dri/renderD129 --root "$root"
[[ $(grep -cE '^ +2[01] ' <<<"$out") == 1 ]] || fail 'not the one of the node'
result 'DRM files of a node'

bufsync gem list 99 --root "$root"
status_is 1
matches '^files: +unknown$'
result 'a process that is not there'

rm -rf "$root/proc"
bufsync vfio slices --root "$root"
status_is 1
matches '^processes not seen: +unknown$'
matches '^slices: +unknown$'
result 'no /proc'

# bufsync-vfio's list, as a document
at=$root/sys/bus/pci/devices/0000:01:00.0
mkdir -p "$at" "$root/sys/bus/pci/drivers/vfio_pci_dmabuf" "$root/sys/kernel/iommu_groups/5" \
	"$root/dev/vfio"
echo 0x1234 >"$at/vendor"
echo 0x1111 >"$at/device"
ln -s ../../drivers/vfio_pci_dmabuf "$at/driver"
ln -s ../../../../kernel/iommu_groups/5 "$at/iommu_group"
bufsync vfio list --root "$root"
status_is 0
matches "^ +0000:01:00.0 +1234:1111 +vfio_pci_dmabuf +$root/dev/vfio/5 +-\$"
result 'devices that are given away'

bufsync vfio list --root "$root" --json
says '"device":"0000:01:00.0","ids":"1234:1111","driver":"vfio_pci_dmabuf",'
result 'the same as JSON'

bufsync vfio unbind --root "$root" --dry-run 02:00.0
status_is 1
complains 'no such device'
result 'what bufsync-vfio says is passed on'

bufsync vfio unbind --root "$root" --json --dry-run 02:00.0
status_is 1
says '"done":false'
says 'no such device'
result 'the same as JSON'

finish
