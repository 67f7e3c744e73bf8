# SPDX-License-Identifier: Apache-2.0
# Every recipe among the samples runs, and another one is not forgotten.
"$ROOT/samples/tiny.sh"
test "$(ls -d merged-* | wc -l)" = "$(ls "$ROOT"/samples/recipes/*.yml | wc -l)"
