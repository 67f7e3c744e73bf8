/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors, one per rule and file. Only registry.c needs them; everybody else asks by name.
 */
#ifndef OF_METHOD_ROWS_H
#define OF_METHOD_ROWS_H

#include "method/method.h"

extern const struct of_method of_method_linear;
extern const struct of_method of_method_task_arithmetic;
extern const struct of_method of_method_fedavg;
extern const struct of_method of_method_passthrough;

#endif
