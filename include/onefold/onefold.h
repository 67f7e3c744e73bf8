/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold: folds many model checkpoints into one, in one streaming pass, in a fixed amount of
 * memory, with the same output bytes on every machine and digests that prove it.
 *
 *     onefold_recipe *recipe = NULL;
 *     onefold_plan *plan = NULL;
 *     onefold_error err;
 *
 *     if (onefold_recipe_load("recipe.yml", NULL, NULL, &recipe, &err) != ONEFOLD_OK ||
 *         onefold_plan_build(recipe, NULL, &plan, &err) != ONEFOLD_OK ||
 *         onefold_run(plan, "merged", NULL, NULL, &err) != ONEFOLD_OK) {
 *         fprintf(stderr, "%s [%s]\n", err.message, err.id);
 *     }
 *     onefold_plan_free(plan);
 *     onefold_recipe_free(recipe);
 *
 * The library prints nothing and never exits, except that a broken invariant of its own aborts with
 * a line on standard error. Text is UTF-8. Structs of options are filled by their _init function
 * first.
 */
#ifndef ONEFOLD_ONEFOLD_H
#define ONEFOLD_ONEFOLD_H

#include "onefold/bench.h"
#include "onefold/checkpoint.h"
#include "onefold/compare.h"
#include "onefold/digest.h"
#include "onefold/dtype.h"
#include "onefold/merge.h"
#include "onefold/status.h"
#include "onefold/text.h"
#include "onefold/version.h"

#endif
