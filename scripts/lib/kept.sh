# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# kept.sh - flat tests of the rig that depend on nothing but their inputs: run
# when an input has changed, else what they said the last time.

# kept_run DIR KEY COMMAND [--results OUT]: COMMAND prints "ok - NAME", "not ok -
# NAME" and before it "# TEXT". DIR/KEY has the KTAP made of it; AGAIN=1 makes it
# anew. Printed, or as scripts/check wants it in OUT.
kept_run() {
	local dir=$1 key=$2
	if [[ ! -e $dir/$key || ${AGAIN-} ]]; then
		"$3" >"$dir/lines"
		awk '
			BEGIN { print "TAP version 13" }
			/^(not )?ok - / { n++; sub(/ok - /, "ok " n " ") }
			{ print }
			END {
				if (!n) print "not ok " ++n " (none)"
				print "1.." n
			}' "$dir/lines" >"$dir/$key.tmp"
		rm -f "$dir"/????????????????
		mv "$dir/$key.tmp" "$dir/$key"
	else
		msg "nothing has changed since the run of $(date -r "$dir/$key" '+%F %T'): its results"
	fi
	if [[ ${4-} == --results ]]; then
		cp "$dir/$key" "$5/ktap"
		# Flat, unlike kselftest's: what a test said stands before its result.
		awk '/^# / { text = text $0 "\\n"; next }
		     { gsub(/\t/, " ", text) }
		     /^ok / { print "pass\t" $3 "\t" }
		     /^not ok / { print "fail\t" $4 "\t" text }
		     { text = "" }' "$5/ktap" >"$5/results"
	else
		cat "$dir/$key"
	fi
	# A failure must not be kept: what broke may not be among the inputs.
	if grep -q '^not ok' "$dir/$key"; then
		rm "$dir/$key"
		[[ ${4-} == --results ]] || exit 1
	fi
}
