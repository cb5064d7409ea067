#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# libdrm - libdrm's modetest shows a picture on virtio-gpu. /dev/drm_gem sees its one buffer, with
# libbufsync-gem.so loaded into it nothing is different, and its handle can be moved
# to another number while the picture is shown.
set -u
# shellcheck source=clients/lib.sh
. "$(dirname "$0")/lib.sh"

WIDTH=1280 HEIGHT=800
LIBRARY=/usr/lib/bufsync/libbufsync-gem.so

# field PID NAME: of the one handle that the process has, by LIST
field() {
	bufsync gem list "$1" --json | sed -n 's/.*"handles":\[{/,/p' |
		sed -n "s/.*,\"$2\":\([^,]*\),.*/\1/p"
}

# has_picture PID: LIST was asked, not some other source of what is known about handles
has_picture() {
	is "$(field "$1" size)" $((WIDTH * HEIGHT * 4)) &&
		grep -q '"list_by":"/dev/drm_gem".*"driver":"virtio_gpu"' <(bufsync gem list "$1" --json)
}

is_number() { is "$(field "$1" handle)" "$2"; }	# is_number PID HANDLE

connector() { modetest -M virtio_gpu -c | awk '$3 == "connected" { print $1; exit }'; }

# show NAME [VARIABLE=VALUE]: modetest puts its picture up and waits for a key. Sets pid.
show() {
	name=$1
	shift
	mkfifo "$dir/key"
	exec {key}<>"$dir/key"
	env "$@" modetest -M virtio_gpu -s "$id:${WIDTH}x$HEIGHT" <"$dir/key" >"$LOG" 2>&1 &
	pid=$!
	claim "$name:its-buffer-is-seen" until_true 10 has_picture $pid
}

# hide: the key
hide() {
	echo >&"$key"
	wait $pid
	claim "$name:ends-well" is $? 0
	claim "$name:has-set-the-mode" grep -q "setting mode ${WIDTH}x$HEIGHT" "$LOG"
	claim "$name:nothing-is-left" grep -q '"files":\[\]' <(bufsync gem list --json)
	exec {key}>&-
	rm "$dir/key"
}

dir=$(mktemp -d)
modprobe virtio-gpu
claim device until_true 20 test -e /dev/dri/card0
id=$(connector)
show alone
hide
show with-library LD_PRELOAD=$LIBRARY
hide
claim library-is-there test -e $LIBRARY

# modetest knows its handle, so it has it again before it takes its picture down.
show moved
fd=$(field $pid fd)
move() { "$(dirname "$0")/move-handle" $pid "$fd" "$@"; }
claim moved:away move 1 1000
claim moved:is-there is_number $pid 1000
claim control-moved:not-twice not move 1 1000
claim moved:back move 1000 1
claim moved:is-back is_number $pid 1
hide
rmdir "$dir"
echo end
