# Burrow's one door for people and for CI: `make help` lists the rooms.
# Every target works as root and as a user with sudo.

SHELL   := /bin/bash
PREFIX  ?= /usr/local
DESTDIR ?=

MODULE  := github.com/burrow-run/burrow
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TAGS    ?= seccomp exclude_graphdriver_btrfs containers_image_openpgp osusergo netgo
# pkcs11 and glibc's resolver would load libraries at run time; neither is used.
# Newer linkers can be told not to warn of that.
QUIET   := $(shell ld --help 2>/dev/null | grep -q -- --no-warnings && echo ' -Wl,--no-warnings')
LDFLAGS := -s -w -X main.version=$(VERSION) -linkmode external -extldflags "-static$(QUIET)"
PROGRAMS = $(notdir $(wildcard cmd/*))

# Tools are built once into .cache/bin and stay out of go.mod.
GOLANGCI := v2.12.2
VULNCHECK := v1.8.0
TOOLS    := .cache/bin

FUZZTIME ?= 1m

export CGO_ENABLED := 1
# The version is stamped by LDFLAGS; asking git again fails in a clone owned by someone else.
export GOFLAGS := -buildvcs=false

.DEFAULT_GOAL := build

##@ Use
.PHONY: demo
demo: ## install what is missing, build, run the main job and show what it gives
	@hack/install-deps.sh build run demo
	@$(MAKE) --no-print-directory build
	@hack/demo.sh

.PHONY: build
build: $(addprefix bin/,$(PROGRAMS)) ## every executable, static, into bin/

bin/%: .FORCE
	@pkg-config --exists libseccomp 2>/dev/null || hack/install-deps.sh build
	@hack/unless-same.sh $@ go build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*

.PHONY: install
install: build man completion ## executables, man pages, completions, profiles under PREFIX
	@hack/install.sh install '$(DESTDIR)' '$(PREFIX)'

.PHONY: uninstall
uninstall: ## remove what `make install` with the same PREFIX put there
	@hack/install.sh uninstall '$(DESTDIR)' '$(PREFIX)'

##@ Test
.PHONY: test
test: ## install what tests need, run all of them: as a user, as root, in the machine
	@hack/install-deps.sh build run test
	@hack/test-fixtures.sh programs
	@$(MAKE) --no-print-directory build
	@hack/test.sh all

.PHONY: test-unit
test-unit: ## packages beside the code, as whoever calls
	@hack/test.sh unit

.PHONY: test-race
test-race: ## the same under the race detector
	@hack/test.sh race

.PHONY: test-e2e
test-e2e: build ## the scripts of cmd/burrow, as an unprivileged user
	@hack/install-deps.sh run test
	@hack/test-fixtures.sh programs
	@hack/test.sh e2e

.PHONY: test-vm
test-vm: build ## the virtual machine: systemd, cgroup limits, SELinux, auditd
	@hack/install-deps.sh run test
	@hack/test-fixtures.sh
	@hack/test.sh vm

.PHONY: test-security
test-security: build ## the tests of known attacks (docs/security.md), as a table with the results
	@hack/install-deps.sh run test
	@hack/test-fixtures.sh
	@hack/test.sh security

.PHONY: test-controls
test-controls: build ## take mitigations out of the code, one at a time: a test must fail
	@hack/install-deps.sh run test
	@hack/test-fixtures.sh
	@hack/test.sh controls

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME
	@FUZZTIME=$(FUZZTIME) hack/test.sh fuzz

.PHONY: cover
cover: ## unit test coverage into .cache/cover.html
	@hack/test.sh cover

.PHONY: bench
bench: build ## measure beside podman, crun, runc and bubblewrap; write docs/performance.md
	@hack/install-deps.sh run test bench
	@hack/test-fixtures.sh
	@bench/run.sh

.PHONY: compare
compare: build ## ask other engines the same questions; write the table of docs/security.md
	@hack/install-deps.sh run test bench
	@hack/test-fixtures.sh
	@hack/compare.sh

##@ Keep
.PHONY: check
check: fmt-check lint tidy-check vuln text-check reproducible test ## all that a change must pass

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint-$(GOLANGCI) ## gofumpt and goimports
	$< fmt

.PHONY: fmt-check
fmt-check: $(TOOLS)/golangci-lint-$(GOLANGCI) ## the same, only saying
	$< fmt --diff

.PHONY: lint
lint: $(TOOLS)/golangci-lint-$(GOLANGCI) ## golangci-lint, which also draws the architecture
	$< run

.PHONY: vuln
vuln: $(TOOLS)/govulncheck-$(VULNCHECK) ## known vulnerabilities that our code reaches
	@hack/vuln.sh $< '$(TAGS)'

.PHONY: reproducible
reproducible: ## build twice, in two places and once without a cache: the same bytes
	@hack/install-deps.sh build
	@hack/reproducible.sh

.PHONY: sbom
sbom: build ## what the executables are made of (CycloneDX), into .cache/burrow.cdx.json
	@mkdir -p .cache
	@go run ./hack/sbom $(addprefix bin/,$(PROGRAMS)) >.cache/burrow.cdx.json.new
	@mv .cache/burrow.cdx.json.new .cache/burrow.cdx.json
	@echo .cache/burrow.cdx.json

.PHONY: text-check
text-check: ## the scripts (shellcheck), and spelling (codespell)
	@hack/install-deps.sh check
	shellcheck -e SC2016 hack/*.sh bench/*.sh .ci/run
	codespell --skip .git,bin,.cache,go.sum,LICENSE,testdata --ignore-words hack/codespell-ignore .

.PHONY: tidy
tidy: ## go.mod and go.sum
	go mod tidy

.PHONY: tidy-check
tidy-check: ## fails when `make tidy` would change something
	go mod tidy -diff

.PHONY: generate
generate: man completion ## whatever is made from the code

.PHONY: man
man: build ## man pages from the commands, into .cache/man
	@hack/generate.sh man

.PHONY: completion
completion: build ## shell completion from the commands, into .cache/completion
	@hack/generate.sh completion

.PHONY: clean
clean: ## remove bin/ and .cache/ (not /var/tmp/burrow-test, the test images)
	rm -rf bin .cache

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(TOOLS)/golangci-lint-$(GOLANGCI):
	GOFLAGS= CGO_ENABLED=0 GOBIN=$(CURDIR)/$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/govulncheck-$(VULNCHECK):
	GOFLAGS= CGO_ENABLED=0 GOBIN=$(CURDIR)/$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@$(VULNCHECK)
	mv $(TOOLS)/govulncheck $@

.PHONY: .FORCE
.FORCE:
