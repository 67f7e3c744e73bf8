#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds samples/embed against an installed library and runs it. usage: install.sh PREFIX
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
export LD_LIBRARY_PATH="$prefix/lib"
PATH=$prefix/bin:$PATH
cp "$root"/samples/embed/* "$work"
make -C "$work" >/dev/null
onefold-mksample --size 2MB --tunes 2 --quiet "$work/sample"
"$work/merge_two" "$work/sample/base" "$work/sample/tuned-1" "$work/sample/tuned-2" "$work/out"
onefold verify --quiet "$work/out"
for page in onefold.1 onefold-hash.1 onefold-recipe.5; do
    test -f "$prefix/share/man/man${page##*.}/$page"
done
# Nothing of ours but the public symbols leaves the shared library.
! nm -D --defined-only "$prefix"/lib/libonefold.so | grep -v ' onefold_\| ONEFOLD_'
echo "install: samples/embed builds against the installed library and merges"
