#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# all - in the guest: each of the tests here, and then once more without the modules, where
# each must fail: one that passes has looked at something else.
cd "$(dirname "$0")" || exit

# run TEST: its lines, and one more if it did not come to its end
run() {
	local out
	out=$(timeout -k 5 300 "./$1.sh")
	grep -v '^end$' <<<"$out"
	[[ $out == *$'\n'end ]] || echo "not ok - clients:$1:end"
}

tests='gstreamer qemu kwin libdrm'
for test in $tests; do
	run $test
	echo "# $test: $SECONDS s"
done
# bufsync-vfio would load what it needs.
mkdir -p /run/modprobe.d
echo 'install vfio_pci_dmabuf /bin/false' >/run/modprobe.d/clients.conf
modprobe -r vfio_pci_dmabuf dma_heap_memcg drm_gem_ctl syncobj || echo 'not ok - clients:unload'
for test in $tests; do
	if run $test | grep -q '^not ok '; then
		echo "ok - clients:$test:fails-without-the-module"
	else
		echo "not ok - clients:$test:fails-without-the-module"
	fi
	echo "# $test: $SECONDS s"
done
