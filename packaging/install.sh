# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart and test: installs what is missing and builds. Every function is safe to run again.
# shellcheck shell=bash

PAIRLAB_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TORCH_VERSION=2.13.0
CMAKE=/usr/bin/cmake # another one in front of it in PATH may not know this system's packages
CTEST=/usr/bin/ctest
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
CACHE_DIR="${XDG_CACHE_HOME:-$HOME/.cache}/pairlab"
TORCH_OPTION=""  # --torch
SKIP_PACKAGES=no # --skip-packages
JOBS=""          # --jobs
TORCH_DIR=""     # set by install_torch

# name (or names, the first that exists is taken), then what it is for
PACKAGES=(
    "cmake:builds PairLab"
    "ninja-build:builds PairLab"
    "ccache:makes later builds fast"
    "g++:compiler"
    "binutils:reads the built programs in a test"
    "pkg-config|pkgconf:finds PCRE2, libwebp and Little CMS"
    "qt6-base-dev:window and tests"
    "qt6-svg-dev|libqt6svg6-dev:icons"
    "libqcustomplot-dev:charts"
    "qt6-image-formats-plugins:writes WebP images in tests"
    "fonts-inter:font of the window"
    "fonts-jetbrains-mono:font of the window"
    "fonts-noto-color-emoji:emoji in answers"
    "libsqlite3-dev:project database"
    "libsqlitecpp-dev:project database"
    "libspdlog-dev:log"
    "libfmt-dev:text formatting"
    "nlohmann-json3-dev:JSON"
    "libcli11-dev:command line"
    "libpcre2-dev:tokenizers"
    "libicu-dev:Unicode normalization for tokenizers"
    "libexpected-dev:errors as values"
    "libcurl4-openssl-dev:answers from model servers"
    "zlib1g-dev:reads .gz data"
    "libpng-dev:reads and writes images"
    "libjpeg62-turbo-dev|libjpeg-turbo8-dev:reads JPEG images"
    "libwebp-dev:reads WebP images"
    "liblcms2-dev:colour profiles of images"
    "python3:installs PyTorch; an example plugin"
    "python3-venv:installs PyTorch into a folder of its own"
)

say() { printf '%s\n' "$*"; }
die() { # exit code, message, hint
    printf 'pairlab: %s\n' "$2" >&2
    [ -z "${3:-}" ] || printf '         %s\n' "$3" >&2
    exit "$1"
}

# Options both scripts have; returns 1 when "$1" is none of them, else sets TAKEN.
common_option() {
    TAKEN=1
    case "$1" in
    --torch)
        [ -n "${2:-}" ] || die 2 "--torch needs a folder or a wheel."
        TORCH_OPTION="$2"
        TAKEN=2
        ;;
    --torch=*) TORCH_OPTION="${1#*=}" ;;
    --jobs)
        [ -n "${2:-}" ] || die 2 "--jobs needs a number from 1."
        JOBS="${2:-}"
        TAKEN=2
        ;;
    --jobs=*) JOBS="${1#*=}" ;;
    --skip-packages) SKIP_PACKAGES=yes ;;
    *) return 1 ;;
    esac
    case "$JOBS" in
    *[!0-9]* | 0) die 2 "--jobs needs a number from 1." ;;
    esac
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }
candidate() {
    local policy # not a pipe: grep -q would close it early, and pipefail would count that as a failure
    policy="$(LC_ALL=C apt-cache policy "$1" 2>/dev/null || true)"
    [[ "$policy" =~ Candidate:\ [^\(] ]]
}

# The names to install, one a line, for packages of which no alternative is installed.
missing_packages() {
    local entry names name wanted found
    for entry in "${PACKAGES[@]}"; do
        names="${entry%%:*}"
        wanted=""
        found=no
        for name in ${names//|/ }; do
            if installed "$name"; then
                found=yes
                break
            fi
            if [ -z "$wanted" ] && candidate "$name"; then wanted="$name"; fi
        done
        [ "$found" = yes ] || printf '%s\t%s\n' "${wanted:-?${names%%|*}}" "${entry#*:}"
    done
}

install_packages() {
    if [ "$SKIP_PACKAGES" = yes ]; then return; fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        die 10 "this system has no apt-get: packages can be installed by this script on Debian 12 only." \
            "Install what CONTRIBUTING.md and packaging/install.sh list, then run again with --skip-packages."
    fi
    local missing
    missing="$(missing_packages)"
    if [ -z "$missing" ]; then
        say "System packages: all present."
        return
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null; then
            root=(sudo env DEBIAN_FRONTEND=noninteractive)
        else
            die 10 "system packages are missing, and this is neither root nor has sudo: $(cut -f1 <<<"$missing" | tr -d '?' | paste -sd' ')" \
                "Ask an administrator for: apt-get install --no-install-recommends $(cut -f1 <<<"$missing" | tr -d '?' | paste -sd' ')"
        fi
    else
        root=(env DEBIAN_FRONTEND=noninteractive)
    fi
    if grep -q '^?' <<<"$missing"; then
        say "Reading the package lists (apt-get update) ..."
        "${root[@]}" apt-get update -qq || die 11 "apt-get update failed." "Look at its message above; is there a network?"
        missing="$(missing_packages)"
        if grep -q '^?' <<<"$missing"; then
            die 10 "no package source here has: $(grep '^?' <<<"$missing" | cut -f1 | tr -d '?' | paste -sd' ')" \
                "PairLab needs Debian 12 (bookworm) or newer with its main section enabled."
        fi
    fi
    say "System packages to install with apt-get:"
    sed 's/^\([^\t]*\)\t/  \1\t/' <<<"$missing" | expand -t 32
    local names
    mapfile -t names < <(cut -f1 <<<"$missing" | sort -u)
    # "Need to get 123 MB of archives", "After this operation, 456 MB of additional disk space will be used"
    LC_ALL=C apt-get install --no-install-recommends --print-uris -y "${names[@]}" 2>/dev/null |
        grep -E '^(Need to get|After this operation)' | sed 's/^/  /' || true
    local install=("${root[@]}" apt-get install --no-install-recommends -y -qq "${names[@]}")
    if ! "${install[@]}"; then # lists older than the archive name files that are gone
        say "Reading the package lists again (apt-get update) ..."
        { "${root[@]}" apt-get update -qq && "${install[@]}"; } || die 11 "apt-get could not install the packages above." "Look at its message; is there a network and space on the disk?"
    fi
}

torch_folder_in() { # prints the torch folder for a torch folder, a libtorch folder, a site-packages or a venv
    local at
    for at in "$1" "$1"/torch "$1"/libtorch "$1"/lib/python3*/site-packages/torch; do
        if [ -e "$at/lib/libtorch_cpu.so" ] && [ -d "$at/include" ]; then
            (cd "$at" && pwd)
            return
        fi
    done
    return 1
}

torch_kind() { if [ -e "$1/lib/libtorch_cuda.so" ]; then echo CUDA; else echo CPU; fi; }

system_python() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi; }

unpack_wheel() { # wheel file -> torch folder in the cache
    local wheel="$1" name target part
    name="$(basename "$wheel" .whl)"
    target="$CACHE_DIR/wheel-$name"
    if [ ! -e "$target/.complete" ]; then
        say "Unpacking $wheel into $target ..." >&2
        part="$target.part.$$"
        rm -rf "$part"
        mkdir -p "$part"
        "$(system_python)" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$wheel" "$part" ||
            { rm -rf "$part"; die 11 "$wheel cannot be unpacked." "Is it a PyTorch wheel, and is there space in $CACHE_DIR?"; }
        touch "$part/.complete"
        rm -rf "$target"
        mv "$part" "$target"
    fi
    torch_folder_in "$target"
}

install_torch() {
    if [ -n "$TORCH_OPTION" ]; then
        if [ -f "$TORCH_OPTION" ]; then
            TORCH_DIR="$(unpack_wheel "$TORCH_OPTION")" || die 10 "$TORCH_OPTION holds no torch/lib/libtorch_cpu.so." "Pass a PyTorch wheel for Linux."
        else
            TORCH_DIR="$(torch_folder_in "$TORCH_OPTION")" ||
                die 10 "no lib/libtorch_cpu.so and include in $TORCH_OPTION." "Pass the torch folder of a PyTorch wheel, a libtorch folder, or a wheel file."
        fi
        say "PyTorch: $TORCH_DIR ($(torch_kind "$TORCH_DIR")), as asked for."
        return
    fi
    local venv="$CACHE_DIR/torch-$TORCH_VERSION"
    # pip writes RECORD last: without it an installation was cut off.
    if compgen -G "$venv/lib/python3*/site-packages/torch-$TORCH_VERSION*.dist-info/RECORD" >/dev/null &&
        TORCH_DIR="$(torch_folder_in "$venv")"; then
        say "PyTorch $TORCH_VERSION ($(torch_kind "$TORCH_DIR")): present in $venv."
        return
    fi
    local python free
    python="$(system_python)" || die 10 "python3 is missing: it installs PyTorch." "Install python3 and python3-venv, or pass --torch DIR."
    mkdir -p "$CACHE_DIR" || die 11 "$CACHE_DIR cannot be created." "Set XDG_CACHE_HOME to a folder with 2 GB of space."
    free="$(df -Pk "$CACHE_DIR" | awk 'NR == 2 {print int($4 / 1024)}')"
    say "PyTorch $TORCH_VERSION (libtorch, runs the models) goes into $venv, with NumPy beside it."
    say "  CPU build:  about 190 MB to download, 1 GB on disk."
    say "  CUDA build: about 3 GB to download, 7 GB on disk; what pip takes on x86-64 unless its settings"
    say "              (PIP_INDEX_URL, PIP_FIND_LINKS, pip.conf) name PyTorch's CPU wheels. It also runs without a GPU."
    if [ "$free" -lt 2000 ]; then
        die 11 "only $free MB are free for $CACHE_DIR; PyTorch needs 2000 (CPU) to 11000 (CUDA)." "Free some space, or set XDG_CACHE_HOME to another disk."
    fi
    "$python" -m venv --clear "$venv" || die 11 "no Python environment can be made in $venv." "Install python3-venv, or pass --torch DIR."
    # The file's name says which build it is: pip prints it as it starts to download.
    "$venv/bin/python" -m pip install --disable-pip-version-check "torch==$TORCH_VERSION" numpy ||
        die 11 "pip could not install torch $TORCH_VERSION." "Look at its message above; --torch DIR|WHEEL uses a PyTorch that is here already."
    # Headers alone, for CUDA graphs (core/learn/CMakeLists.txt); before CUDA 13 they come with the runtime.
    local runtime
    runtime="$("$venv/bin/python" -m pip list --disable-pip-version-check --format=freeze | sed -n 's/^nvidia-cuda-runtime==//p')"
    if [ -n "$runtime" ]; then
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps "nvidia-cuda-crt==${runtime%.*}.*" ||
            say "nvidia-cuda-crt ${runtime%.*} cannot be had: answers will be written without CUDA graphs."
    fi
    TORCH_DIR="$(torch_folder_in "$venv")" || die 70 "pip finished, but $venv holds no libtorch_cpu.so." "Remove $venv and run again."
    say "PyTorch $TORCH_VERSION: the $(torch_kind "$TORCH_DIR") build, $(du -sm "$venv" | cut -f1) MB on disk."
}

# As many jobs as cores, but never more than memory allows: a torch source takes over a gigabyte, 2 GB a job are safe.
build_jobs() {
    if [ -n "$JOBS" ]; then
        echo "$JOBS"
        return
    fi
    local cores memory limit jobs
    cores="$(nproc)"
    memory="$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)"
    if limit="$(cat /sys/fs/cgroup/memory.max 2>/dev/null)" && [[ "$limit" =~ ^[0-9]+$ ]]; then
        limit=$((limit / 1048576))
        if [ "$limit" -lt "$memory" ]; then memory="$limit"; fi
    fi
    jobs=$((memory / 2048))
    if [ "$jobs" -gt "$cores" ]; then jobs="$cores"; fi
    if [ "$jobs" -lt 1 ]; then jobs=1; fi
    echo "$jobs"
}

# build PRESET FOLDER [cmake options...]
build() {
    local preset="$1" folder="$2" jobs home
    shift 2
    jobs="$(build_jobs)"
    home="$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$PAIRLAB_ROOT/$folder/CMakeCache.txt" 2>/dev/null || true)"
    if [ -n "$home" ] && [ "$home" != "$PAIRLAB_ROOT" ]; then # the tree was moved or copied
        rm -rf "$PAIRLAB_ROOT/$folder/CMakeCache.txt" "$PAIRLAB_ROOT/$folder/CMakeFiles"
    fi
    say "Building ($preset, $jobs jobs) in $PAIRLAB_ROOT/$folder ..."
    (cd "$PAIRLAB_ROOT" && "$CMAKE" --preset "$preset" "$@" >"/tmp/pairlab-configure.$$" 2>&1) ||
        { cat "/tmp/pairlab-configure.$$"; rm -f "/tmp/pairlab-configure.$$"; die 10 "configuring ($preset) failed, see above."; }
    rm -f "/tmp/pairlab-configure.$$"
    "$CMAKE" --build "$PAIRLAB_ROOT/$folder" -j "$jobs" || die 70 "building ($preset) failed, see above."
}
