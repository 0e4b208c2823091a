#!/usr/bin/env bash
# Makes the root filesystems that tests and benchmarks run on, once:
#
#   hack/test-fixtures.sh [programs]
#
#   /var/tmp/burrow-test/debian.tar    Debian minbase, owners as numbers
#   /var/tmp/burrow-test/busybox.tar   static busybox with its applets
#   /var/tmp/burrow-test/programs.tar  Debian with programs that people run: if asked for
#
# Safe to call at any time and by several at once: one builder at a time, each
# file appears whole or not at all. What another version of this file has made is
# made anew: a test must not pass with what no new machine has.
set -euo pipefail

dir=${BURROW_TEST_DIR:-/var/tmp/burrow-test}
suite=bookworm
recipe=$(sha256sum <"$0")

made() { [ "$(cat "$dir/.recipe" 2>/dev/null)" = "$recipe" ]; }

names=(busybox debian "$@")
lacking() { for name in "${names[@]}"; do [ -s "$dir/$name.tar" ] || return 0; done; return 1; }

if made && ! lacking; then
	exit 0
fi

# debootstrap and the owners in the tar need root.
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "test-fixtures: needs root once: sudo $0" >&2; exit 1; }
	exec sudo -- env BURROW_TEST_DIR="$dir" "$0" "$@"
fi

install -d -m 0755 "$dir"
exec 9>"$dir/.fixtures.lock"
flock 9
made || rm -f "$dir"/{debian,busybox,programs}.tar

work=$(mktemp -d "$dir/.make.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# publish FILE NAME: the finished file takes its name unless another builder was first.
publish() {
	chmod 0644 "$1"
	ln "$1" "$dir/$2" 2>/dev/null || [ -s "$dir/$2" ]
}

# mirror prints the Debian mirror that apt uses here.
mirror() {
	local found
	found=$({
		sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
		sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
	} 2>/dev/null | grep -v security | grep -m 1 debian) || true
	[ -n "$found" ] || {
		echo 'test-fixtures: /etc/apt names no Debian mirror' >&2
		return 1
	}
	echo "$found"
}

if [ ! -s "$dir/busybox.tar" ]; then
	root=$work/busybox
	install -d "$root"/{bin,etc,dev,proc,sys,root,tmp,var,home}
	chmod 1777 "$root/tmp"
	install -m 0755 "$(command -v busybox)" "$root/bin/busybox"
	"$root/bin/busybox" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	cat >"$root/etc/passwd" <<-'EOF'
		root:x:0:0:root:/root:/bin/sh
		daemon:x:1:1:daemon:/usr/sbin:/bin/false
		www-data:x:33:33:www-data:/var/www:/bin/false
		nobody:x:65534:65534:nobody:/:/bin/false
	EOF
	printf '%s\n' root:x:0: daemon:x:1: www-data:x:33: nogroup:x:65534: >"$root/etc/group"
	tar --numeric-owner --owner=0 --group=0 -C "$root" -cf "$work/busybox.tar" .
	publish "$work/busybox.tar" busybox.tar
fi

# bootstrap NAME OPTION...: a Debian root filesystem.
bootstrap() {
	local root=$work/$1 from
	shift
	from=$(mirror)
	if ! debootstrap --variant=minbase "$@" "$suite" "$root" "$from" >"$work/log" 2>&1; then
		tail -n 20 "$work/log" >&2
		exit 1
	fi
	rm -f "$root"/var/cache/apt/archives/*.deb
}

# publish_root NAME: it becomes NAME.tar.
publish_root() {
	tar --numeric-owner --xattrs --one-file-system -C "$work/$1" -cf "$work/$1.tar" .
	publish "$work/$1.tar" "$1.tar"
}

if [ ! -s "$dir/debian.tar" ]; then
	echo 'test-fixtures: making a Debian root filesystem (a minute, once)'
	bootstrap debian
	publish_root debian
fi

if [ "${1:-}" = programs ] && [ ! -s "$dir/programs.tar" ]; then
	echo 'test-fixtures: making a Debian with programs (two minutes, once)'
	bootstrap programs --include=nginx-light,postgresql,gcc,libc6-dev,make,python3,libpython3.11-testsuite,procps,iproute2,ca-certificates
	rm -rf "$work"/programs/{var/lib/apt/lists,dev,usr/share/doc,usr/share/man,usr/share/locale}/*
	publish_root programs
fi
echo "$recipe" >"$dir/.recipe"
