# SPDX-License-Identifier: Apache-2.0
onefold merge --memry 1GiB a b
