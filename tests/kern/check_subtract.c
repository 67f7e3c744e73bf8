/* SPDX-License-Identifier: Apache-2.0 */
/* subtract, subtract_bf16: the difference in double, rounded once to f32. A difference of two f32
 * rounded first to 53 bits and then to 24 is the one rounded once. */
#include "check.h"

#include "exact.h"

#include <string.h>

struct subtract_case {
    bool bf16;
    const char *name;
};

static void call(const struct of_kern *kern, bool bf16, float *d, const void *x, const float *base,
                 size_t count)
{
    if (bf16) {
        kern->subtract_bf16(d, x, base, count);
    } else {
        kern->subtract(d, x, base, count);
    }
}

static void put_x(struct check *check, bool bf16, void *to, size_t count)
{
    check_values(&check->prng, check->values[3], count);
    if (bf16) {
        (void)check->law->pack[ONEFOLD_DTYPE_BF16](to, check->values[3], count);
    } else if (count > 0) {
        memcpy(to, check->values[3], count * sizeof(float));
    }
}

static double element(const void *x, bool bf16, size_t index)
{
    uint16_t code;
    float value;

    if (bf16) {
        memcpy(&code, (const uint8_t *)x + index * sizeof(code), sizeof(code));
        return exact_decode(exact_type_at(1), code);
    }
    memcpy(&value, (const uint8_t *)x + index * sizeof(value), sizeof(value));
    return (double)value;
}

static void against_exact(struct check *check, const struct subtract_case *chosen)
{
    enum { COUNT = 1000 };

    for (size_t round = 0; round < 20; round++) {
        check_values(&check->prng, check->values[1], COUNT);
        put_x(check, chosen->bf16, check->codes, COUNT);
        call(check->kern, chosen->bf16, check->values[0], check->codes, check->values[1], COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            const float expected =
                exact_to_f32(element(check->codes, chosen->bf16, i) - (double)check->values[1][i]);

            if (!check_same_value(check->values[0][i], expected)) {
                check_fail(check, "%s: element %zu is %a, not %a", chosen->name, i,
                           (double)check->values[0][i], (double)expected);
            }
        }
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const struct subtract_case *chosen = context;
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t bytes = length * sizeof(float);
    float *d = (float *)(void *)check_put(&check->area[0], bytes, even);
    uint8_t *x =
        check_put(&check->area[1], chosen->bf16 ? bytes / 2 : bytes, chosen->bf16 ? place : even);
    float *base = (float *)(void *)check_put(&check->area[2], bytes, even);

    check_values(&check->prng, base, length);
    put_x(check, chosen->bf16, x, length);
    call(check->law, chosen->bf16, check->values[0], x, base, length);
    check_doing(chosen->name, length, place);
    call(check->kern, chosen->bf16, d, x, base, length);
    if (!check_same(d, check->values[0], length)) {
        check_fail(check, "%s: %zu elements, placement %zu: differs from scalar", chosen->name,
                   length, place);
    }
    if (!check_around(&check->area[0], d, bytes)) {
        check_fail(check, "%s: %zu elements, placement %zu: wrote outside", chosen->name, length,
                   place);
    }
}

void check_subtract(struct check *check)
{
    static struct subtract_case cases[] = {{false, "subtract"}, {true, "subtract_bf16"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        against_exact(check, &cases[i]);
        check_each(check, one_case, &cases[i]);
    }
}
