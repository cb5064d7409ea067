# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# rig-judge.sh - made-up rows for the real scripts/check: what each program
# prints, how its guest ends and what its kernel says is known, so the judgement
# is. kselftest's runner is the real one, in the Debian root instead of a guest.
#
# For scripts/rig-test, whose ok, same and that it uses.

# program ROW COLLECTION NAME: a shell script on stdin.
program() {
	local dir=$FAKE/$1/programs
	mkdir -p "$dir/$2"
	{ echo '#!/bin/sh'; cat; } >"$dir/$2/$3"
	chmod 755 "$dir/$2/$3"
	echo "$2:$3" >>"$dir/kselftest-list.txt"
}

judge_programs() {
	program green c first <<<'printf "TAP version 13\n1..2\nok 1 one\nok 2 two\n"'
	program green c second <<<'printf "TAP version 13\n1..1\nok 1 one\n"'
	cp -r "$KSELFTEST/kselftest" "$KSELFTEST/run_kselftest.sh" "$FAKE/green/programs"
	echo '[    0.000000] Linux version 6.99' | tee "$FAKE/green/dmesg" >"$FAKE/green/console.log"
	echo 12288 >"$FAKE/green/tainted"
	for row in mixed splat tainted crash broken nolog boots debug kcsan brief; do
		cp -r "$FAKE/green" "$FAKE/$row"
	done
	echo '[    1.000000] BUG: kernel NULL pointer dereference' >>"$FAKE/splat/console.log"
	echo 12800 >"$FAKE/tainted/tainted"
	echo 123 >"$FAKE/crash/status"
	rm "$FAKE"/nolog/{dmesg,console.log}
	for row in boots brief; do
		program $row b_boot alone <<<'printf "1..1\nnot ok 1 one\n"; exit 1'
	done

	echo timeout=2 >"$FAKE/mixed/programs/c/settings"
	program mixed c fails <<<'printf "1..2\nok 1 one\n# said why\nnot ok 2 two\n"; exit 1'
	program mixed c dies <<<'printf "1..3\nok 1 one\n"; kill -SEGV $$'
	program mixed c dies_quietly <<<'printf "1..3\nok 1 one\n"'
	program mixed c hangs <<<'printf "1..2\nok 1 one\n"; sleep 60'
	program mixed c flat <<<'echo hello'
	program mixed c flat_fails <<<'exit 3'
	program mixed c flat_skips <<<'exit 4'
	program mixed c plan_only <<<'printf "1..2\n"'
	program mixed c no_plan <<<'printf "ok 1 one\n"'
	program mixed c twice <<<'printf "1..2\nok 1 one\nok 1 two\n"'
	program mixed c more <<<'printf "1..1\nok 1 one\nok 2 two\n"'
	program mixed c lies <<<'printf "1..1\nok 1 one\n"; exit 1'
	program mixed c missing </dev/null
	rm "$FAKE/mixed/programs/c/missing"
	program mixed c skips <<<'
		printf "1..4\nok 1 here # SKIP no device\nok 2 by_glob # SKIP\n"
		printf "ok 3 elsewhere # SKIP\nok 4 nowhere # SKIP\n"'
	program mixed c odd <<'END'
printf '1..1\n# <&>"\047 100%% \\c \\t \001 \377 \303\244 ]]>\nnot ok 1 o<d>&"d"\n'
exit 1
END
	program mixed d in_line <<<'printf "1..1\nok 1 one"; exit 1'
}

JUDGE_MIXED='allowed c:skips:by_glob
allowed c:skips:here
fail (plan)
fail c:dies:(exit)
fail c:dies:(plan)
fail c:dies_quietly:(plan)
fail c:fails:two
fail c:flat_fails
fail c:flat_skips
fail c:hangs:(exit)
fail c:hangs:(plan)
fail c:lies:(exit)
fail c:missing
fail c:more:(plan)
fail c:no_plan:(plan)
fail c:odd:o<d>&"d"
fail c:plan_only:(plan)
fail c:skips:elsewhere
fail c:skips:nowhere
fail c:twice:(plan)
fail d:in_line:(end)
pass c:dies:one
pass c:dies_quietly:one
pass c:fails:one
pass c:first:one
pass c:first:two
pass c:flat
pass c:hangs:one
pass c:lies:one
pass c:more:one
pass c:more:two
pass c:no_plan:one
pass c:second:one
pass c:twice:one
pass c:twice:two
pass d:in_line:onenot ok 1 selftests: d: in_line
pass kernel:log
stale c:gone:one'

# A copy of the scripts with what prepares and boots replaced.
judge_tree() {
	mkdir -p "$J/tree/selftests" "$FAKE/modules"
	cp -r "$SCRIPTS" "$J/tree/"
	printf '%s\n' 'mixed c:skips:here why' 'm* c:skips:by_glob why' \
		'splat* c:skips:elsewhere why' 'mixed c:gone:one why' \
		'brief c:first:one why' >"$J/tree/selftests/allowed-skips"
	echo 'own b* b_boot:alone word=1' >"$J/tree/selftests/boots"
	printf '%s\n' '# some' c:second >"$J/tree/selftests/smoke"
	printf '# TITLE\twhy\ndata-race in known / other\t\tno matter\n' \
		>"$J/tree/selftests/kcsan-known"
	echo 'BUILT_MODULE_NAME[0]="ours"' >"$J/tree/dkms.conf"
	{
		printf '%s default - - -\n' green mixed splat tainted crash broken nolog boots gone
		printf '%s\n' 'away extra - - -' 'debug own - - -' 'kcsan own - - -' 'brief smoke - - -'
	} >"$J/tree/scripts/rows"
	cat >>"$J/tree/scripts/lib/results.sh" <<'END'
root_ensure() { :; }
source_ensure() { :; }
kernel_ensure() { KERNEL_RELEASE=6.99-$1; [[ $1 != @(gone|away) ]]; }
row_unavailable() { echo 'not on this mirror'; }
bundle_ensure() { [[ $row != broken ]] || die 'dkms failed'; }
selftests_ensure() { SELFTESTS_PROGRAMS=$FAKE/$row/programs SELFTESTS_MODULES=$FAKE/modules; }
END
	cat >"$J/tree/scripts/vm" <<'END'
#!/bin/bash
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/lib/common.sh"
. "$SCRIPTS/lib/ns.sh"
. "$SCRIPTS/lib/root.sh"
while [[ $1 != -- ]]; do
	case $1 in
	--kernel) row=$2 ;;
	--share) share=$2 ;;
	--out) out=$2 ;;
	esac
	shift
done
shift
mkdir -p "$out"
cp "$FAKE/$row"/{dmesg,console.log,tainted,kmemleak} "$out" 2>/dev/null || true
rc=0
ns_run -l "$ROOT" -b "$share=/run/share" -- "${@//\/mnt\/share//run/share}" || rc=$?
[[ ! -e $FAKE/$row/status ]] || rc=$(<"$FAKE/$row/status")
if ((rc > 122)); then echo crash; else echo "exit $rc"; fi >"$out/result"
exit "$rc"
END
}

# check_rows ROW...: what scripts/check says, its status as the last line
check_rows() {
	local rc=0
	OUT=$J/out "$J/tree/scripts/check" "$@" >"$J/said" 2>"$J/log" </dev/null || rc=$?
	echo "status $rc" >>"$J/said"
}

said() { grep -qE -- "$1" "$J/said"; }
results() { cut -f1,2 "$J/out/$1/results" | tr '\t' ' ' | LC_ALL=C sort; }
failed_by() { [[ $(results "$1" | grep ^fail) == "fail $2" && $(<"$J/out/$1/verdict") == FAILED ]]; }

judge_rows() {
	judge_programs
	judge_tree
	check_rows green mixed splat tainted crash broken nolog boots gone away
	same judge.green "$(printf 'pass %s\n' c:first:one c:first:two c:second:one kernel:log)" \
		"$(results green)"
	same judge.programs "$JUDGE_MIXED" "$(results mixed)"
	that judge.diagnostics grep -q $'^fail\tc:fails:two\t.*said why' "$J/out/mixed/results"
	that judge.timeout grep -q $'^fail\tc:hangs:(exit)\t.*TIMEOUT 2 seconds' "$J/out/mixed/results"
	that judge.splat_on_the_console failed_by splat kernel:splat
	that judge.tainted failed_by tainted kernel:tainted
	that judge.crash failed_by crash guest:crash
	that judge.no_log failed_by nolog kernel:log
	that judge.own_boot failed_by boots b_boot:alone:one
	that judge.did_not_run said '^broken .* did not run$'
	that judge.failures_are_told said '^mixed: FAILED c:fails:two$'
	that judge.as_they_were_said said '^    # <&>"'\'' 100% \\c \\t '
	that judge.stale_is_told said '^mixed: stale .*: c:gone:one$'
	that judge.unavailable said '^gone .* unavailable: not on this mirror$'
	same judge.sum '38 passed, 26 failed, 2 skipped
status 1' "$(tail -n 2 "$J/said")"
	junit "$J/out/junit.xml" >"$J/junit" || true
	same judge.junit "$(printf '%s\n' 'green 4 0 0' 'mixed 37 19 2' 'splat 4 1 0' \
		'tainted 4 1 0' 'crash 5 1 0' 'nolog 4 1 0' 'boots 6 1 0')" "$(<"$J/junit")"

	check_rows green away
	same judge.extra_may_be_missing '4 passed, 0 failed, 0 skipped
status 0' "$(tail -n 2 "$J/said")"
	check_rows brief
	same judge.smoke "$(printf 'pass %s\n' c:second:one kernel:log)" "$(results brief)"
	that judge.smoke_has_nothing_stale eval '! said stale'
	echo b_boot:alone >>"$J/tree/selftests/smoke"
	check_rows brief
	that judge.smoke_with_a_boot failed_by brief b_boot:alone:one
	echo c:third >>"$J/tree/selftests/smoke"
	check_rows brief
	that judge.smoke_of_nothing said '^brief .* did not run$'
	check_rows green gone
	that judge.others_may_not said '^status 1$'
	cp "$J/out/green/ktap" "$J/green.ktap"
	check_rows debug
	that judge.kmemleak_not_scanned failed_by debug kernel:kmemleak
	echo 'unreferenced object 0xffff888012345678 (size 64):' >"$FAKE/debug/kmemleak"
	check_rows debug
	that judge.kmemleak_found failed_by debug kernel:kmemleak
	: >"$FAKE/debug/kmemleak"
	check_rows debug
	that judge.kmemleak_clean said '^status 0$'

	race stock other 'other+0x1/0x2' 'stock+0x1/0x2'
	check_rows kcsan
	that judge.race_of_others said '^status 0$'
	race known other 'known+0x1/0x2@[ours]' 'other+0x1/0x2'
	check_rows kcsan
	that judge.race_explained said '^status 0$'
	race new other 'other+0x1/0x2' 'new+0x1/0x2@[ours] main+0x1/0x2'
	check_rows kcsan
	that judge.race failed_by kcsan kernel:kcsan
	that judge.race_title grep -q "data-race in new / other" "$J/out/kcsan/results"
	race list list 'list+0x1/0x2 one+0x1/0x2@[ours]' 'list+0x1/0x2 two+0x1/0x2@[ours]'
	check_rows kcsan
	that judge.race_for_want_of_a_lock failed_by kcsan kernel:kcsan
	race list list 'list+0x1/0x2 one+0x1/0x2@[ours] more+0x1/0x2@[ours]' 'list+0x1/0x2 other+0x1/0x2'
	check_rows kcsan
	that judge.race_of_what_is_called said '^status 0$'
	race stock other 'other+0x1/0x2' 'stock+0x1/0x2'
	echo '[    3.000000] BUG: kernel NULL pointer dereference' >>"$FAKE/kcsan/dmesg"
	check_rows kcsan
	that judge.splat_beside_a_race failed_by kcsan kernel:splat
}

# race FUNCTION FUNCTION FRAMES FRAMES: in the log of row kcsan, which it begins anew: what
# each side went through, innermost first, in words
race() {
	local frame
	cp "$FAKE/green/dmesg" "$FAKE/kcsan/dmesg"
	{
		printf '[    2.000000] %s\n' '==========' "BUG: KCSAN: data-race in $1 / $2" '' \
			'write to 0xffff888012345678 of 4 bytes by task 7 on cpu 0:'
		for frame in $3; do
			echo "[    2.000000]  ${frame/@/ }"
		done
		printf '[    2.000000] %s\n' '' \
			'read (marked) to 0xffff888012345678 of 4 bytes by interrupt on cpu 1:'
		for frame in $4; do
			echo "[    2.000000]  ${frame/@/ }"
		done
		printf '[    2.000000] %s\n' '' 'Reported by Kernel Concurrency Sanitizer on:' \
			'=========='
	} >>"$FAKE/kcsan/dmesg"
}

# junit FILE: is it XML, in perl, which every Debian has? A line a suite: its
# name, and how many cases, failures and skips there really are.
junit() {
	perl -0777 -ne '
		die "not UTF-8\n" if !utf8::decode(my $copy = $_);
		die "control characters\n" if $copy =~ /[\0-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]/;
		s/^<\?xml version="1\.0" encoding="UTF-8"\?>// or die "no declaration\n";
		my ($text, @open, %n) = qr/(?:[^<&"]|&(?:amp|lt|gt|quot|#10);)*/;
		while (s/^\s*<(\/?)([a-z]+)((?: [a-z]+="$text")*)(\/?)>//) {
			my ($end, $tag, $words, $empty) = ($1, $2, $3, $4);
			die "</$tag> closes $open[-1]\n" if $end && pop @open ne $tag;
			push @open, $tag if !$end && !$empty;
			%n = (said => $words, testcase => 0, failure => 0, skipped => 0) if "$end$tag" eq "testsuite";
			$n{$tag}++ if !$end;
			if ("$end$tag" eq "/testsuite") {
				my ($name) = $n{said} =~ / name="(.*?)"/;
				my @sums = map { $n{said} =~ / $_="(.*?)"/ } qw(tests failures skipped);
				my @real = @n{qw(testcase failure skipped)};
				die "$name: says @sums, has @real\n" if "@sums" ne "@real";
				print "$name @real\n";
			}
		}
		die "left: @open ", substr($_, 0, 80), "\n" if @open || /\S/;' "$1" 2>&1
}

# However a good run is cut off, and whichever of its results, plans and
# beginnings is lost, something fails.
judge_broken_ktap() {
	local n i bad=''
	n=$(wc -l <"$J/green.ktap")
	for ((i = 0; i < n; i++)); do
		head -n "$i" "$J/green.ktap" | awk -f "$SCRIPTS/lib/ktap.awk" | grep -q ^fail ||
			bad+=" $i"
	done
	same judge.cut_off '' "$bad"
	bad=''
	while IFS=: read -r i _; do
		sed "${i}d" "$J/green.ktap" | awk -f "$SCRIPTS/lib/ktap.awk" | grep -q ^fail ||
			bad+=" $i"
	done < <(grep -nE '^(# )?(ok|1\.\.)|^# selftests' "$J/green.ktap")
	same judge.lost_line '' "$bad"
}

splat_of() {	# splat_of LINE: the judgement of a log that has it
	printf '[    0.1] Linux version\n[    9.9] %s\n' "$1" >"$J/log/dmesg"
	results_splats "$J/log" | cut -f1,2 | tr '\t' ' '
}

judge_splats() {
	local line bad='' regex
	mkdir -p "$J/log"
	while IFS= read -r line; do
		[[ $(splat_of "$line") == 'fail kernel:splat' ]] || bad+="$line"$'\n'
	done < <(grep -v '^#' "$SCRIPTS/lib/rig-splats")
	same judge.splats '' "$bad"
	# no expression that is there for nothing, or never matches
	bad=''
	while IFS= read -r regex; do
		grep -v '^#' "$SCRIPTS/lib/rig-splats" | grep -qE -e "$regex" || bad+="$regex"$'\n'
	done < <(grep -v '^#' "$SCRIPTS/lib/splats")
	same judge.each_expression '' "$bad"
	bad=''
	while IFS= read -r line; do
		[[ $(splat_of "$line") == 'pass kernel:log' ]] || bad+="$line"$'\n'
	done <<'END'
rcu: 	RCU lockdep checking is enabled.
Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
kmemleak: Kernel memory leak detector initialized (mem pool available: 15663)
kfence: initialized - using 2097152 bytes for 255 objects at 0x(____ptrval____)
DMA-API: preallocated 65536 debug entries
DMA-API: debugging enabled by kernel config
vfio_pci_dmabuf: loading out-of-tree module taints kernel.
Warning: unable to open an initial console.
ACPI BIOS Warning (bug): Optional FADT field
systemd-udevd[77]: debugging
END
	same judge.harmless_lines '' "$bad"
	bad=''
	echo '[    0.1] Linux version' >"$J/log/dmesg"
	for line in 0:pass 4096:pass 12288:pass 32:fail 128:fail 512:fail 16384:fail 12416:fail; do
		echo "${line%:*}" >"$J/log/tainted"
		[[ $(results_splats "$J/log") == "${line#*:}"* ]] || bad+=" $line"
	done
	same judge.taint_bits '' "$bad"
}

test_judge() {
	J=$WORK/judge
	export FAKE=$J/fake
	mkdir -p "$J"
	judge_rows
	rm -rf "$J/log"
	judge_broken_ktap
	judge_splats
}
