#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kwin - KWin, KDE's Wayland compositor, without a screen, on virtio-gpu. Its client,
# explicit-sync.c, is ours: none that Debian has takes its timelines from /dev/syncobj.
set -u
# shellcheck source=clients/lib.sh
. "$(dirname "$0")/lib.sh"

CLAIMS=8

modprobe virtio-gpu
claim device until_true 20 test -e /dev/dri/renderD128
export XDG_RUNTIME_DIR HOME
XDG_RUNTIME_DIR=$(mktemp -d) HOME=$(mktemp -d)
out=$(mktemp)
echo "# $(kwin_wayland --version)"
timeout 240 dbus-run-session -- kwin_wayland --virtual --width 640 --height 480 \
	--no-lockscreen --no-global-shortcuts --no-kactivities --socket bufsync \
	--exit-with-session "$(dirname "$0")/explicit-sync clients:$NAME $out" >"$LOG" 2>&1
cat "$out"
claim all-was-asked is "$(grep -cE '^(not )?ok ' "$out")" $CLAIMS
echo end
