# SPDX-License-Identifier: Apache-2.0
# A recipe that is too large is a wrong recipe.
head -c 1048577 /dev/zero | tr '\0' '#' >r.yml
onefold plan r.yml
