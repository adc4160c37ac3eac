#!/bin/sh
# The uv that tools/setup.sh found or fetched.
cd "$(dirname "$0")/.."
if [ -x .tools/uv/bin/uv ]; then exec .tools/uv/bin/uv "$@"; fi
exec uv "$@"
