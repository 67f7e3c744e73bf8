# SPDX-License-Identifier: Apache-2.0
# A folder comes out that standard tools and readers accept as it is.
onefold-mksample --size 2MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out
ls out
(cd out && sha256sum --quiet -c SHA256SUMS && xxh128sum --quiet -c XXH128SUMS >/dev/null 2>&1 || onefold-hash --quiet -c XXH128SUMS)
onefold verify --quiet out
test ! -e out.onefold-partial
