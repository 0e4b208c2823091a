#!/bin/bash
# workload.sh ROUNDS SECONDS MOST: have up to MOST containers, in every way there is, and
# kill what starts and supervises them; ROUNDS times everything, and on until SECONDS have
# passed. What is in a container says so in its environment. Prints how often it did what.
rounds=$1 end=$((SECONDS + $2)) most=$3 n=0
declare -A count

mark() { echo "BURROW_MARK=$USER/$1"; }
running() { burrow ps --format '{{.Names}}' 2>/dev/null; }
pick() { running | shuf -n 1; }
did() { count[$1]=$((${count[$1]:-0} + 1)); }

start() {
	local name=$1
	shift
	burrow run --name "$name" -e "$(mark "$name")" --network=none "$@" >/dev/null 2>&1
}

# one MODE NAME: containers outlive it, further processes do for a second or two.
one() {
	local c
	case $1 in
	detached) start "$2" -d busybox sleep 1000 ;;
	user) start "$2" -d --user $((RANDOM % 900 + 1)) busybox sh -c 'sleep 1000 & wait' ;;
	health) start "$2" -d --health-cmd 'sleep 0.2; : health' --health-interval 1s busybox sleep 1000 ;;
	foreground) start "$2" --rm busybox sh -c 'sleep 2 & sleep 1' & ;;
	kept) start "$2" busybox sh -c 'sleep 0.5' & ;;
	exec) c=$(pick) && burrow exec -u $((RANDOM % 900)) "$c" sh -c 'sleep 1 & sleep 0.7' >/dev/null 2>&1 & ;;
	exec-d) c=$(pick) && burrow exec -d "$c" sleep $((RANDOM % 4)) >/dev/null 2>&1 ;;
	unshare) burrow unshare env "$(mark -)" sleep 1 >/dev/null 2>&1 & ;;
	rm) burrow rm -f "$(pick)" >/dev/null 2>&1 ;;
	kill-engine) kill -KILL "$(pgrep -u "$UID" -f '^burrow ' | shuf -n 1)" 2>/dev/null ;;
	kill-both) # first who would have told of the end
		c=$(burrow inspect -f '{{.State.Pid}}' "$(pick)" 2>/dev/null) && [ "$c" -gt 1 ] &&
			kill -KILL "$(ps -o ppid= -p "$c" | tr -d ' ')" "$c" 2>/dev/null
		;;
	kill-payload) kill -KILL "$(pgrep -u "$UID" -f '^sleep 1000' | shuf -n 1)" 2>/dev/null ;;
	esac
}

starts=(detached user health)
others=(foreground kept exec exec exec-d exec-d unshare rm kill-engine kill-engine kill-payload kill-both)
while [ "$rounds" -gt 0 ] || [ "$SECONDS" -lt "$end" ]; do
	rounds=$((rounds - 1))
	for mode in $(shuf -e "${starts[@]}") $(shuf -e "${others[@]}" "${starts[@]}"); do
		case " ${starts[*]} " in
		*" $mode "*) [ "$(running | wc -l)" -lt "$most" ] || mode="rm" ;;
		esac
		n=$((n + 1))
		one "$mode" "$mode-$$-$n"
		did "$mode"
	done
done
wait
for mode in "${!count[@]}"; do echo "$mode ${count[$mode]}"; done | sort
