#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header stands alone, as C99 and as C++. usage: headers.sh ROOT BUILD CC
set -eu
for header in "$1"/include/onefold/*.h "$2"/include/onefold/version.h; do
    name=onefold/$(basename "$header")
    for language in c:c99 c++:c++11; do
        [ "${language%%:*}" = c++ ] && ! command -v g++ >/dev/null && continue
        compiler=$3
        [ "${language%%:*}" = c++ ] && compiler=g++
        printf '#include <%s>\nint main(void) { return 0; }\n' "$name" |
            $compiler -x "${language%%:*}" -std="${language##*:}" -Wall -Wextra -Wpedantic -Werror \
                -I"$1/include" -I"$2/include" -fsyntax-only - || {
            echo "$name does not stand alone as ${language##*:}"
            exit 1
        }
    done
done
echo "headers: each stands alone as C99 and C++11"
