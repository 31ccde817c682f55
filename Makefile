# SPDX-License-Identifier: LGPL-2.1-or-later
# A thin front to meson. As root on Debian and Ubuntu it installs what is missing (scripts/setup);
# elsewhere it prints the packages and stops.
BUILD  ?= build
PREFIX ?= /usr/local

all: setup-build $(BUILD)/build.ninja
	@ninja -C $(BUILD) >$(BUILD)/make.log 2>&1 || { cat $(BUILD)/make.log; exit 1; }
	@echo "built $(BUILD)/vmhang"

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix $(PREFIX) >$(BUILD)-setup.log 2>&1 || { cat $(BUILD)-setup.log; exit 1; }
	@rm -f $(BUILD)-setup.log

# A really hung VM, and what vmhang says of it.
demo: setup-demo all
	@scripts/demo $(BUILD)/vmhang

# Everything: unit tests with gcc and with clang's sanitizers, floors, format, captured hosts, live VMs.
check: setup-check
	@scripts/check

# How right vmhang is: every scenario five times, healthy VMs 500 times; hours. Writes docs/accuracy.md. Before that,
# what it reads of guests with all kernels that there are.
nightly: setup-check all
	@tests/live/inside.py $(BUILD)/vmhang $(BUILD)/tests/inside-truth --all
	@lab/run --all --repeat 5 --healthy 500 --vmhang $(BUILD)/vmhang --keep $(BUILD)/wrong --write docs/accuracy.md

# What parses guests' memory, against hostile memory: a million executions of each target at least; an hour.
fuzz: setup-check
	@scripts/fuzz

install: all
	@meson install -C $(BUILD) --quiet

clean:
	rm -rf $(BUILD) build-check build-clang build-fuzz

setup-%:
	@scripts/setup $*

.PHONY: all demo check nightly fuzz install clean
