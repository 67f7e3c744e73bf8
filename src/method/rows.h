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
extern const struct of_method of_method_fednova;
extern const struct of_method of_method_fedgma;
extern const struct of_method of_method_median;
extern const struct of_method of_method_cclip;
extern const struct of_method of_method_trimmed_mean;
extern const struct of_method of_method_geometric_median;
extern const struct of_method of_method_krum;
extern const struct of_method of_method_multi_krum;
extern const struct of_method of_method_bulyan;
extern const struct of_method of_method_arc;
extern const struct of_method of_method_fedexp;
extern const struct of_method of_method_feddyn;
extern const struct of_method of_method_metagpt;
extern const struct of_method of_method_inverse_norm;

#endif
