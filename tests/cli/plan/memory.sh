# SPDX-License-Identifier: Apache-2.0
# A bound that is too small: exit 4, with the smallest value that works.
onefold-mksample --size 2MB --quiet s
onefold plan --memory 10MiB "$ROOT/tests/cli/merge/sample.yml"
