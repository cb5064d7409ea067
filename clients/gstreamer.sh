#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# gstreamer - GStreamer shows libcamera's virtual camera, whose frames are buffers of a
# dma-heap. libcamera opens /dev/dma_heap/system. The memcg heap is mounted there, as
# docs/dma-heap-memcg.md says for programs that are not changed.
#
# Each pipeline runs in a cgroup of its own. With the stock heap, which must not charge
# it, first: the two differ by the mount alone.
set -u
# shellcheck source=clients/lib.sh
. "$(dirname "$0")/lib.sh"

CONFIG=/usr/share/libcamera/pipeline/virtual/virtual.yaml
HEAP=/dev/dma_heap/system
CGROUPS=/sys/fs/cgroup
WIDTH=1920 HEIGHT=1080
AS=()	# in front of a pipeline's command
FORMAT=video/x-raw,format=NV12,width=$WIDTH,height=$HEIGHT
# NV12 has a byte and a half a pixel, a heap rounds up to whole pages.
FRAME=$((WIDTH * HEIGHT * 3 / 2)) BUFFER=$(((WIDTH * HEIGHT * 3 / 2 + 4095) / 4096 * 4096))

# in_cgroup NAME COMMAND...: COMMAND there, in place of this shell
in_cgroup() {
	echo $BASHPID >"$CGROUPS/$1/cgroup.procs"
	shift
	exec "$@" >"$LOG" 2>&1
}

# pipeline NAME ELEMENT...: the camera's frames to what ELEMENTs are, to the end
pipeline() {
	local name=$1
	shift
	(in_cgroup "$name" "${AS[@]}" timeout 60 gst-launch-1.0 -q libcamerasrc ! $FORMAT ! "$@")
}

# buffers PID EXPORTER: how many dma-bufs of that exporter and of a frame's size it holds
buffers() {
	grep -lx "exp_name:	$2" /proc/"$1"/fdinfo/* 2>/dev/null |
		xargs -r grep -lx "size:	$BUFFER" | wc -l
}

streams() { (($(buffers "$1" "$2") >= 2)); }

charged() {	# charged NAME: bytes, by the module's own account
	awk -v path="/$1" '$NF == path { print $2; n++ } END { if (!n) print 0 }' \
		/proc/dma_heap_memcg 2>/dev/null || echo -
}

kernel_memory() { awk '$1 == "kernel" { print $2 }' "$CGROUPS/$1/memory.stat"; }

# stream NAME EXPORTER: while frames flow, sets COUNT, CHARGED and KERNEL
stream() {
	local pid
	(in_cgroup "$1" gst-launch-1.0 -q libcamerasrc ! $FORMAT ! fakesink) &
	pid=$!
	until_true 20 streams $pid "$2"
	sleep 1
	COUNT=$(buffers $pid "$2") CHARGED=$(charged "$1") KERNEL=$(kernel_memory "$1")
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
}

echo "# $(gst-launch-1.0 --version | head -n 1), libcamera $(basename /usr/lib/*/libcamera.so.*.*.*)"
cat >$CONFIG <<EOF
%YAML 1.1
---
"Virtual0":
  supported_formats:
  - width: $WIDTH
    height: $HEIGHT
    frame_rates:
    - 30
    - 60
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual Video Device"
EOF
echo +memory >$CGROUPS/cgroup.subtree_control
mkdir -p $CGROUPS/{stock,memcg,limit}
umount $HEAP 2>/dev/null

pipeline stock identity eos-after=4 ! filesink location=/tmp/stock.raw
stream stock system
claim control-stock-heap-is-used test "$COUNT" -ge 2
claim control-stock-heap-charges-nobody test "$KERNEL" -lt $BUFFER
stock_kernel=$KERNEL

claim heap-is-mounted mount --bind /dev/dma_heap/memcg $HEAP
claim runs pipeline memcg identity eos-after=4 ! filesink location=/tmp/memcg.raw
claim frames-are-whole test "$(stat -c %s /tmp/memcg.raw)" -ge $((3 * FRAME))
claim frames-are-those-of-the-stock-heap \
	is "$(sha256sum </tmp/memcg.raw)" "$(sha256sum </tmp/stock.raw)"
rm -f /tmp/{stock,memcg}.raw
stream memcg memcg
echo "# $COUNT buffers of $BUFFER bytes, charged $CHARGED;" \
	"the cgroup's kernel memory: $KERNEL, with the stock heap $stock_kernel"
claim buffers-are-ours test "$COUNT" -ge 2
claim its-cgroup-is-charged is "$CHARGED" $((COUNT * BUFFER))
claim the-kernel-says-so test "$KERNEL" -ge $((COUNT * BUFFER))
claim all-is-given-back is "$(charged memcg)" 0

# Who is not root, and in the group of the heap
AS=(setpriv --reuid nobody --regid nogroup --groups render)
claim runs-for-the-group-render pipeline memcg fakesink num-buffers=3
AS=(setpriv --reuid nobody --regid nogroup --clear-groups)
claim control-not-for-others not pipeline memcg fakesink num-buffers=3
AS=()

# Room for the program (11 MB) but not for its frames (12 MB). The stock heap takes no
# notice of the limit, which shows that the program itself can live with it.
echo 20M >$CGROUPS/limit/memory.max
claim limit-holds not pipeline limit fakesink num-buffers=3
claim limit-is-told grep -q 'allocator_new() failed' "$LOG"
claim limit-kills-nobody grep -qx 'oom_kill 0' $CGROUPS/limit/memory.events
umount $HEAP 2>/dev/null
claim control-limit-does-not-reach-stock pipeline limit fakesink num-buffers=3
echo end
