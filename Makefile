# `make` alone lists what there is.
SHELL := bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# What `make run` gives to selvedge: parameters of the pipeline, as -p name=value.
PARAMETERS ?=
SELVEDGE := target/debug/selvedge
RUN := run --serve $(if $(ONCE),--once) $(if $(SEQUENTIAL),--sequential) $(if $(PORT),--port $(PORT)) \
  $(if $(STORE),--store $(STORE)) $(if $(SOURCE),--source $(SOURCE)) $(foreach p,$(PARAMETERS),-p $(p))

.PHONY: help setup build run up test e2e e2e-full images images-load images-push lint format bench bench-images clean

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14
	@echo 'run takes ONCE=1, SEQUENTIAL=1, PORT=8080, STORE=file:///folder, SOURCE=file:///folder, PARAMETERS="seed=2 floor=0.9"'

setup: ## fetches libtorch and Fashion-MNIST, once
	@scripts/libtorch
	@scripts/fashion-mnist

build: setup ## compiles everything
	@$(CARGO) build --workspace --bins

run: build ## the whole pipeline on this machine, served at http://127.0.0.1:8080; ONCE=1 asks ten images and ends
	@$(SELVEDGE) $(RUN)

up: build ## three replicas and the balancer on what the store holds
	@$(SELVEDGE) up $(if $(PORT),--port $(PORT)) $(if $(STORE),--store $(STORE))

test: build ## all tests
	@CARGO='$(CARGO)' scripts/test

e2e: build ## tests on a real cluster: KUBECONFIG's, or one started here; TEST=name picks, REGISTRY=… is for one elsewhere
	@CARGO='$(CARGO)' REGISTRY='$(REGISTRY)' TEST='$(TEST)' scripts/e2e

e2e-full: build ## the same with the long ones: the whole Retry matrix
	@CARGO='$(CARGO)' REGISTRY='$(REGISTRY)' TEST='$(TEST)' FULL=1 scripts/e2e

images: build ## container images, by docker or buildah; NAMES="train balance" picks
	@CARGO='$(CARGO)' scripts/images/build $(NAMES)

images-load: ## gives them to the cluster of KUBECONFIG: kind, k3d or scripts/cluster
	@scripts/images/load $(NAMES)

images-push: ## gives them to a registry: REGISTRY=registry.example.org/team
	@REGISTRY='$(REGISTRY)' scripts/images/push $(NAMES)

lint: setup ## formatting, clippy, YAML
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --features selvedge-tests/cluster --quiet -- -D warnings
	@$(CARGO) run --quiet --package selvedge -- check

format: ## formats the code
	@$(CARGO) fmt --all

bench: build ## every benchmark, one after the other
	@$(CARGO) bench --workspace --profile dev --quiet --bench '*'

bench-images: ## start of the light binaries in their containers, on the cluster
	@scripts/bench-images

clean: ## removes what was built and the local store; what was downloaded stays in the user's cache
	rm -rf target .selvedge .data .libtorch
