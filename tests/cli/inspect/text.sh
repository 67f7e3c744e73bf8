# SPDX-License-Identifier: Apache-2.0
onefold-mksample --size 2MB --quiet s
onefold inspect s/base
onefold inspect --json s/base | field status
