# SPDX-License-Identifier: GPL-2.0-only
#
# ktap.awk - results of run_kselftest.sh, one a line, tab-separated:
#	pass|fail|skip  collection:program:test  text
#
# The runner prints one result for each program and passes the program's own
# KTAP on, each line behind "# ". A program counts as its own tests; as one only
# when it reports none. What does not add up (a plan that is missing or not
# kept, a program that fails with all its tests passed) is a failure of its own.

function result(status, name, text) {
	gsub(/\t/, " ", text)
	printf "%s\t%s\t%s\n", status, name, text
}

# "ok 3 name # SKIP why" into global status, number, name, why
function parse(line) {
	status = line ~ /^ok / ? "pass" : "fail"
	sub(/^(not )?ok /, "", line)
	number = line + 0
	sub(/^[0-9]+ *(- )?/, "", line)
	why = ""
	if (match(line, / +# /)) {
		why = substr(line, RSTART + RLENGTH)
		line = substr(line, 1, RSTART - 1)
	}
	if (status == "pass" && toupper(substr(why, 1, 4)) == "SKIP") {
		status = "skip"
		sub(/^[A-Za-z]+[: ]*/, "", why)
	}
	name = line
}

function program_begin() {
	cases = 0; plan = -1; bad = 0; failed = 0; diag = ""; bail = ""
	delete seen
}

BEGIN { program_begin(); outer_plan = -1; wanted = 0 }

/^1\.\.[0-9]+/ {
	if (outer_plan >= 0 && outer_done != outer_plan)
		result("fail", collection ":(plan)", outer_done " of " outer_plan " programs ran")
	outer_plan = substr($0, 4) + 0
	outer_done = 0
	wanted += outer_plan
	next
}

/^# selftests: / {
	program = $0
	sub(/^# selftests: /, "", program)
	sub(/: /, ":", program)
	collection = program
	sub(/:.*/, "", collection)
	program_begin()
	running = program
	next
}

/^# 1\.\.[0-9]+/ {
	if (plan < 0)
		plan = substr($0, 6) + 0
	next
}

/^# (not )?ok [0-9]/ {
	parse(substr($0, 3))
	cases++
	if (number in seen)
		bad++
	seen[number] = 1
	if (status == "fail")
		failed++
	result(status, running ":" name, status == "fail" ? diag why : why)
	diag = ""
	next
}

/^# Bail out!/ { bail = substr($0, 3) }

/^(not )?ok [0-9]/ {
	parse($0)
	sub(/^selftests: /, "", name)
	sub(/: /, ":", name)
	if (name != running)
		result("fail", name ":(start)", "a result, but the program did not begin")
	if (!cases && status == "pass" && plan >= 0) {
		result("fail", name ":(plan)", "the plan has " plan " tests, none reported")
	} else if (!cases) {
		result(status, name, status == "fail" ? diag why : why)
	} else {
		if (plan < 0)
			result("fail", name ":(plan)", "no plan")
		else if (plan != cases || bad)
			result("fail", name ":(plan)", "the plan has " plan " tests, " cases " reported")
		if (status == "fail" && !failed)
			result("fail", name ":(exit)", diag why)
	}
	outer_done++
	done++
	running = ""
	program_begin()
	next
}

/^# / { diag = diag substr($0, 3) "\\n" }

END {
	if (running != "")
		result("fail", running ":(end)", cases " tests reported, then the run broke off\\n" diag)
	if (outer_plan < 0)
		result("fail", "(plan)", "the runner printed no plan")
	else if (outer_done != outer_plan)
		result("fail", "(plan)", outer_done " of " outer_plan " programs ran")
}
