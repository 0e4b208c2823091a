#!/usr/bin/env bash
# Makes what comes out of the commands themselves: hack/generate.sh man|completion
# into .cache/man and .cache/completion.
set -euo pipefail
cd "$(dirname "$0")/.."

burrow=$PWD/bin/burrow
case ${1:-} in
man)
	rm -rf .cache/man
	mkdir -p .cache/man
	go run ./hack/mandoc -version "$("$burrow" version | sed -n '1s/^burrow //p')" \
		.cache/man "$burrow" bin/burrow-*
	;;
completion)
	mkdir -p .cache/completion
	"$burrow" completion bash >.cache/completion/burrow
	"$burrow" completion zsh >.cache/completion/_burrow
	"$burrow" completion fish >.cache/completion/burrow.fish
	;;
*)
	echo 'usage: hack/generate.sh man|completion' >&2
	exit 2
	;;
esac
