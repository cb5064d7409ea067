# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh - what the tests of programs that nobody here wrote have in common.
#
# Each script says what it claims as "ok - clients:SCRIPT:CLAIM" or "not ok - ..."; what
# the program wrote, before a failure. Its last line is "end", so that one that breaks off is
# told from one that claims little.

NAME=$(basename "$0" .sh)
LOG=$(mktemp)	# what the program writes

# claim NAME COMMAND...
claim() {
	local name=$1
	shift
	if "$@" >>"$LOG" 2>&1; then
		echo "ok - clients:$NAME:$name"
	else
		tail -n 15 "$LOG" | tr -d '\r' | cut -c1-200 | sed 's/^/# /'
		echo "not ok - clients:$NAME:$name"
	fi
}

is() { [[ $1 == "$2" ]] || { echo "'$1', not '$2'"; return 1; }; }

not() { ! "$@"; }

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}
