# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
FUZZTIME ?= 30s
TALLY := $(GO) run ./deploy/ci/tally -skips deploy/ci/skips.txt

.PHONY: help build build-all demo test race lint generate generate-check conformance loss bench bench-detect fuzz street street-big nightly clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

build: ## both binaries, static, into bin/
	$(BUILD) -o bin/weir-sensor ./sensor
	$(BUILD) -o bin/weir-analyzer ./analyzer

build-all: ## both binaries for linux amd64 and arm64, into bin/
	for arch in amd64 arm64; do for side in sensor analyzer; do \
	  GOOS=linux GOARCH=$$arch $(BUILD) -o bin/weir-$$side-linux-$$arch ./$$side; done; done

demo: build ## watch a thief being caught in real packets (root: from the wire; else from a generated capture)
	$(GO) run ./deploy/demo

test: ## every test that needs neither other machines nor hours
	$(GO) test -json ./... | $(TALLY)

race: ## the same under the race detector
	$(GO) test -race -json ./... | WEIR_RACE=1 $(TALLY)

street: build ## real binaries, real servers and clients in network namespaces (root)
	cd deploy/street/peers/grpc && CGO_ENABLED=0 $(GO) build -o ../../../../bin/street-grpc .
	WEIR_STREET=1 $(GO) test -count=1 -json ./deploy/street/... ./deploy/demo | $(TALLY)

street-big: build ## the large bodies of the street, 5 GB each (root; some minutes)
	WEIR_STREET=1 WEIR_STREET_BIG=1 $(GO) test -count=1 -timeout 30m -json -run TestDifferentialLarge ./deploy/street | $(TALLY)

lint: ## gofmt, vet, staticcheck
	@out=$$(gofmt -l sensor analyzer proto deploy); test -z "$$out" || { echo "gofmt would change: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=deploy/tools/go.mod staticcheck ./...

generate: ## make the generated code again
	cd deploy/tools && $(GO) tool protogen ../../proto/wire ../../proto/wire weir/v1/weir.proto

generate-check: generate ## fail when the committed generated code is not what generate makes
	git diff --exit-code -- proto/wire || { echo "run 'make generate' and commit the result"; exit 1; }

conformance: build ## score the sensor on captures with truth: the project's own, and ../shared/cases/http when present
	$(GO) run ./deploy/bench/conformance

loss: ## what becomes of the account when packets are lost: recall, owners, bytes, by kind and rate
	$(GO) run ./deploy/bench/lossbench

bench: ## ns, bytes and allocations per packet and exchange
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./sensor/... ./analyzer/... ./proto/...)

WORLD ?= 21
bench-detect: ## the detection benchmark: a world of 10,000 principals (WORLD=seed), false alerts and what was found
	$(GO) run ./deploy/bench/exfilbench gen -tokens 10000 -seed $(WORLD) -dir .cache/world-$(WORLD)
	$(GO) run ./deploy/bench/detectbench -dir .cache/world-$(WORLD) -shipped
	$(GO) run ./deploy/bench/exfilbench score -dir .cache/world-$(WORLD) -alerts .cache/world-$(WORLD)/alerts.csv

fuzz: ## every fuzz target for FUZZTIME (30s)
	FUZZTIME=$(FUZZTIME) deploy/ci/fuzz.sh

nightly: lint race conformance loss street street-big ## everything, for hours: an hour of fuzzing for each target
	FUZZTIME=1h deploy/ci/fuzz.sh
	$(MAKE) bench

clean: ## remove what was built
	rm -rf bin
