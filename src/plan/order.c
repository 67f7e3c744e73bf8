/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of visits: output order. A large step is a unit of its own, cut into tiles of whole grains;
 * small steps that lie one behind the other in the output travel together. Where they do so in an
 * input, too, they are read together; else each of them is read to a place of its own. Visits are
 * computed from units, never stored.
 */
#include "plan/build.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"

/* Steps of one bundle: each has a digest and counts in the slot. */
enum { BUNDLE_STEPS_MAX = 256 };

/* ---- Sizes ---- */

/* Whole bytes: a tensor or whole grains of it. Checked when headers were read and when the output
 * types were settled. */
static uint64_t bytes_of(uint8_t dtype, uint64_t elem_count)
{
    uint64_t byte_count = 0;

    of_assert(of_dtype_bytes((onefold_dtype)dtype, elem_count, &byte_count));
    return byte_count;
}

/* Bytes of the area where output and sums of a visit lie (run/slot.c places them): the output
 * starts at its own place in a block; sums lie under the output, one block further, if the output's
 * elements are no wider, else behind it. */
static uint64_t out_need(uint64_t out_bytes, uint64_t elem_count, bool plane, bool overlay)
{
    const uint64_t lead = OF_DIRECT_ALIGN_MAX - 1;
    const uint64_t sums = elem_count * sizeof(float);

    if (!plane) {
        return lead + out_bytes;
    }
    if (overlay) {
        return of_num_max(lead + out_bytes, OF_DIRECT_ALIGN_MAX + sums);
    }
    return of_num_align_up(lead + out_bytes, OF_DIRECT_ALIGN_MAX) + sums;
}

static bool step_overlays(const struct of_plan *plan, uint32_t step)
{
    return plan->steps[step].kind == OF_STEP_MERGE &&
           of_dtype_size((onefold_dtype)plan->tensors[step].dtype) <= sizeof(float);
}

static bool step_has_plane(const struct of_plan *plan, const struct of_tile_caps *caps,
                           uint32_t step)
{
    return caps->plane && plan->steps[step].kind == OF_STEP_MERGE;
}

/* ---- Tiles of one step ---- */

/* Widest input type of the step in bits; 0 when nothing is read. */
static uint32_t widest_bits(const struct of_build *build, uint32_t step)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_layout *layout = build->variants[i].layout;

        if (layout != NULL && layout->shards[step] != OF_PLACE_ABSENT) {
            const uint32_t own = onefold_dtype_bits((onefold_dtype)layout->dtypes[step]);

            bits = own > bits ? own : bits;
        }
    }
    return bits;
}

/* As many grains as reads and output area hold, at least one. */
static uint64_t tile_grains(const struct of_build *build, const struct of_tile_caps *caps,
                            uint32_t step)
{
    const struct of_plan *plan = build->plan;
    const struct of_tensor *tensor = &plan->tensors[step];
    const bool plane = step_has_plane(plan, caps, step);
    const bool overlay = step_overlays(plan, step);
    const uint64_t all = of_num_div_ceil(tensor->elem_count, OF_GRAIN_ELEMS);
    const uint32_t bits = widest_bits(build, step);
    uint64_t count = bits == 0 ? all : caps->read_bytes / ((uint64_t)OF_GRAIN_ELEMS / 8 * bits);

    count = of_num_max(of_num_min(count, all), 1);
    if (caps->tile_grains_max > 0) {
        count = of_num_min(count, caps->tile_grains_max);
    }
    if (caps->grains_max > 0) {
        count = of_num_min(count, caps->grains_max);
    }
    while (count > 1) {
        const uint64_t elems = of_num_min(count * OF_GRAIN_ELEMS, tensor->elem_count);

        if (out_need(bytes_of(tensor->dtype, elems), elems, plane, overlay) <= caps->out_bytes) {
            break;
        }
        count--;
    }
    return count;
}

static void need_reads(const struct of_build *build, uint32_t variant, uint64_t byte_count,
                       struct of_tile_need *need)
{
    if (variant == build->base_variant && build->base_is_used) {
        need->base_bytes = of_num_max(need->base_bytes, byte_count);
    }
    if (build->variants[variant].input_count > 0) {
        need->read_bytes = of_num_max(need->read_bytes, byte_count);
    }
}

static void need_tile(const struct of_build *build, const struct of_tile_caps *caps, uint32_t step,
                      uint64_t grains, struct of_tile_need *need)
{
    const struct of_plan *plan = build->plan;
    const struct of_tensor *tensor = &plan->tensors[step];
    const uint64_t elems = of_num_min(grains * OF_GRAIN_ELEMS, tensor->elem_count);

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_layout *layout = build->variants[i].layout;

        if (layout != NULL && layout->shards[step] != OF_PLACE_ABSENT) {
            need_reads(build, i, bytes_of(layout->dtypes[step], elems), need);
        }
    }
    need->out_bytes = of_num_max(need->out_bytes, out_need(bytes_of(tensor->dtype, elems), elems,
                                                           step_has_plane(plan, caps, step),
                                                           step_overlays(plan, step)));
    need->grains_max = of_num_max(need->grains_max, of_num_div_ceil(elems, OF_GRAIN_ELEMS));
}

/* ---- Bundles ---- */

/* What a bundle has gathered. */
struct bundle {
    uint32_t first_step;
    uint32_t step_count;
    uint64_t elem_count;
    uint64_t grain_count;
    uint64_t out_bytes;
    bool overlay;
    bool scattered;          /* in some input */
    uint64_t step_bytes_max; /* of a step in an input */
};

static bool is_small(const struct of_plan *plan, uint32_t step)
{
    return plan->tensors[step].byte_count <= OF_BUNDLE_STEP_BYTES_MAX;
}

/* Bytes from the start of the bundle to the end of `step` in one input. */
static uint64_t span(const struct of_plan *plan, const struct of_layout *layout,
                     uint32_t first_step, uint32_t step)
{
    return layout->offsets[step] - layout->offsets[first_step] +
           bytes_of(layout->dtypes[step], plan->tensors[step].elem_count);
}

/* Does the step lie right behind the one before it? */
static bool is_behind(const struct of_plan *plan, const struct of_layout *layout, uint32_t step)
{
    const uint32_t before = step - 1;

    return layout->shards[step] == OF_PLACE_ABSENT ||
           layout->offsets[step] ==
               layout->offsets[before] +
                   bytes_of(layout->dtypes[before], plan->tensors[before].elem_count);
}

/* Takes note of how the step lies in the inputs. False: in another file than the one before it. */
static bool look_at_layouts(const struct of_build *build, uint32_t step, struct bundle *bundle)
{
    const struct of_plan *plan = build->plan;
    const uint64_t elem_count = plan->tensors[step].elem_count;

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_layout *layout = build->variants[i].layout;

        if (layout == NULL) {
            continue;
        }
        if (step > bundle->first_step) {
            if (layout->shards[step] != layout->shards[step - 1]) {
                return false;
            }
            bundle->scattered = bundle->scattered || !is_behind(plan, layout, step);
        }
        if (layout->shards[step] != OF_PLACE_ABSENT) {
            bundle->step_bytes_max =
                of_num_max(bundle->step_bytes_max, bytes_of(layout->dtypes[step], elem_count));
        }
    }
    return true;
}

/* The most that an input has of the bundle, `last` being its last step. */
static uint64_t longest_span(const struct of_build *build, const struct bundle *bundle,
                             uint32_t last)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_layout *layout = build->variants[i].layout;

        if (layout != NULL && layout->shards[last] != OF_PLACE_ABSENT) {
            longest = of_num_max(longest, span(build->plan, layout, bundle->first_step, last));
        }
    }
    return longest;
}

/* May inputs be read that way, with the step? Then *bundle knows of it. */
static bool joins_layouts(const struct of_build *build, const struct of_tile_caps *caps,
                          uint32_t step, struct bundle *bundle)
{
    struct bundle with = *bundle;

    if (!look_at_layouts(build, step, &with)) {
        return false;
    }
    if (with.scattered
            ? !caps->scatter ||
                  (with.step_count + 1) * of_order_room(with.step_bytes_max) > caps->read_bytes
            : longest_span(build, bundle, step) > caps->read_bytes) {
        return false;
    }
    *bundle = with;
    return true;
}

static bool joins_output(const struct of_plan *plan, const struct bundle *bundle, uint32_t step)
{
    const struct of_tensor *tensor = &plan->tensors[step];
    const struct of_tensor *before = &plan->tensors[step - 1];
    const struct of_step *own = &plan->steps[step];
    const struct of_step *first = &plan->steps[bundle->first_step];

    return tensor->shard_index == before->shard_index &&
           tensor->offset == before->offset + before->byte_count && own->kind == first->kind &&
           (own->kind == OF_STEP_MERGE ||
            (own->source == first->source && own->compare == first->compare));
}

static bool joins(const struct of_build *build, const struct of_tile_caps *caps,
                  struct bundle *bundle, uint32_t step)
{
    const struct of_plan *plan = build->plan;
    const struct of_tensor *tensor = &plan->tensors[step];
    const uint64_t grains = of_num_div_ceil(tensor->elem_count, OF_GRAIN_ELEMS);

    if (bundle->step_count == BUNDLE_STEPS_MAX || !is_small(plan, step) ||
        !joins_output(plan, bundle, step)) {
        return false;
    }
    if (caps->tile_grains_max > 0 && bundle->grain_count + grains > caps->tile_grains_max) {
        return false;
    }
    if (caps->grains_max > 0 && bundle->grain_count + grains > caps->grains_max) {
        return false;
    }
    if (out_need(bundle->out_bytes + tensor->byte_count, bundle->elem_count + tensor->elem_count,
                 step_has_plane(plan, caps, step),
                 bundle->overlay && step_overlays(plan, step)) > caps->out_bytes) {
        return false;
    }
    return joins_layouts(build, caps, step, bundle);
}

static void add_to_bundle(const struct of_plan *plan, struct bundle *bundle, uint32_t step)
{
    const struct of_tensor *tensor = &plan->tensors[step];

    bundle->step_count++;
    bundle->elem_count += tensor->elem_count;
    bundle->grain_count += of_num_div_ceil(tensor->elem_count, OF_GRAIN_ELEMS);
    bundle->out_bytes += tensor->byte_count;
    bundle->overlay = bundle->overlay && step_overlays(plan, step);
}

static struct bundle find_bundle(const struct of_build *build, const struct of_tile_caps *caps,
                                 uint32_t step)
{
    const struct of_plan *plan = build->plan;
    struct bundle bundle = {.first_step = step, .overlay = true};

    add_to_bundle(plan, &bundle, step);
    if (!is_small(plan, step)) {
        return bundle;
    }
    (void)look_at_layouts(build, step, &bundle);
    for (uint32_t i = step + 1; i < plan->step_count && joins(build, caps, &bundle, i); i++) {
        add_to_bundle(plan, &bundle, i);
    }
    return bundle;
}

static void need_bundle(const struct of_build *build, const struct of_tile_caps *caps,
                        const struct bundle *bundle, struct of_tile_need *need)
{
    const struct of_plan *plan = build->plan;
    const uint32_t last = bundle->first_step + bundle->step_count - 1;

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_layout *layout = build->variants[i].layout;

        if (layout != NULL && layout->shards[last] != OF_PLACE_ABSENT) {
            need_reads(build, i,
                       bundle->scattered
                           ? bundle->step_count * of_order_room(bundle->step_bytes_max)
                           : span(plan, layout, bundle->first_step, last),
                       need);
        }
    }
    need->out_bytes =
        of_num_max(need->out_bytes, out_need(bundle->out_bytes, bundle->elem_count,
                                             step_has_plane(plan, caps, last), bundle->overlay));
    need->grains_max = of_num_max(need->grains_max, bundle->grain_count);
    need->steps_max = bundle->step_count > need->steps_max ? bundle->step_count : need->steps_max;
}

/* ---- Units ---- */

void of_order_cut(const struct of_build *build, const struct of_tile_caps *caps,
                  struct of_unit *units, struct of_tile_need *ret_need)
{
    const struct of_plan *plan = build->plan;
    struct of_tile_need need = {.steps_max = 1, .grains_max = 1};
    uint32_t step = 0;

    while (step < plan->step_count) {
        const struct bundle bundle = find_bundle(build, caps, step);
        struct of_unit unit = {
            .first_step = step, .step_count = bundle.step_count, .first_visit = need.visit_count};

        if (bundle.step_count > 1) {
            unit.tile_grains = (uint32_t)bundle.grain_count;
            unit.scattered = bundle.scattered;
            need_bundle(build, caps, &bundle, &need);
            need.visit_count += bundle.out_bytes > 0 ? 1 : 0;
        } else {
            const uint64_t grains = tile_grains(build, caps, step);

            unit.tile_grains = (uint32_t)grains;
            need_tile(build, caps, step, grains, &need);
            /* Tensors without elements are in the header only: no visit. */
            need.visit_count += of_num_div_ceil(bundle.grain_count, grains);
        }
        if (units != NULL) {
            units[need.unit_count] = unit;
        }
        need.unit_count++;
        step += bundle.step_count;
    }
    *ret_need = need;
}

/* ---- Visits ---- */

/* The last unit that starts at or before the visit; units without visits share their start with the
 * next one and are never the last. */
static const struct of_unit *find_unit(const struct of_plan *plan, uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = plan->unit_count;

    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;

        if (plan->units[middle].first_visit <= number) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &plan->units[low];
}

/* What follows from the steps and where the first one begins. */
static void visit_bundle(const struct of_plan *plan, struct of_visit *visit)
{
    const uint32_t last = visit->first_step + visit->step_count - 1;

    visit->elem_count = 0;
    for (uint32_t i = 0; i < visit->step_count; i++) {
        visit->elem_count += plan->tensors[visit->first_step + i].elem_count;
    }
    visit->grain_count = plan->steps[last].first_grain +
                         of_num_div_ceil(plan->tensors[last].elem_count, OF_GRAIN_ELEMS) -
                         visit->first_grain;
    visit->out_bytes =
        plan->tensors[last].offset + plan->tensors[last].byte_count - visit->out_offset;
}

void of_plan_visit(const struct of_plan *plan, uint64_t number, struct of_visit *ret_visit)
{
    const struct of_unit *unit = find_unit(plan, number);
    const struct of_tensor *tensor = &plan->tensors[unit->first_step];
    struct of_visit visit = {.number = number,
                             .first_step = unit->first_step,
                             .step_count = unit->step_count,
                             .scattered = unit->scattered,
                             .first_grain = plan->steps[unit->first_step].first_grain,
                             .out_shard = tensor->shard_index,
                             .out_offset = tensor->offset};

    of_assert(number < plan->visit_count);
    if (unit->step_count > 1) {
        visit_bundle(plan, &visit);
    } else {
        const uint64_t grain = (number - unit->first_visit) * unit->tile_grains;

        visit.first_elem = grain * OF_GRAIN_ELEMS;
        of_assert(visit.first_elem < tensor->elem_count);
        visit.elem_count = of_num_min((uint64_t)unit->tile_grains * OF_GRAIN_ELEMS,
                                      tensor->elem_count - visit.first_elem);
        visit.first_grain += grain;
        visit.grain_count = of_num_div_ceil(visit.elem_count, OF_GRAIN_ELEMS);
        visit.out_offset += bytes_of(tensor->dtype, visit.first_elem);
        visit.out_bytes = bytes_of(tensor->dtype, visit.elem_count);
    }
    *ret_visit = visit;
}

/* Rounds of inputs find what is wrong with one in another order, and the first other input that a
 * copied tile is compared with depends on the tile. */
static bool may_split(const struct of_plan *plan, const struct of_visit *whole)
{
    return whole->grain_count > 1 && plan->steps[whole->first_step].kind == OF_STEP_MERGE &&
           plan->how.area_count >= plan->input_count;
}

static void split_tile(const struct of_plan *plan, uint64_t from_grain, uint32_t part_count,
                       struct of_visit *visit)
{
    const uint8_t dtype = plan->tensors[visit->first_step].dtype;
    const uint64_t most_elems = of_num_div_ceil(visit->grain_count, part_count) * OF_GRAIN_ELEMS;
    const uint64_t from_elem = from_grain * OF_GRAIN_ELEMS;

    of_assert(from_elem < visit->elem_count);
    visit->first_grain += from_grain;
    visit->first_elem += from_elem;
    visit->elem_count = of_num_min(visit->elem_count - from_elem, most_elems);
    visit->grain_count = of_num_div_ceil(visit->elem_count, OF_GRAIN_ELEMS);
    visit->out_offset += bytes_of(dtype, from_elem);
    visit->out_bytes = bytes_of(dtype, visit->elem_count);
}

/* No part is without elements: tensors that have none go with those behind them, or, at the end, in
 * front. */
static void split_bundle(const struct of_plan *plan, uint64_t from_grain, uint32_t part_count,
                         struct of_visit *visit)
{
    const uint64_t wanted_elems = of_num_div_ceil(visit->elem_count, part_count);
    const uint64_t end_grain = visit->first_grain + visit->grain_count;
    const uint32_t end_step = visit->first_step + visit->step_count;
    uint32_t step = visit->first_step;

    while (plan->steps[step].first_grain < visit->first_grain + from_grain) {
        step++;
        of_assert(step < end_step);
    }
    visit->first_step = step;
    visit->first_grain += from_grain;
    visit->out_offset = plan->tensors[step].offset;
    visit->elem_count = 0;
    while (visit->elem_count < wanted_elems && step < end_step) {
        visit->elem_count += plan->tensors[step].elem_count;
        step++;
    }
    while (step < end_step && plan->steps[step].first_grain == end_grain) {
        step++;
    }
    visit->step_count = step - visit->first_step;
    visit_bundle(plan, visit);
}

/* Quarters, not halves, where they have as much of all inputs together: of four inputs 512 KiB of
 * each were best, of nine 256 (docs/decisions/020-parts-of-tiles.md). */
uint32_t of_plan_part_count(uint64_t tile_bytes)
{
    return tile_bytes / 4 >= 2 * OF_MIB ? 4 : 2;
}

bool of_plan_split(const struct of_plan *plan, uint64_t from_grain, uint32_t part_count,
                   struct of_visit *visit)
{
    const uint64_t end_grain = visit->first_grain + visit->grain_count;
    const uint64_t whole_grains = visit->grain_count;

    of_assert(!visit->is_part && part_count >= 1);
    if (!may_split(plan, visit)) {
        of_assert(from_grain == 0);
        return true;
    }
    if (visit->step_count == 1) {
        split_tile(plan, from_grain, part_count, visit);
    } else {
        split_bundle(plan, from_grain, part_count, visit);
    }
    visit->is_part = visit->grain_count < whole_grains;
    return visit->first_grain + visit->grain_count == end_grain;
}

/* The steps of a bundle in one input: how many bytes, and whether they lie anywhere. */
static void gather_range(const struct of_plan *plan, const struct of_layout *layout,
                         const struct of_visit *visit, struct of_range *range)
{
    uint64_t longest = 0;
    bool scattered = false;

    for (uint32_t i = 0; i < visit->step_count; i++) {
        const uint32_t step = visit->first_step + i;
        const uint64_t byte_count = bytes_of(layout->dtypes[step], plan->tensors[step].elem_count);

        range->byte_count += byte_count;
        longest = of_num_max(longest, byte_count);
        scattered = scattered || (i > 0 && !is_behind(plan, layout, step));
    }
    range->place_bytes = scattered ? of_order_room(longest) : 0;
}

void of_plan_step_range(const struct of_plan *plan, uint32_t step, uint32_t input,
                        struct of_range *ret_range)
{
    const struct of_layout *layout = plan->inputs[input].layout;
    const uint16_t shard = layout->shards[step];

    *ret_range = (struct of_range){.shard = shard};
    if (shard != OF_PLACE_ABSENT) {
        ret_range->offset = layout->offsets[step];
        ret_range->byte_count = bytes_of(layout->dtypes[step], plan->tensors[step].elem_count);
    }
}

void of_plan_visit_range(const struct of_plan *plan, const struct of_visit *visit, uint32_t input,
                         struct of_range *ret_range)
{
    const struct of_layout *layout = plan->inputs[input].layout;
    const uint32_t first = visit->first_step;
    struct of_range range = {.shard = layout->shards[first]};

    if (range.shard == OF_PLACE_ABSENT) {
        *ret_range = range;
        return;
    }
    range.offset = layout->offsets[first];
    if (visit->scattered) {
        gather_range(plan, layout, visit, &range);
    } else if (visit->step_count > 1) {
        range.byte_count = span(plan, layout, first, first + visit->step_count - 1);
    } else {
        range.offset += bytes_of(layout->dtypes[first], visit->first_elem);
        range.byte_count = bytes_of(layout->dtypes[first], visit->elem_count);
    }
    *ret_range = range;
}
