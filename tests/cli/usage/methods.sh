# SPDX-License-Identifier: Apache-2.0
onefold methods | grep -c 'linear\|task_arithmetic\|fedavg\|passthrough'
onefold methods fedavg | grep -q samples
onefold methods --json | field status
