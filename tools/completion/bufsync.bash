# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of bufsync for bash.

# __bufsync_words WORD...: those of them that begin as what is being typed
__bufsync_words() {
	local IFS=$'\n'
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
}

# Addresses of PCI functions. They have colons, at which bash breaks words.
__bufsync_functions() {
	local names=(/sys/bus/pci/devices/*)
	__bufsync_words "${names[@]##*/}"
	! declare -F __ltrim_colon_completions >/dev/null || __ltrim_colon_completions "$cur"
}

__bufsync_processes() {
	local names=(/proc/[0-9]*)
	__bufsync_words "${names[@]##*/}" "$@"
}

_bufsync() {
	local cur prev words cword command='' verb='' word i
	local common=(--json --root --help)

	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n : cur prev words cword
	else
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
		words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	fi
	COMPREPLY=()
	for ((i = 1; i < cword; i++)); do
		word=${words[i]}
		case $word in
		--root | --interval | --count | -i | -n) ((i += 1)) ;;
		-*) ;;
		*)
			if [[ ! $command ]]; then
				command=$word
			elif [[ ! $verb ]]; then
				verb=$word
			fi
			;;
		esac
	done
	if [[ $prev == --root ]]; then
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
	fi
	case $command:$verb in
	:) __bufsync_words status doctor heap vfio gem syncobj --version "${common[@]}" ;;
	doctor:*) __bufsync_words --report "${common[@]}" ;;
	heap:*) __bufsync_words --watch --count "${common[@]}" ;;
	vfio:) __bufsync_words list bind unbind slices "${common[@]}" ;;
	gem:) __bufsync_words list owner "${common[@]}" ;;
	syncobj:) __bufsync_words watch --interval --count "${common[@]}" ;;
	vfio:bind | vfio:unbind)
		case $cur in
		-*)
			__bufsync_words --dry-run "${common[@]}"
			[[ $verb == unbind || --stock != "$cur"* ]] || COMPREPLY+=(--stock)
			;;
		*) __bufsync_functions ;;
		esac
		;;
	gem:list)
		case $cur in
		-*) __bufsync_words "${common[@]}" ;;
		/*) mapfile -t COMPREPLY < <(compgen -G "$cur*") ;;
		*) __bufsync_processes /dev/dri/ ;;
		esac
		;;
	gem:owner | syncobj:watch)
		case $cur in
		-*) __bufsync_words --interval --count "${common[@]}" ;;
		*) __bufsync_processes ;;
		esac
		;;
	*) __bufsync_words "${common[@]}" ;;
	esac
}
complete -F _bufsync bufsync
