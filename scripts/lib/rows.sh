# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# rows.sh - read scripts/rows and find the newest kernel of a row.

# rows_names [SET...]: the rows of these sets, all if none is given.
rows_names() {
	awk -v sets=" $* " '!/^(#|$)/ && (sets == "  " || index(sets, " " $2 " ")) { print $1 }' \
		"$SCRIPTS/rows"
}

# row_field ROW FIELD: set, suite, kernel, packages or notes.
row_field() {
	awk -v row="$1" -v field="$2" '
		BEGIN { n = split("name set suite kernel packages", f); for (i = 1; i <= n; i++) col[f[i]] = i }
		/^(#|$)/ || $1 != row { next }
		field == "notes" { for (i = 1; i <= n; i++) sub(/^[^ \t]+[ \t]*/, ""); print; next }
		{ print $col[field] }' "$SCRIPTS/rows"
}

# row_arch ROW: as Debian calls it; the kernel's release has it.
row_arch() {
	if [[ $(row_field "$1" kernel) == *arm64* ]]; then echo arm64; else echo amd64; fi
}

row_check() {
	[[ $(row_field "$1" set) ]] ||
		die "no row '$1' in scripts/rows; there are: $(rows_names | paste -sd' ')"
}

# row_release ROW: the release that the row stands for, "" if never resolved.
# It is kept until the kernel is set up anew, so that a warm run needs no
# network.
row_release() {
	[[ ! -e $CACHE/rows/$1 ]] || cat "$CACHE/rows/$1"
}

# row_unavailable ROW: why the row cannot be had, "" if it can or may.
row_unavailable() {
	[[ ! -e $CACHE/rows/$1.unavailable ]] || cat "$CACHE/rows/$1.unavailable"
}

# row_resolve ROW: look the newest release up in the package index.
row_resolve() {
	local regex first release
	regex=$(row_field "$1" kernel)
	first=$(row_field "$1" packages)
	first=${first%%,*}
	release=$(root_run -- apt-cache pkgnames "${first%%%K*}" |
		sed "s/^${first%%%K*}//" | grep -xE "$regex" | sort -V | tail -n 1) || true
	[[ $release ]] || return 1
	printf '%s\n' "$release"
}
