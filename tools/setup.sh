#!/bin/sh
# Prepares .venv from uv.lock: finds Python and uv, fetches what is missing, says what it could not get.
# Nothing is installed outside this folder, except python3-venv by apt when run as root without it.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

UV_VERSION=0.13.8
# make puts .venv/bin first on PATH; an environment must not be built upon itself.
PATH=$(printf '%s' "$PATH" | sed "s|$PWD/.venv/bin:||g")

find_python() {
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        [ -n "$candidate" ] || continue
        command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        command -v "$candidate"
        return
    done
    fail "no Python 3.11 or newer on PATH. Install it (Debian: apt-get install python3), or set PYTHON=/path/to/python3.11."
}

get_uv() {
    say "fetching uv $UV_VERSION into .tools/uv"
    if ! "$python" -m venv .tools/uv >/dev/null 2>&1; then
        rm -rf .tools/uv
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
            say "python3-venv is missing; installing it with apt-get"
            { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null 2>&1 || true
        fi
        "$python" -m venv .tools/uv >/dev/null 2>&1 ||
            fail "cannot make a virtual environment. Install the venv module (Debian: apt-get install python3-venv) or put uv on PATH."
    fi
    .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" ||
        fail "cannot fetch uv $UV_VERSION from the package index. Check the network or the pip settings, or put uv on PATH."
}

python=$(find_python)
if [ -x .tools/uv/bin/uv ]; then
    uv=.tools/uv/bin/uv
elif command -v uv >/dev/null 2>&1; then
    uv=uv
else
    get_uv
    uv=.tools/uv/bin/uv
fi

# onnxruntime and onnxruntime-gpu exclude each other; take the one that fits this machine.
accelerator=cpu
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
    accelerator=gpu
fi
accelerator=${HASTEN_ACCELERATOR:-$accelerator}

# A service that starts from source text takes three times as long. Where PYTHONDONTWRITEBYTECODE is
# set, as in many containers, no start would keep what it has compiled.
compile_ours() {
    .venv/bin/python -m compileall -q libs/*/src services/*/src >/dev/null || true # Amid an edit.
}

stamp=.venv/.hasten-setup
wanted="$accelerator compiled $(cat uv.lock pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml | cksum)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    compile_ours
    tools/plane.sh
    exit 0
fi

say "preparing .venv with $python and onnxruntime for $accelerator (first time: about 300 MB)"
sync() {
    UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --frozen --compile-bytecode --python "$python" \
        --extra "$accelerator" --extra local "$@"
}
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# Behind a proxy with a certificate of its own only the system's certificates know the index.
if ! sync 2>"$said" && ! sync --system-certs 2>"$said"; then
    cat "$said" >&2
    fail "cannot fetch the locked packages. The lines above name the one that failed; check the network or the package index settings and run make again."
fi
compile_ours
printf '%s' "$wanted" > "$stamp"
tools/plane.sh
say "ready"
