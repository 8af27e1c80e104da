# `make` shows what there is. CI does not use make: .ci/run is the list of what a change must pass.
GO       ?= go
FUZZTIME ?= 30s
BENCH    ?= .
COUNT    ?= 1

# The linter is kept here by its pinned version; the folder is ignored by git.
export TOOLS ?= $(CURDIR)/.cache

RACE = ./internal/... ./sender/... $(if $(wildcard integration/*.go),./integration/...)

.DEFAULT_GOAL := help
.PHONY: help build test vet race lint fix fmt fuzz bench chaos netns upgrade soak list demo nodeclient asyncapi golden vuln nested release lines ci clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## static bin/worker and bin/enqueue, what the Dockerfile copies
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/ ./cmd/worker ./cmd/enqueue

test: ## all tests
	$(GO) test ./...

vet: ## go vet
	$(GO) vet ./...

race: ## tests under the race detector (needs a C compiler)
	$(GO) test -race $(RACE)

lint: ## golangci-lint at its pinned version (.ci/lint); the first run installs it
	bash .ci/lint

fix: ## lint, and apply what the linters offer to mend
	bash .ci/lint fix

fmt: ## gofumpt and import order
	bash .ci/lint fmt

fuzz: ## each fuzz function for FUZZTIME (30s)
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
	  for target in $$($(GO) test -list '^Fuzz' "$$dir" | grep '^Fuzz'); do \
	    echo "== $$dir $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir"; \
	  done; \
	done

chaos: ## kills workers and servers, prints who was lost or sent to twice; CUT=1 for a few minutes of it, TABLE=FILE
	$(GO) test -tags chaosrun -run '^TestChaos$$' -count=1 -v -timeout 60m ./integration -args $(if $(CUT),-cut) $(if $(TABLE),-table $(abspath $(TABLE)))

upgrade: ## workers of earlier commits beside today's: an upgrade and a way back, with the books checked (needs the whole history)
	$(GO) test -tags chaosrun -run '^TestSideBySide$$' -count=1 -v -timeout 10m ./integration

netns: ## a cluster across network namespaces: cables pulled, links made narrow; Linux, iproute2, root or user namespaces; CUT=1, TABLE=FILE
	bash .ci/netns $(if $(CUT),-cut) $(if $(TABLE),-table $(abspath $(TABLE)))

bench: ## benchmarks matching BENCH (all), COUNT times (1; 10 for benchstat)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

soak: ## two million notifications through one worker: memory, descriptors and goroutines stay flat (a few minutes)
	go test -tags soak -count=1 -timeout 30m -run '^TestSoak$$' -v ./integration

list: ## a list of five million recipients through enqueue, shown and published: prints the most memory it took (at most 100 MiB)
	$(GO) test -count=1 -run '^TestListOfAnyLength' -v ./cmd/enqueue -args -ids 5000000

demo: ## a campaign through the real system against simulators, with its books checked
	$(GO) run ./cmd/worker demo

nodeclient: ## a job published from Node and its event (needs node and npm)
	bash .ci/nodeclient

asyncapi: ## api/asyncapi.yaml through AsyncAPI's own parser (needs node and npm)
	bash .ci/asyncapi

golden: ## writes api/go and api/interface anew: exported names, flags, settings, streams
	$(GO) test -count=1 ./internal/apigolden -update

vuln: ## known vulnerabilities in what the programs call, with govulncheck; prints "not run: no database" where there is none
	bash .ci/vuln

nested: ## the modules of their own: docker-compose.yml without an engine, the commands of the README, dashboard and alerts
	@set -e; for module in integration/*/go.mod; do (cd "$$(dirname "$$module")" && $(GO) test -count=1 ./...); done

release: ## archives, bills of materials, chart and checksums in dist/, after the chart was linted and rendered; publishes nothing
	cd integration/helm && $(GO) test -count=1 ./...
	bash .ci/release

lines: ## deletes each line of CONTRIBUTING's table in a copy and demands that its test goes red
	$(GO) run ./.ci/lines

ci: ## everything a change must pass
	bash .ci/run

clean: ## removes what make built
	rm -rf bin dist .cache integration/nodeclient/node_modules examples/node/node_modules
