# make run    the main job: check, build, compile a CUDA kernel, say what was found
# make test   everything that CI runs
# make check  formatters, linters and type checkers alone
# make test-all   the tests with every CPython from 3.11 on that is present
# make dist       source distribution and wheel, checked and tried in an empty environment
# make clients    cuda-core, numba-cuda and Triton from the package index, run on the CPU device; and make torch
# make torch      arrays exchanged with PyTorch (its build for CPUs) and tvm-ffi
# make bench      calls of ours and of the peers, side by side; make bench-gpu: the same on a real driver
# make bench-cpu  how fast the CPU device is
# make gpu        the same kernels on an NVIDIA GPU and on the CPU device, compared; tests that run on the GPU
# make fuzz       damaged PTX is loaded for SECONDS (60) in a build with ASan and UBSan
# make sanitize   the CPU device with ASan, UBSan and TSan, and its driver's tests on it; make sanitize-short: those of `make test`
# All set up what they need on a fresh machine and reuse it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
BENCH := .venv-bench
CLIENTS := .venv-clients
TORCH := .venv-torch
# the C and C++ written by hand
C_FILES := $(filter-out %/generated_exports.cpp %/generated_exports.hpp,$(wildcard bindings/cubind/_*.[ch] cuda_unified/src/*.[ch] \
	cpu_device/*.cpp cpu_device/src/*/*.[ch]pp benchmarks/*/*.c tests/cpu_device/*.cpp))
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test test-all dist bench bench-cpu bench-gpu clients torch gpu fuzz sanitize sanitize-short check build emit lint types clean

run: build
	$(BIN)/python -m generator emit --check
	$(BIN)/python examples/compile_kernel.py
	$(BIN)/python examples/saxpy.py
	@mkdir -p build
	$(BIN)/python examples/mandelbrot.py --out build/mandelbrot.png
	$(BIN)/python -m cubind

test: check build
	$(BIN)/python -m generator emit --check
	$(BIN)/python -m pytest tests
	$(BIN)/python tools/sanitize.py --short

test-all:
	$(PYTHON) tools/test_all.py

dist:
	$(PYTHON) tools/dist.py

bench: build $(BENCH)/installed
	$(BENCH)/bin/python -m benchmarks.bench --write benchmarks/RESULTS.md

bench-cpu: build
	$(BIN)/python -m benchmarks.cpu_device --write benchmarks/RESULTS-CPU.md

bench-gpu: build $(BENCH)/installed
	$(BENCH)/bin/python -m benchmarks.bench --gpu --write benchmarks/RESULTS-GPU.md

clients: build $(CLIENTS)/installed torch
	LD_LIBRARY_PATH=$$($(BIN)/python -m cubind cpu-libdir) $(CLIENTS)/bin/python -m pytest -p no:cacheprovider clients

gpu: build
	$(BIN)/python tools/gpu.py --write cpu_device/GPU.md

torch: build $(TORCH)/installed
	$(TORCH)/bin/python -m pytest -p no:cacheprovider $(addprefix tests/unified/test_,pytorch.py tvm_ffi.py dlpack_suites.py dlpack_exchange.py \
		dlpack_in.py dlpack_out.py) tests/unified/test_examples.py::test_share

SECONDS ?= 60
fuzz: $(STAMP)
	$(BIN)/python tools/fuzz.py $(SECONDS)

sanitize: build
	$(BIN)/python tools/sanitize.py

sanitize-short: build
	$(BIN)/python tools/sanitize.py --short

check: lint types

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cython-lint bindings/cubind/_core.pxd
	@$(BIN)/clang-format --dry-run --Werror $(C_FILES)

types: $(STAMP)
	$(BIN)/mypy

build: $(STAMP)
	$(BIN)/python setup.py -q build_ext --inplace

emit: $(STAMP)
	$(BIN)/python -m generator emit

$(STAMP): pyproject.toml tools/install.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python tools/install.py
	touch $@

$(BENCH)/installed: pyproject.toml tools/install.py
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python tools/install.py bench
	touch $@

# Triton is large, so the rest runs without it where it cannot be installed
$(CLIENTS)/installed: pyproject.toml tools/install.py
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python tools/install.py clients
	$(CLIENTS)/bin/python tools/install.py clients-older $(CLIENTS)/older
	timeout 300 $(CLIENTS)/bin/python tools/install.py triton || echo "no Triton: its tests will be skipped"
	touch $@

# where it cannot be installed, its tests are skipped
$(TORCH)/installed: pyproject.toml tools/install.py
	$(PYTHON) -m venv $(TORCH)
	timeout 900 $(TORCH)/bin/python tools/install.py torch || $(TORCH)/bin/python tools/install.py
	touch $@

clean:
	rm -rf build dist $(VENV) .venv-* *.egg-info bindings/*.egg-info bindings/cubind/*.so bindings/cubind/_cpu
