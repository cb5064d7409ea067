# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# results.sh - judge a row's KTAP and kernel log; table, JUnit XML, sums.
#
# A row's directory holds
#   ktap, dmesg, console.log     what came from the guest
#   results                      pass|fail|skip|allowed  name  text  (tabs)
#   verdict                      one word, or a reason
#   kernel, seconds

# results_skips ROW: results of ktap.awk on stdin; skips that this row may
# have become "allowed", others failures, and allowances that were not needed
# are told.
results_skips() {
	local row=$1 glob name why status text allowed=() used=() i
	while IFS= read -r line; do
		[[ $line && $line != '#'* ]] || continue
		read -r glob name why <<<"$line"
		# shellcheck disable=SC2053 # a glob
		[[ $row == $glob ]] || continue
		allowed+=("$name") used+=('')
	done <"$TREE/selftests/allowed-skips"
	while IFS=$'\t' read -r status name text; do
		if [[ $status == skip ]]; then
			status=fail text="skipped, which selftests/allowed-skips does not allow here: $text"
			for i in "${!allowed[@]}"; do
				# shellcheck disable=SC2053 # a glob
				if [[ $name == ${allowed[i]} ]]; then
					status=allowed text=${text#*here: } used[i]=1
					break
				fi
			done
		fi
		printf '%s\t%s\t%s\n' "$status" "$name" "$text"
	done
	# What a host lacks, another has; and one of the set smoke does not run all.
	[[ $row != host && $(row_field "$row" set) != smoke ]] || return 0
	for i in "${!allowed[@]}"; do
		[[ ${used[i]} ]] || printf 'stale\t%s\tallowed to be skipped on %s, but was not\n' \
			"${allowed[i]}" "$row"
	done
}

# results_text: lines on stdin, as the text of one result.
results_text() { tr '\t' ' ' | awk '{ printf "%s\\n", $0 }'; }

# results_splats DIR: what the kernel complained about, as failures.
results_splats() {
	local log found tainted
	if [[ ! -e $1/dmesg && ! -e $1/console.log ]]; then
		printf 'fail\tkernel:log\tthere is none\n'
		return
	fi
	for log in "$1/dmesg" "$1/console.log"; do
		[[ -s $log ]] || continue
		found=$(grep -nE -f <(grep -v '^#' "$SCRIPTS/lib/splats") -m 3 "$log") || continue
		printf 'fail\tkernel:splat\t%s: %s\n' "${log##*/}" "$(paste -sd'|' <<<"$found" | tr -d '\r\t')"
		return
	done
	# The log is a ring; these are not: a page in a bad state (5), an oops
	# (7), a warning (9), a soft lockup (14).
	tainted=$(cat "$1/tainted" 2>/dev/null || echo 0)
	if ((tainted & 0x42a0)); then
		printf 'fail\tkernel:tainted\t/proc/sys/kernel/tainted is %s\n' "$tainted"
	else
		printf 'pass\tkernel:log\tno splat\n'
	fi
}

# results_splats_ktap DIR PREFIX: the same as lines of KTAP, for a row that is a script.
results_splats_ktap() {
	results_splats "$1" | awk -F'\t' -v prefix="$2" '
		$1 != "pass" { print "# " $3; printf "not " }
		{ print "ok - " prefix $2 }'
}

# results_kcsan DIR: the data races that the kernel has seen, as results. Those without a
# frame of the bundle's are the stock kernel's, and of no interest; those that
# selftests/kcsan-known explains pass. The logs are left without any, in their place
# is kcsan.
results_kcsan() {
	local log why title text
	: >"$1/kcsan"
	for log in "$1/console.log" "$1/dmesg"; do
		[[ -s $log ]] || continue
		awk -v OURS="$log.kcsan" -v OURS_RE="($(bundle_names | paste -sd'|')|bufsync_test_[a-z_]+)" \
			-f "$SCRIPTS/lib/kcsan.awk" "$log" >"$log.rest"
		[[ ! -e $log.kcsan ]] || cat "$log.kcsan" >>"$1/kcsan"
		mv "$log.rest" "$log"
	done
	while IFS= read -r title; do
		text=$(grep -A 40 -m 1 -xF -- "$title" "$1/kcsan" | sed -n '2,${/^[^ ]/q;p}' | results_text)
		title=${title#BUG: KCSAN: }
		why=$(awk -v title="$title" -F'\t+' '!/^#/ && title ~ "^(" $1 ")$" { print $2; exit }' "$TREE/selftests/kcsan-known")
		if [[ $why ]]; then
			printf 'pass\tkernel:kcsan\t%s: %s\n' "$title" "$why"
		else
			printf 'fail\tkernel:kcsan\t%s\\n%s\n' "$title" "$text"
		fi
	done < <(grep '^BUG: KCSAN: ' "$1/kcsan" | sort -u)
	[[ -s $1/kcsan ]] || printf 'pass\tkernel:kcsan\tno data race\n'
}

# results_guest ROW DIR: all that the kernel of a boot has said, as results.
results_guest() {
	[[ $1 != kcsan ]] || results_kcsan "$2"
	results_splats "$2"
	if [[ $1 == debug && ! -e $2/kmemleak ]]; then
		printf 'fail\tkernel:kmemleak\tnot scanned\n'
	elif [[ -s $2/kmemleak ]]; then
		printf 'fail\tkernel:kmemleak\t%s\n' "$(head -n 40 "$2/kmemleak" | results_text)"
	fi
}

results_count() {	# DIR STATUS
	grep -c "^$2	" "$1/results" || true
}

# results_failures DIR ROW: each with what it said, for the reader at the end.
results_failures() {
	local status name text
	while IFS=$'\t' read -r status name text; do
		case $status in
		fail)
			printf '%s: FAILED %s\n' "$2" "$name"
			printf '%s\n' "${text//\\n/$'\n'}" | sed '/^$/d; s/^/    /' | tail -n 15
			;;
		stale) printf '%s: stale entry in selftests/allowed-skips: %s\n' "$2" "$name" ;;
		esac
	done <"$1/results"
}

xml_escape() {
	{ iconv -c -f UTF-8 -t UTF-8 || true; } | tr -d '\000-\010\013\014\016-\037' |
		sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g; s/\\n/\&#10;/g'
}

results_junit() {	# OUT ROW...
	local out=$1 row dir
	shift
	echo '<?xml version="1.0" encoding="UTF-8"?>'
	echo '<testsuites>'
	for row; do
		dir=$out/$row
		[[ -e $dir/results ]] || continue
		printf '<testsuite name="%s" tests="%d" failures="%d" skipped="%d" time="%s">\n' "$row" \
			"$(grep -cvE '^stale' "$dir/results")" "$(results_count "$dir" fail)" \
			"$(results_count "$dir" allowed)" "$(cat "$dir/seconds")"
		xml_escape <"$dir/results" | awk -F'\t' -v row="$row" '
			$1 == "stale" { next }
			{
				class = $2; name = $2
				if (!sub(/:[^:]*$/, "", class)) class = "-"
				sub(/^.*:/, "", name)
				printf "<testcase classname=\"%s.%s\" name=\"%s\"", row, class, name
				if ($1 == "pass") print "/>"
				else if ($1 == "allowed") printf "><skipped message=\"%s\"/></testcase>\n", $3
				else printf "><failure message=\"%s\"/></testcase>\n", $3
			}'
		echo '</testsuite>'
	done
	echo '</testsuites>'
}

results_table() {	# OUT ROW...
	local out=$1 row dir passed=0 failed=0 skipped=0 p f s
	shift
	printf '\n%-14s %-26s %7s %7s %7s %8s  %s\n' row kernel passed failed skipped seconds verdict
	for row; do
		dir=$out/$row
		if [[ ! -e $dir/results ]]; then
			printf '%-14s %-26s %7s %7s %7s %8s  %s\n' "$row" - - - - - \
				"$(cat "$dir/verdict" 2>/dev/null || echo 'did not run')"
			# Only the extra rows and livepatch's may be missing from the mirror.
			[[ $(cat "$dir/verdict" 2>/dev/null) == unavailable* &&
				($row == livepatch || $(row_field "$row" set) == extra) ]] ||
				((failed += 1))
			continue
		fi
		p=$(results_count "$dir" pass) f=$(results_count "$dir" fail) s=$(results_count "$dir" allowed)
		((passed += p, failed += f, skipped += s)) || true
		printf '%-14s %-26s %7d %7d %7d %8s  %s\n' "$row" "$(cat "$dir/kernel")" \
			"$p" "$f" "$s" "$(cat "$dir/seconds")" "$(cat "$dir/verdict")"
	done
	printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	((failed == 0))
}
