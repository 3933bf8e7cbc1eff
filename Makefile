# Two commands are enough on a fresh Debian 12 machine, as root: `make demo` and `make test`.

PYTHON := /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What the product needs (BCC, the user API headers, iproute2's tc and ip for the tests' networks) and
# what the tests and the demo drive it with. None of these starts a service.
PACKAGES := python3-bpfcc python3-venv linux-libc-dev bpftool chromium chromium-driver clang-format curl dnsmasq-base dnsutils git \
	gcc iperf3 iproute2 iptables libc6-dev liblua5.3-0 libopentracing-c-wrapper0 libpcre2-8-0 libssl3 nftables procps rsync strace \
	systemd tmux util-linux wrk
# Their packages start a server when they are installed, so they are only unpacked, below the environment.
UNPACKED := haproxy nginx prometheus prometheus-node-exporter

.PHONY: setup demo test lint unit kernel stress bench clean help

help:
	@echo "make demo   set up, then serve samples/quickstart with real traffic"
	@echo "make test   set up, then run every check and test"
	@echo "make lint | unit | kernel   parts of make test"
	@echo "make stress   the long versions: hundreds of kills, a long fuzz"
	@echo "make bench    ratios against nftables, iptables, haproxy and bare readers, on this machine"

setup: $(READY)

# --system-site-packages: Debian's bcc lives there and is not on PyPI.
$(READY): pyproject.toml Makefile
	@missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing:$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@for package in $(UNPACKED); do \
		test -e $(VENV)/debian/.$$package && continue; \
		echo "unpacking: $$package"; \
		mkdir -p $(VENV)/debian && cd $(VENV)/debian && rm -f $${package}_*.deb && \
		{ apt-get download -qq $$package 2>/dev/null || { apt-get update -qq && apt-get download -qq $$package; }; } 2>&1 | grep -v '^W: Download is performed unsandboxed'; \
		dpkg -x $${package}_*.deb . && rm -f $${package}_*.deb && touch .$$package && cd - >/dev/null || exit 1; \
	done
	@test -x $(BIN)/python || $(PYTHON) -m venv --system-site-packages $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/python samples/quickstart/demo/run.py

# Three workers, each with whole files: much of a test is waiting, and nothing that tests make is shared between files.
# In the order of the folders, not by the number of tests: kernel tests are few and long, those of tests/unit, which
# then come last, many and short, so that no worker is left with a long file at the end.
test: $(READY) lint
	@$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@clang-format --dry-run --Werror $$(git ls-files 'bpf/*.c' 'bpf/*.h')

unit: $(READY)
	@$(BIN)/pytest tests/unit tests/property tests/cli tests/samples

kernel: $(READY)
	@$(BIN)/pytest tests/kernel tests/netns

stress: $(READY)
	@$(BIN)/pytest -m stress --timeout 3600

bench: $(READY)
	@$(BIN)/python -m tests.bench --json bench.json

clean:
	rm -rf $(VENV) build dist *.egg-info
