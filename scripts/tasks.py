"""What each task of the project runs; pixi.toml has the same commands and purposes.

tests/python/test_setup.py compares them.
"""

CHECK = [
    "cargo fmt --all --check",
    "cargo clippy --release --workspace --all-targets --all-features -- -D warnings",
    "cargo doc --release --no-deps --lib -p twisterl --all-features",
    "ruff check .",
    "ruff format --check .",
    "mypy",
    "python scripts/circles.py",
]

MOJO_TESTS = [
    "mojo doc --diagnose-missing-doc-strings --Werror -o /dev/null mojo/twisterl",
    "python scripts/mojo_tests.py",
]

# With the features and the profile of the extension, so that the engine is compiled once for it,
# for the programs that later tests run, and for Rust's tests but those beside the code.
RUST = "cargo test --release -p twisterl --features abi3"
RUST_TESTS = f"{RUST} --test all"
UNIT_TESTS = f"{RUST} --lib --config rust/unit.toml"
DOC_TESTS = f"{RUST} --doc"
PYTEST = "python -m pytest"

MOJO_PLATFORMS = ("linux", "darwin")

# What each task does, for --help and `make help`.
PURPOSES = {
    "train": "Train the 8-puzzle from examples/ppo_puzzle8_v1.json",
    "check": "Formats, lints, types and circles of imports",
    "test": "Every check and every test",
    "parity": "Every language replays specs/golden and plays 10^6 equal transitions of every board",
    "parity-long": "10^8 transitions of every board",
    "mutations": "Plants faults that the parity check or a test must notice",
    "soak": "Kills runs, mutates configs and models, fuzzes and watches the memory, for hours",
    "bench": "All tables of the READMEs, into benchmarks/results: a quarter of an hour",
    "bench-learning": "What learns longer, three hours, into benchmarks/results",
    "clients": "qiskit-gym, unmodified: trains and verifies its circuits, beside twisterl 0.5.1",
    "train-mojo": "Train the 8-puzzle in Mojo from examples/es_puzzle8_v1.json",
    "bench-mojo": "The throughput of the Mojo port",
    "test-mojo": "The tests of the Mojo port",
    "web-module": "The engine for browsers, which twisterl web needs, into the package",
    "wheel": "The wheels for this platform, with PyTorch and without, into dist",
    "docs": "The documentation site, into target/site/html",
    "build": "Build the extension when its sources have changed",
    "doctor": "What is missing, and the fix",
}

TASKS = {
    "train": ["python -m twisterl.train --config examples/ppo_puzzle8_v1.json --rerun"],
    "check": CHECK,
    "test": [
        *CHECK,
        RUST_TESTS,
        UNIT_TESTS,
        DOC_TESTS,
        PYTEST,
        "python tests/parity/compare.py --transitions 3e4",
        "python tests/mutations/mutate.py --rotate 6",
    ],
    "parity": [
        f"{RUST_TESTS} golden::",
        "python -m pytest tests/parity tests/wasm/test_wasm.py -m ''",
        "python tests/parity/compare.py",
    ],
    "parity-long": [
        f"{RUST_TESTS} -- state_counts:: --include-ignored",
        "python tests/parity/long.py",
    ],
    "mutations": ["python tests/mutations/mutate.py"],
    "soak": ["python tests/soak/soak.py"],
    "bench": ["python benchmarks/run.py quick"],
    "bench-learning": ["python benchmarks/run.py learning"],
    "clients": ["python benchmarks/run.py clients"],
    "train-mojo": ["mojo run mojo/train_puzzle.mojo"],
    "bench-mojo": ["mojo run mojo/benchmark.mojo"],
    "test-mojo": MOJO_TESTS,
    "web-module": ["python scripts/web_module.py"],
    "wheel": ["python scripts/web_module.py --if-possible", "python scripts/wheels.py"],
    "docs": ["python scripts/web_module.py --if-possible", "python scripts/docs.py"],
    "build": [],
    "doctor": [],
}

TESTING = {"test", "check", "parity", "parity-long", "mutations", "soak"}
TESTING |= {"bench", "bench-learning"}
# What tasks need beside what others do, of the files of requirements.
MORE = {"wheel": ["wheel"], "docs": ["docs", "mojo"]}
# Those that compile what they need, and run nothing of the package.
COMPILING = {"wheel", "web-module"}
# Those that run torch; train does where its config asks for it.
USING_TORCH = TESTING | {"clients", "docs"}
