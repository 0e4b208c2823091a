#!/bin/sh
# programs.sh FILE MIRROR: a Debian root filesystem with programs that people run, as a
# tar with numeric owners. Needs root, debootstrap and a mirror; two minutes, once.
set -eu
file=$1 mirror=$2
[ ! -s "$file" ] || exit 0
install -d -m 0755 "$(dirname "$file")"
exec 9>"$file.lock"
flock 9
[ ! -s "$file" ] || exit 0
work=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
debootstrap --variant=minbase \
	--include=nginx-light,postgresql,gcc,libc6-dev,make,python3,libpython3.11-testsuite,procps,iproute2,ca-certificates \
	bookworm "$work/root" "$mirror" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/dev/* \
	"$work"/root/usr/share/doc/* "$work"/root/usr/share/man/* "$work"/root/usr/share/locale/*
tar --numeric-owner --xattrs --one-file-system -C "$work/root" -cf "$work/tar" .
chmod 0644 "$work/tar"
mv "$work/tar" "$file"
