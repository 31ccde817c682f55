# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for vmhang

_vmhang()
{
	local cur prev command i
	COMPREPLY=()
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} != -* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	case $command:$prev in
	:*)
		mapfile -t COMPREPLY < <(compgen -W \
			"list diagnose inside exits analyze explain check --help --version" -- "$cur")
		return
		;;
	diagnose:--save | inside:--save | exits:--save | exits:--replay | exits:--record)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	inside:--window | inside:--timeout | inside:--connect | diagnose:--window | diagnose:--deadline | diagnose:--connect | \
		exits:--interval | exits:--count | exits:--vcpu | exits:--for | exits:--connect)
		return
		;;
	exits:--event)
		mapfile -t COMPREPLY < <(compgen -W "vmexit mmio ioport msr" -- "$cur")
		return
		;;
	exits:--sort)
		mapfile -t COMPREPLY < <(compgen -W "samples time mean max name" -- "$cur")
		return
		;;
	exits:--backend)
		mapfile -t COMPREPLY < <(compgen -W "bpf perf statistics" -- "$cur")
		return
		;;
	esac
	case $command in
	diagnose)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--window --passive --no-trace --deadline --no-libvirt
				--connect --save --verbose --json --help" -- "$cur")
		else
			# Names with blanks in them are better typed by pid.
			mapfile -t COMPREPLY < <(compgen -W \
				"$(pgrep -f '^[^ ]*(qemu|kvm)' 2>/dev/null)" -- "$cur")
		fi
		;;
	inside)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--dmesg --follow --tasks --no-stacks --vmlinux --anew --stacks-folded
				--window --save --passive --timeout --no-libvirt --connect --verbose --json --help" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur"; compgen -W \
				"$(pgrep -f '^[^ ]*(qemu|kvm)' 2>/dev/null)" -- "$cur")
		fi
		;;
	exits)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--interval --count --vcpu --event --sort
				--no-keys --backend --save --replay --record --for --passive --no-libvirt --connect --json --help" \
				-- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W \
				"$(pgrep -f '^[^ ]*(qemu|kvm)' 2>/dev/null)" -- "$cur")
		fi
		;;
	analyze)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--save --verbose --json --help" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	explain)
		mapfile -t COMPREPLY < <(compgen -W \
			"--list --help $("${COMP_WORDS[0]}" explain --list 2>/dev/null | cut -d' ' -f1)" -- "$cur")
		;;
	list)
		mapfile -t COMPREPLY < <(compgen -W "--no-libvirt --json --help" -- "$cur")
		;;
	check)
		mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$cur")
		;;
	esac
}
complete -F _vmhang vmhang
