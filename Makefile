# A list of what there is to do; how it is done stands in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo loop-demo test trainer setup lint web pictures cross deb deploy release env
export FIELDS FRAMES TARGET BINARY HOST PORT PRESET DEVICE DEB KEY UNSIGNED

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: ## run the board's part on drawn fields, without camera or broker; page on http://127.0.0.1:8787 (FIELDS=5 ends after 5, FRAMES=dir: your images)
	@scripts/demo.sh

loop-demo: ## show how a board's reviewed cells teach its next model, from the first field to the model that judges the next one
	@scripts/loop-demo.sh

test: ## get what is missing, then run all tests
	@scripts/test.sh

trainer: ## get libtorch and build smearscope-train
	@scripts/trainer.sh

setup: ## get all that tests and builds need, and do nothing else
	@scripts/setup-tests.sh

lint: ## formatting, clippy, dependencies, shell scripts, systemd units
	@scripts/lint.sh

web: ## make the page's built form, edge/web/dist, anew
	@scripts/web-build.sh

pictures: ## make the README's pictures, docs/pictures, anew
	@scripts/pictures.sh

cross: ## build the board's part for TARGET (default aarch64-unknown-linux-gnu) and glibc 2.27
	@scripts/cross.sh

deb: ## build the program and pack it: .deb and .tar.gz in target/packages (BINARY=file packs that one)
	@scripts/deb.sh

deploy: ## install or upgrade a board and wait for its first message: HOST=user@board (PORT= PRESET= DEVICE= DEB=file or BINARY=file)
	@scripts/deploy.sh

release: ## packages for amd64 and arm64, model, checksums and, with KEY=minisign.key, signatures
	@scripts/release.sh

env: ## print the environment for cargo by hand: eval "$(make -s env)"
	@source scripts/env.sh && declare -p LIBTORCH SMEARSCOPE_PYTHON PATH 2>/dev/null | sed 's/^declare -x/export/'
