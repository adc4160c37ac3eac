#!/bin/sh
# The native transport, libs/hasten_plane: builds it into .venv where there is a Rust toolchain. What it cannot do is no
# failure: the services then use the Python transport.
#
#     tools/plane.sh          build, if something has changed
#     tools/plane.sh check    format and lints of the Rust
#     tools/plane.sh test     the tests in Rust
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
PATH=$PATH:$HOME/.cargo/bin
project=$PWD/libs/hasten_plane
CARGO_TARGET_DIR=$PWD/.tools/plane/target
export PATH CARGO_TARGET_DIR

# rustup puts a cargo on PATH that runs nothing until a toolchain is chosen.
works() { cargo --version >/dev/null 2>&1; }
NO_CARGO="no cargo that works here (see cargo --version; https://rustup.rs)"

if [ "${1:-}" = check ] || [ "${1:-}" = test ]; then
    if ! works; then
        say "$NO_CARGO, so the Rust of libs/hasten_plane is not looked at"
        exit 0
    fi
    cd "$project"
    if [ "$1" = test ]; then
        exec cargo test --quiet --locked --package hasten_plane_wire
    fi
    cargo fmt --check || { echo 'not formatted: run cargo fmt in libs/hasten_plane'; exit 1; }
    exec cargo clippy --quiet --locked --all-targets -- --deny warnings
fi

stamp=.venv/.hasten-plane
wanted="$(find libs/hasten_plane -type f ! -path '*/__pycache__/*' ! -path '*/tests/*' -exec cksum {} + | sort | cksum) $(works && command -v cargo || true)"
# What is not locked goes away when the environment is made anew.
built() { ls .venv/lib/python3*/site-packages/hasten_plane/_native*.so >/dev/null 2>&1; }
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted $(built && echo built)" ]; then exit 0; fi
without() {
    say "$*; services use the Python transport"
    tools/uv.sh pip uninstall --quiet --python .venv/bin/python hasten-plane 2>/dev/null || true
    printf '%s' "$wanted " > "$stamp"
    exit 0
}
works || without "$NO_CARGO, so no native transport"

say "building the native transport with cargo (the first time a minute of CPU; kept in .tools/plane)"
began=$(date +%s)
rm -rf .tools/plane/wheels
mkdir -p .tools/plane
build() { timeout 900 tools/uv.sh build --quiet --wheel --out-dir "$PWD/.tools/plane/wheels" "$@" "$project"; }
# As in setup.sh: behind a proxy only the system's certificates know the index.
if ! build >.tools/plane/log 2>&1 && ! build --system-certs >>.tools/plane/log 2>&1; then
    without "the native transport was not built (.tools/plane/log says why)"
fi
tools/uv.sh pip install --quiet --python .venv/bin/python --no-deps --reinstall .tools/plane/wheels/*.whl
printf '%s' "$wanted built" > "$stamp"
say "the native transport is ready after $(($(date +%s) - began)) s"
