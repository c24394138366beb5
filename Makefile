# Every target is one line of what it does; the logic is in scripts/. `go build ./cmd/appd` works without any of it.
.DEFAULT_GOAL := help
GO   ?= go
PKGS ?= ./...
export GO

# git answers nothing about a clone that belongs to somebody else (sudo, a container), and go build then fails.
ifneq ($(shell { git rev-parse HEAD; } >/dev/null 2>&1 || echo no),)
export GOFLAGS := $(shell $(GO) env GOFLAGS) -buildvcs=false
endif

.PHONY: build run test race fuzz bench lint cover e2e soak clean help

build: ## bin/appd, and the Python engine beside it when a C compiler is there
	@scripts/build

run: ## build the example and serve it behind nginx over FastCGI, uwsgi and HTTP
	@scripts/run

test: ## all tests, against real fronts; installs those first where it may
	@scripts/install test
	$(GO) test -count=1 -timeout 15m $(PKGS)

# The detector's own is a second of sleep at the end of every process; the tests start thousands.
GORACE ?= atexit_sleep_ms=50

race: ## the tests under the race detector, without the slow ones
	@scripts/install test
	GORACE='$(GORACE)' $(GO) test -race -short -count=1 -timeout 15m $(PKGS)

fuzz: ## every fuzz target for FUZZTIME (default 30s)
	@scripts/fuzz

bench: ## appd beside net/http, net/http/fcgi, gunicorn and uWSGI, behind one nginx
	@scripts/install bench
	@scripts/bench

lint: ## gofmt, vet, go fix, shell syntax and golangci-lint (or staticcheck)
	@scripts/lint

cover: ## coverage of all packages, as cover.html
	@scripts/install test
	$(GO) test -short -count=1 -coverpkg=./... -coverprofile=cover.out $(PKGS)
	$(GO) tool cover -html=cover.out -o cover.html

e2e: ## only the tests behind real fronts, one line a test
	@scripts/install test
	$(GO) test -count=1 -timeout 20m -v ./internal/e2e

soak: ## reloads, recycles, scaling and upgrades under load, the long version
	@scripts/install test
	APPD_SOAK=1 $(GO) test -count=1 -timeout 60m -v -run 'Load|NothingIsLeft|LeavesNothing' ./internal/e2e ./supervisor ./server/python

clean: ## what the targets above made
	rm -rf bin cover.out cover.html

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 10
