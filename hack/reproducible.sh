#!/usr/bin/env bash
# hack/reproducible.sh: builds the committed and changed sources twice, in two
# directories and by two users' settings, the second time without Go's build
# cache, and fails if an executable differs.
#
# What the two have in common is this machine's compilers and C libraries: the
# executables are static, so another libseccomp gives other bytes (make sbom).
set -euo pipefail
cd "$(dirname "$0")/.."

at=$(mktemp -d /var/tmp/burrow-reproducible-XXXXXX)
trap 'chmod -R u+w "$at"; rm -rf "$at"' EXIT
version=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)

# build DIRECTORY [NAME=VALUE...]: what is tracked or new goes there, and is built.
build() {
	local dir=$1
	shift
	mkdir -p "$dir"
	git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
		tar --create --null --files-from=- | tar --extract --directory "$dir"
	env "$@" make --no-print-directory -C "$dir" build VERSION="$version" >"$dir.log" 2>&1 || {
		cat "$dir.log" >&2
		exit 1
	}
}

build "$at/a"
(
	umask 077
	build "$at/elsewhere/and deeper" GOCACHE="$at/cache" TZ=Asia/Tokyo LC_ALL=C.UTF-8 TMPDIR="$at/elsewhere"
)
status=0
for f in "$at"/a/bin/*; do
	name=${f##*/}
	first=$(sha256sum <"$f") second=$(sha256sum <"$at/elsewhere/and deeper/bin/$name")
	if [ "$first" = "$second" ]; then
		echo "reproducible: $name ${first%% *}"
	else
		echo "reproducible: $name DIFFERS: ${first%% *} and ${second%% *}" >&2
		status=1
	fi
done
exit $status
