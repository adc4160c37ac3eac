#!/bin/sh
# Tries docker-compose.yml for real on a Debian machine that reaches package mirrors and no image
# registry: an engine of its own, stand-ins for the base images, our images, the mesh, and a call.
#
#     tools/compose_try.sh            # everything, then cleans up
#     tools/compose_try.sh keep       # leaves the mesh running
#     tools/compose_try.sh down       # cleans up after that, and after a failure
#
# Needs root, and docker.io, docker-compose and debootstrap (apt-get install
# --no-install-recommends); uses about 5 GB under $WORK until it is done. The stand-ins have
# Debian's Python and Redis and the Consul of the tests: what this shows is that our files work,
# not that the published base images do.
set -eu
cd "$(dirname "$0")/.."

WORK=${WORK:-/tmp/hasten-compose-try}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
CA=/etc/ssl/certs/ca-certificates.crt
export DOCKER_HOST="unix://$WORK/docker.sock"
export COMPOSE_PROJECT_NAME=hasten-try
# The engine's own client: others of that name on PATH may not be one.
docker=/usr/bin/docker
compose=/usr/bin/docker-compose

say() { printf 'compose_try: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

start_engine() {
    mkdir -p "$WORK"
    if $docker info >/dev/null 2>&1; then return; fi
    say "starting an engine under $WORK"
    # It ends by itself after an hour, whatever becomes of this script.
    timeout 3600 dockerd --data-root "$WORK/data" --exec-root "$WORK/exec" \
        --pidfile "$WORK/dockerd.pid" --host "$DOCKER_HOST" >"$WORK/dockerd.log" 2>&1 &
    for _ in $(seq 60); do
        if $docker info >/dev/null 2>&1; then return; fi
        sleep 1
    done
    fail "dockerd does not answer; see $WORK/dockerd.log"
}

make_bases() {
    if ! $docker image inspect stand-in >/dev/null 2>&1; then
        say "making stand-ins for the base images"
        debootstrap --variant=minbase \
            --include=ca-certificates,python3,python3-pip,python3-venv,redis-server \
            bookworm "$WORK/root" "$MIRROR" >"$WORK/debootstrap.log" 2>&1 ||
            fail "debootstrap failed; see $WORK/debootstrap.log"
        # As in the image of Python: `python` is on PATH and pip may install.
        ln -sf /usr/bin/python3 "$WORK/root/usr/local/bin/python"
        rm -f "$WORK/root/usr/lib/python3.11/EXTERNALLY-MANAGED"
        cp "$CA" "$WORK/root$CA"
        tar -C "$WORK/root" -c . | $docker import - stand-in >/dev/null
        rm -rf "$WORK/root"
    fi
    mkdir -p "$WORK/context"
    consul=$(.venv/bin/python tools/fetch_servers.py | sed -n 's/^consul: //p')
    cp "$consul" "$WORK/context/consul"
    $docker build --quiet --tag python:3.11-slim-bookworm - >/dev/null <<EOF
FROM stand-in
ENV PIP_CERT=$CA SSL_CERT_FILE=$CA UV_HTTP_TIMEOUT=180
EOF
    $docker build --quiet --tag redis:7.4-bookworm - >/dev/null <<EOF
FROM stand-in
RUN mkdir /data && chown redis:redis /data
VOLUME /data
EOF
    $docker build --quiet --tag hashicorp/consul:1.22 --file - "$WORK/context" >/dev/null <<EOF
FROM stand-in
COPY consul /bin/consul
RUN useradd --system --user-group consul && mkdir -p /consul/data && chown -R consul:consul /consul
VOLUME /consul/data
EOF
}

make_images() {
    for service in worker router scheduler; do
        say "building hasten-$service"
        $docker build --network host --file "services/$service/Dockerfile" \
            --tag "hasten-$service" . >"$WORK/$service.log" 2>&1 ||
            fail "the image of the $service was not built; see $WORK/$service.log"
    done
}

start_mesh() {
    say "starting the mesh"
    $compose up --detach --no-build >"$WORK/up.log" 2>&1 || fail "compose up failed; see $WORK/up.log"
    router=$($compose ps -q router)
    for _ in $(seq 120); do
        if [ "$($docker inspect -f '{{.State.Health.Status}}' "$router")" = healthy ]; then return; fi
        sleep 1
    done
    $compose logs --tail 20
    fail "the router is not healthy after two minutes"
}

call() {
    .venv/bin/hasten infer risk --input measurements=@random --deadline 1s --count 100 >/dev/null ||
        fail "a call failed $1"
    say "100 calls were answered $1"
}

try_mesh() {
    call "by two workers"
    $docker kill "$($compose ps -q worker | head -n 1)" >/dev/null
    call "after one worker was killed"
    say "stopping in order"
    $compose stop >"$WORK/stop.log" 2>&1
    for service in router scheduler worker; do
        for container in $($compose ps -q "$service"); do
            code=$($docker inspect -f '{{.State.ExitCode}}' "$container")
            # 137: the one that was killed.
            case "$service $code" in
            "router 0" | "scheduler 0" | "worker 0" | "worker 137") ;;
            *) fail "a $service ended with $code" ;;
            esac
        done
    done
    say "all left in order"
}

clean() {
    $compose down --volumes >/dev/null 2>&1 || true
    if [ -s "$WORK/dockerd.pid" ]; then
        pid=$(cat "$WORK/dockerd.pid")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 30); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 1
        done
    fi
    # The engine leaves the mount of its network behind.
    umount "$WORK/exec/netns/default" 2>/dev/null || true
    rm -rf "$WORK"
}

if [ "${1:-}" = down ]; then
    clean
    exit 0
fi
[ "$(id -u)" = 0 ] || fail "needs root: it starts a container engine"
for tool in "$docker" "$compose" dockerd debootstrap; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install --no-install-recommends docker.io docker-compose debootstrap"
done
start_engine
make_bases
make_images
start_mesh
if [ "${1:-}" = keep ]; then
    say "the mesh is at localhost:8001"
    exit 0
fi
try_mesh
clean
say "done"
