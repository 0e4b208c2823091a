#!/usr/bin/env bash
# `make demo`: the main job, as an unprivileged user, with everything shown
# that a person wants to see. As root it makes a user, burrow-demo, and goes on
# as that one; as yourself it uses your account.
set -euo pipefail
cd "$(dirname "$0")/.."

# median prints the median of 15 runs of a command in milliseconds.
median() {
	local start
	for _ in $(seq 15); do
		start=$(date +%s%N)
		"$@" >/dev/null 2>&1 || return 1
		echo $((($(date +%s%N) - start) / 100000))
	done | sort -n | sed -n 8p | sed 's/.$/.& ms/'
}

# podman_times runs the same beside us, with store, runtime directory and the
# process that keeps its namespaces all for this one time.
podman_times() (
	image=localhost/burrow-demo
	command -v podman >/dev/null || exit 0
	store=$(mktemp -d)
	export XDG_RUNTIME_DIR=$store/xdg
	mkdir -m 0700 "$XDG_RUNTIME_DIR"
	podman() { command podman --root "$store/root" --runroot "$store/run" --storage-driver overlay "$@"; }
	tar -cf "$store/image.tar" -P --transform 's,.*/,bin/,' "$(command -v busybox)"
	if podman import -q "$store/image.tar" "$image" >/dev/null 2>"$store/err" &&
		podman run --rm --network=none "$image" busybox true 2>"$store/err"; then
		for t in none slirp4netns; do
			printf '    podman  --network=%-12s %s\n' "$t" "$(median podman run --rm --network="$t" "$image" busybox true)"
		done
	else
		echo "    podman does not run here: $(tail -n 1 "$store/err")"
	fi
	command podman unshare rm -rf "$store/root" "$store/run" >/dev/null 2>&1 || true
	pause=$(find "$XDG_RUNTIME_DIR" -name pause.pid -exec cat {} + 2>/dev/null) && [ -n "$pause" ] && kill "$pause"
	rm -rf "$store"
)

if [ "${1:-}" = podman ]; then
	podman_times
	exit
fi

if [ "$(id -u)" -eq 0 ]; then
	hack/test-user.sh burrow-demo
	export BURROW_USER=burrow-demo
	hack/as-user.sh hack/demo.sh
	# podman wants cgroup v2 and nothing else: give it that, in a mount
	# namespace of its own.
	unshare --mount --propagation private sh -c '[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
		{ umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; }; exec hack/as-user.sh hack/demo.sh podman'
	printf '\nYours to try:  bin/burrow run --rm -it host bash   (not as root)\n'
	exit
fi

me=$(id -un)
if ! grep -qE "^($me|$(id -u)):" /etc/subuid 2>/dev/null; then
	echo "$me has no sub-IDs yet; adding 65,536"
	sudo hack/test-user.sh "$me"
fi

burrow=$PWD/bin/burrow
work=$(mktemp -d)
jobs=()
finish() {
	local p
	"$burrow" rm -f demo-a demo-b >/dev/null 2>&1 || true
	for p in "${jobs[@]}"; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
	"$burrow" rmi localhost/burrow-demo >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap finish EXIT
cd "$work"

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# show prints a command as one would type it, then does it.
show() {
	printf '  $ burrow'
	printf ' %s' "${@@Q}" | sed "s/'\([][A-Za-z0-9_.,:=/{}-]*\)'/\1/g"
	echo
	"$burrow" "$@" 2>&1 | sed 's/^/    /'
}
# wait_for runs a command until it succeeds, for at most five seconds.
wait_for() {
	for _ in $(seq 50); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	echo "demo: gave up waiting for: $*" >&2
	return 1
}
running() { [ "$("$burrow" inspect -f '{{.State.Running}}' "$1")" = true ]; }

title "1. This host, as $me (UID $(id -u)) sees it"
fit=0
report=$("$burrow" doctor) || fit=$?
tail -n 1 <<<"$report" | sed 's/^/    /'
grep -A 2 -E '^(warn|FAIL)' <<<"$report" | sed 's/^/    /' || true
[ "$fit" -eq 0 ] || exit "$fit" # what is in the way has been said, and how to mend it

title '2. The built-in image "host": this machine, read-only, with a throw-away working tree'
echo 'mine' >precious
show run --rm --network=none host sh -c 'id; echo gone >precious; cat precious; touch /usr/x || true'
echo "    and afterwards, outside: $(cat precious)"

title '3. An image made here'
root=$work/root
mkdir -p "$root"/{bin,etc,proc,sys,dev,tmp,root,var/lib/db}
cp "$(command -v busybox)" "$root/bin/busybox"
for a in $("$root/bin/busybox" --list); do [ "$a" = busybox ] || ln -s busybox "$root/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\ndb:x:70:70::/var/lib/db:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\ndb:x:70:\n' >"$root/etc/group"
chmod 1777 "$root/tmp"
tar -C "$root" --owner=0 --group=0 --numeric-owner --exclude=./var/lib/db -cf image.tar .
tar -C "$root" --owner=70 --group=70 --numeric-owner -rf image.tar ./var/lib/db
show import image.tar localhost/burrow-demo
show run --rm --user db localhost/burrow-demo sh -c 'id; stat -c "%n belongs to %U (%u)" /var/lib/db'

title '4. Two containers of it: IDs of their own'
port=$((20000 + RANDOM % 10000))
for name in demo-a demo-b; do
	port=$((port + 1))
	"$burrow" run --rm --name "$name" --user db -p "127.0.0.1:$port:8080" localhost/burrow-demo \
		sh -c 'cd /tmp; echo "hello from $HOSTNAME" >index.html; exec httpd -f -p 8080' &
	jobs+=($!)
	wait_for running "$name"
done
show ps
for name in demo-a demo-b; do
	pid=$("$burrow" inspect -f '{{.State.Pid}}' "$name")
	echo "  $name, process $pid: inside 70 (db), on the host UID $(stat -c %u "/proc/$pid")"
	echo "    container  host     count"
	sed 's/^ */    /; s/  */ /g' "/proc/$pid/uid_map" | awk '{printf "    %-10s %-8s %s\n", $1, $2, $3}'
done
show whois --uid "$(stat -c %u "/proc/$pid")"
show whois "$pid"

title '5. How it is confined'
"$burrow" inspect -f '    capabilities   {{range .SecurityReport.Capabilities.Bounding}}{{.}} {{end}}
    no_new_privs   {{.SecurityReport.NoNewPrivileges}}
    seccomp        {{.SecurityReport.Seccomp.Mode}}, {{.SecurityReport.Seccomp.Profile}} profile
    Landlock       {{.SecurityReport.Landlock.Mode}}, ABI {{.SecurityReport.Landlock.ABI}}
    SELinux        {{.SecurityReport.SELinux.Mode}}
    AppArmor       {{.SecurityReport.AppArmor}}
    relaxations    {{.SecurityReport.Deviations}}' demo-a
grep -E '^(NoNewPrivs|Seccomp|CapEff):' "/proc/$pid/status" | sed 's/^/    the kernel says /'

title '6. Network'
port=$((port + 1))
busybox httpd -f -p "127.0.0.1:$port" -h "$work" &
jobs+=($!)
reach='bash -c "</dev/tcp/$0/$1" 2>/dev/null && echo "reached $0" || echo "no way to $0"'
wait_for bash -c "</dev/tcp/127.0.0.1/$port"
echo "  from the host, a server on its loopback: $(sh -c "$reach" 127.0.0.1 "$port")"
show run --rm host sh -c 'ip -4 -brief addr; cat /etc/resolv.conf'
show run --rm host sh -c "$reach" 10.0.2.2 "$port"
echo "  what demo-b publishes, from the host: $(busybox wget -qO- "http://127.0.0.1:$((port - 1))/index.html")"

title '7. Start time, median of 15'
for net in none slirp4netns; do
	printf '    burrow  --network=%-12s %s\n' "$net" "$(median "$burrow" run --rm --network="$net" localhost/burrow-demo true)"
done
if [ -z "${BURROW_USER:-}" ]; then
	podman_times
	printf '\nYours to try:  bin/burrow run --rm -it host bash\n'
fi
