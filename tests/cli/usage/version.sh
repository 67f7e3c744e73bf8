# SPDX-License-Identifier: Apache-2.0
onefold --version
onefold-hash --version
onefold-mksample --version
