# SPDX-License-Identifier: GPL-2.0-only
#
# kcsan.awk - a kernel log without KCSAN's reports. Those that concern a module of OURS_RE
# go to the file OURS, each after its title. A report stands between two lines of "=".
#
# A report has one or two accesses, each with the stack that led to it. It concerns a
# module if the access itself is the module's, or if all accesses came about through the
# modules: then it may be their lock that is missing. What stock code does on behalf of a
# module and races with what it does on behalf of somebody else is the kernel's own.

function text_of(line) { sub(/\r$/, "", line); sub(/^(<[0-9]+>)?\[[^]]*\] ?/, "", line); return line }

function close_report() {
	if (mine || (accesses && with_ours == accesses))
		printf "%s", report >OURS
	inside = mine = accesses = with_ours = 0
	report = ""
}

{ text = text_of($0) }

inside {
	if (text ~ /^=+$/) {
		close_report()
		next
	}
	report = report "    " text "\n"
	if (text ~ / to 0x[0-9a-f]+ of [0-9]+ bytes by /) {
		accesses++
		top = 1
		seen = 0
	} else if (text ~ /^ /) {
		if (text ~ "\\[" OURS_RE "( |\\])") {
			mine = mine || top
			with_ours += !seen
			seen = 1
		}
		top = 0
	}
	next
}

text ~ /^BUG: KCSAN: / {
	inside = 1
	held = ""
	report = text "\n"
	next
}

held != "" { print held; held = "" }
text ~ /^=+$/ { held = $0; next }
{ print }

END {
	if (inside)
		close_report()
	if (held != "")
		print held
}
