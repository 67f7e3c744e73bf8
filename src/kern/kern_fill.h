/* SPDX-License-Identifier: Apache-2.0 */
/* One function per instruction set; each overwrites the entries it has. Private to this folder. */
#ifndef OF_KERN_KERN_FILL_H
#define OF_KERN_KERN_FILL_H

#include "kern/kern.h"

void of_kern_fill_scalar(struct of_kern *kern);
void of_kern_fill_avx2(struct of_kern *kern);
void of_kern_fill_avx512(struct of_kern *kern);
void of_kern_fill_neon(struct of_kern *kern);

#endif
