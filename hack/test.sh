#!/usr/bin/env bash
# Runs tests: hack/test.sh all|unit|race|e2e|vm|security|controls|fuzz|cover
#
# `all` runs every package three ways, stopping at the first that fails, so
# that what is printed last is always go test's own summary:
#
#   1. as an unprivileged user: what Burrow is for (as root, a user is made)
#   2. as root: Burrow must never be weaker for it (but for what takes minutes
#      and is alike for both: programs in containers, kill sweeps, storms)
#   3. test/vm: what needs systemd, SELinux or auditd, in a machine of its own
#
# Results are cached by go test, so a second run repeats only what changed.
set -euo pipefail
cd "$(dirname "$0")/.."

tags='seccomp exclude_graphdriver_btrfs containers_image_openpgp'
here=$PWD

# What the second way leaves out.
alike='^(TestPrograms|TestKillSweep.*|TestParallelOn.*|TestManyAtOnce|TestCopyRace)$'

# Tests need no static executable, so they skip the external static link.
gotest() { go test -tags "$tags" "$@"; }

packages() { go list -tags "$tags" ./... | grep -v '/test/vm$'; }

note() { printf '\n== %s\n' "$*"; }

# What is run with -exec go test runs each time anew, but for root and the user it has
# to be another: so all of go runs as the other, who reads the caller's modules and has
# a build cache of his own.
other_go() {
	go list -tags "$tags" -test -deps ./... >/dev/null # so all modules are there
	other=(env GOPROXY=off GOTOOLCHAIN=local GOFLAGS="$(go env GOFLAGS) -buildvcs=false")
}

as_user() {
	if [ "$(id -u)" -ne 0 ]; then
		gotest "$@"
		return
	fi
	hack/test-user.sh
	other_go
	other+=(BURROW_MODULES="$(go env GOMODCACHE)" hack/as-user.sh "$(command -v go)")
	if "${other[@]}" list -tags "$tags" -test -deps ./... >/dev/null; then
		"${other[@]}" test -tags "$tags" "$@"
	else # root's modules are not for others to read
		gotest -exec "$here/hack/as-user.sh" "$@"
	fi
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		gotest "$@"
	elif command -v sudo >/dev/null; then
		other_go
		sudo --preserve-env -- "${other[@]}" GOMODCACHE="$(go env GOMODCACHE)" GOCACHE=/var/tmp/burrow-test/go-root \
			"$(command -v go)" test -tags "$tags" "$@"
	else
		echo 'skipped: neither root nor sudo'
	fi
}

vm() {
	[ -d test/vm ] || return 0
	note 'in the virtual machine'
	# Building the machine, once, needs root; its parts are cached in .cache/vm.
	as_root -timeout 25m ./test/vm
}

fuzz() {
	local file name dir
	while IFS=: read -r file name; do
		dir=./$(dirname "$file")
		note "$dir $name"
		gotest -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-1m}" "$dir"
	done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed 's/func //')
}

case ${1:-all} in
all)
	mkdir -p .cache # else the directory above is another one the second time
	mapfile -t pkgs < <(packages)
	note 'as an unprivileged user'
	as_user -timeout 15m "${pkgs[@]}"
	note 'as root'
	as_root -timeout 15m -skip "$alike" "${pkgs[@]}"
	vm
	;;
unit)
	mapfile -t pkgs < <(packages | grep -v '/cmd/')
	gotest "${pkgs[@]}"
	;;
race)
	mapfile -t pkgs < <(packages | grep -v '/cmd/')
	gotest -race "${pkgs[@]}"
	;;
e2e) as_user -timeout 15m ./cmd/... ;;
vm) vm ;;
security | controls)
	[ "$(id -u)" -ne 0 ] || hack/test-user.sh "${BURROW_USER:-burrow-test}"
	verb=$1
	shift
	if [ "$verb" = security ]; then verb=run; fi
	go run -tags "$tags" ./hack/cases "$verb" "$@"
	;;
fuzz) fuzz ;;
cover)
	mkdir -p .cache
	mapfile -t pkgs < <(packages)
	gotest -coverprofile .cache/cover.out "${pkgs[@]}"
	go tool cover -html .cache/cover.out -o .cache/cover.html
	go tool cover -func .cache/cover.out | tail -n 1
	;;
*)
	echo 'usage: hack/test.sh all|unit|race|e2e|vm|security|controls|fuzz|cover' >&2
	exit 2
	;;
esac
