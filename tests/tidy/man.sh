#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lints the manual pages. usage: man.sh ROOT
command -v mandoc >/dev/null || {
    echo "SKIP: mandoc is not installed"
    exit 77
}
exec mandoc -T lint -W warning "$1"/docs/man/*.[0-9]
