#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a small sample here and merges it with every recipe; needs the tools in PATH.
set -eu
recipes=$(cd "$(dirname "$0")/recipes" && pwd)
onefold-mksample --quiet --size 8MB sample
for recipe in "$recipes"/*.yml; do
    out=merged-$(basename "$recipe" .yml)
    onefold merge --quiet --force "$recipe" "$out"
    onefold verify --quiet "$out"
done
