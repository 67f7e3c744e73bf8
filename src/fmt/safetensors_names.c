/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of tensors that a person would take for one: they differ only in case, or one writes an
 * accented letter as one character and the other as letter and accent. They are different names all
 * the same, so this only warns. Latin, Greek, Cyrillic and Korean are known, the rest is compared
 * as it is.
 */
#include "fmt/safetensors_parts.h"

#include "base/sort.h"

/* A letter that has its accent with it, and the two characters that mean the same. */
struct composed {
    uint16_t code;
    char base;
    uint16_t accent;
};

/* From the Unicode character database: what is composed of an ASCII letter in U+00C0-024F. */
static const struct composed composed[] = {
    {0x00c0, 'A', 0x0300}, {0x00c1, 'A', 0x0301}, {0x00c2, 'A', 0x0302}, {0x00c3, 'A', 0x0303},
    {0x00c4, 'A', 0x0308}, {0x00c5, 'A', 0x030a}, {0x00c7, 'C', 0x0327}, {0x00c8, 'E', 0x0300},
    {0x00c9, 'E', 0x0301}, {0x00ca, 'E', 0x0302}, {0x00cb, 'E', 0x0308}, {0x00cc, 'I', 0x0300},
    {0x00cd, 'I', 0x0301}, {0x00ce, 'I', 0x0302}, {0x00cf, 'I', 0x0308}, {0x00d1, 'N', 0x0303},
    {0x00d2, 'O', 0x0300}, {0x00d3, 'O', 0x0301}, {0x00d4, 'O', 0x0302}, {0x00d5, 'O', 0x0303},
    {0x00d6, 'O', 0x0308}, {0x00d9, 'U', 0x0300}, {0x00da, 'U', 0x0301}, {0x00db, 'U', 0x0302},
    {0x00dc, 'U', 0x0308}, {0x00dd, 'Y', 0x0301}, {0x00e0, 'a', 0x0300}, {0x00e1, 'a', 0x0301},
    {0x00e2, 'a', 0x0302}, {0x00e3, 'a', 0x0303}, {0x00e4, 'a', 0x0308}, {0x00e5, 'a', 0x030a},
    {0x00e7, 'c', 0x0327}, {0x00e8, 'e', 0x0300}, {0x00e9, 'e', 0x0301}, {0x00ea, 'e', 0x0302},
    {0x00eb, 'e', 0x0308}, {0x00ec, 'i', 0x0300}, {0x00ed, 'i', 0x0301}, {0x00ee, 'i', 0x0302},
    {0x00ef, 'i', 0x0308}, {0x00f1, 'n', 0x0303}, {0x00f2, 'o', 0x0300}, {0x00f3, 'o', 0x0301},
    {0x00f4, 'o', 0x0302}, {0x00f5, 'o', 0x0303}, {0x00f6, 'o', 0x0308}, {0x00f9, 'u', 0x0300},
    {0x00fa, 'u', 0x0301}, {0x00fb, 'u', 0x0302}, {0x00fc, 'u', 0x0308}, {0x00fd, 'y', 0x0301},
    {0x00ff, 'y', 0x0308}, {0x0100, 'A', 0x0304}, {0x0101, 'a', 0x0304}, {0x0102, 'A', 0x0306},
    {0x0103, 'a', 0x0306}, {0x0104, 'A', 0x0328}, {0x0105, 'a', 0x0328}, {0x0106, 'C', 0x0301},
    {0x0107, 'c', 0x0301}, {0x0108, 'C', 0x0302}, {0x0109, 'c', 0x0302}, {0x010a, 'C', 0x0307},
    {0x010b, 'c', 0x0307}, {0x010c, 'C', 0x030c}, {0x010d, 'c', 0x030c}, {0x010e, 'D', 0x030c},
    {0x010f, 'd', 0x030c}, {0x0112, 'E', 0x0304}, {0x0113, 'e', 0x0304}, {0x0114, 'E', 0x0306},
    {0x0115, 'e', 0x0306}, {0x0116, 'E', 0x0307}, {0x0117, 'e', 0x0307}, {0x0118, 'E', 0x0328},
    {0x0119, 'e', 0x0328}, {0x011a, 'E', 0x030c}, {0x011b, 'e', 0x030c}, {0x011c, 'G', 0x0302},
    {0x011d, 'g', 0x0302}, {0x011e, 'G', 0x0306}, {0x011f, 'g', 0x0306}, {0x0120, 'G', 0x0307},
    {0x0121, 'g', 0x0307}, {0x0122, 'G', 0x0327}, {0x0123, 'g', 0x0327}, {0x0124, 'H', 0x0302},
    {0x0125, 'h', 0x0302}, {0x0128, 'I', 0x0303}, {0x0129, 'i', 0x0303}, {0x012a, 'I', 0x0304},
    {0x012b, 'i', 0x0304}, {0x012c, 'I', 0x0306}, {0x012d, 'i', 0x0306}, {0x012e, 'I', 0x0328},
    {0x012f, 'i', 0x0328}, {0x0130, 'I', 0x0307}, {0x0134, 'J', 0x0302}, {0x0135, 'j', 0x0302},
    {0x0136, 'K', 0x0327}, {0x0137, 'k', 0x0327}, {0x0139, 'L', 0x0301}, {0x013a, 'l', 0x0301},
    {0x013b, 'L', 0x0327}, {0x013c, 'l', 0x0327}, {0x013d, 'L', 0x030c}, {0x013e, 'l', 0x030c},
    {0x0143, 'N', 0x0301}, {0x0144, 'n', 0x0301}, {0x0145, 'N', 0x0327}, {0x0146, 'n', 0x0327},
    {0x0147, 'N', 0x030c}, {0x0148, 'n', 0x030c}, {0x014c, 'O', 0x0304}, {0x014d, 'o', 0x0304},
    {0x014e, 'O', 0x0306}, {0x014f, 'o', 0x0306}, {0x0150, 'O', 0x030b}, {0x0151, 'o', 0x030b},
    {0x0154, 'R', 0x0301}, {0x0155, 'r', 0x0301}, {0x0156, 'R', 0x0327}, {0x0157, 'r', 0x0327},
    {0x0158, 'R', 0x030c}, {0x0159, 'r', 0x030c}, {0x015a, 'S', 0x0301}, {0x015b, 's', 0x0301},
    {0x015c, 'S', 0x0302}, {0x015d, 's', 0x0302}, {0x015e, 'S', 0x0327}, {0x015f, 's', 0x0327},
    {0x0160, 'S', 0x030c}, {0x0161, 's', 0x030c}, {0x0162, 'T', 0x0327}, {0x0163, 't', 0x0327},
    {0x0164, 'T', 0x030c}, {0x0165, 't', 0x030c}, {0x0168, 'U', 0x0303}, {0x0169, 'u', 0x0303},
    {0x016a, 'U', 0x0304}, {0x016b, 'u', 0x0304}, {0x016c, 'U', 0x0306}, {0x016d, 'u', 0x0306},
    {0x016e, 'U', 0x030a}, {0x016f, 'u', 0x030a}, {0x0170, 'U', 0x030b}, {0x0171, 'u', 0x030b},
    {0x0172, 'U', 0x0328}, {0x0173, 'u', 0x0328}, {0x0174, 'W', 0x0302}, {0x0175, 'w', 0x0302},
    {0x0176, 'Y', 0x0302}, {0x0177, 'y', 0x0302}, {0x0178, 'Y', 0x0308}, {0x0179, 'Z', 0x0301},
    {0x017a, 'z', 0x0301}, {0x017b, 'Z', 0x0307}, {0x017c, 'z', 0x0307}, {0x017d, 'Z', 0x030c},
    {0x017e, 'z', 0x030c}, {0x01a0, 'O', 0x031b}, {0x01a1, 'o', 0x031b}, {0x01af, 'U', 0x031b},
    {0x01b0, 'u', 0x031b}, {0x01cd, 'A', 0x030c}, {0x01ce, 'a', 0x030c}, {0x01cf, 'I', 0x030c},
    {0x01d0, 'i', 0x030c}, {0x01d1, 'O', 0x030c}, {0x01d2, 'o', 0x030c}, {0x01d3, 'U', 0x030c},
    {0x01d4, 'u', 0x030c}, {0x01e6, 'G', 0x030c}, {0x01e7, 'g', 0x030c}, {0x01e8, 'K', 0x030c},
    {0x01e9, 'k', 0x030c}, {0x01ea, 'O', 0x0328}, {0x01eb, 'o', 0x0328}, {0x01f0, 'j', 0x030c},
    {0x01f4, 'G', 0x0301}, {0x01f5, 'g', 0x0301}, {0x01f8, 'N', 0x0300}, {0x01f9, 'n', 0x0300},
    {0x0200, 'A', 0x030f}, {0x0201, 'a', 0x030f}, {0x0202, 'A', 0x0311}, {0x0203, 'a', 0x0311},
    {0x0204, 'E', 0x030f}, {0x0205, 'e', 0x030f}, {0x0206, 'E', 0x0311}, {0x0207, 'e', 0x0311},
    {0x0208, 'I', 0x030f}, {0x0209, 'i', 0x030f}, {0x020a, 'I', 0x0311}, {0x020b, 'i', 0x0311},
    {0x020c, 'O', 0x030f}, {0x020d, 'o', 0x030f}, {0x020e, 'O', 0x0311}, {0x020f, 'o', 0x0311},
    {0x0210, 'R', 0x030f}, {0x0211, 'r', 0x030f}, {0x0212, 'R', 0x0311}, {0x0213, 'r', 0x0311},
    {0x0214, 'U', 0x030f}, {0x0215, 'u', 0x030f}, {0x0216, 'U', 0x0311}, {0x0217, 'u', 0x0311},
    {0x0218, 'S', 0x0326}, {0x0219, 's', 0x0326}, {0x021a, 'T', 0x0326}, {0x021b, 't', 0x0326},
    {0x021e, 'H', 0x030c}, {0x021f, 'h', 0x030c}, {0x0226, 'A', 0x0307}, {0x0227, 'a', 0x0307},
    {0x0228, 'E', 0x0327}, {0x0229, 'e', 0x0327}, {0x022e, 'O', 0x0307}, {0x022f, 'o', 0x0307},
    {0x0232, 'Y', 0x0304}, {0x0233, 'y', 0x0304},
};

/* Reads a name character by character in its folded form. */
struct folding {
    struct of_str rest;
    uint32_t waiting[2]; /* characters that came out of the last one, next one first; 0 = none */
};

static uint32_t lower(uint32_t code)
{
    if ((code >= 'A' && code <= 'Z') || (code >= 0x0391 && code <= 0x03a9) ||
        (code >= 0x0410 && code <= 0x042f)) {
        return code + 0x20;
    }
    return code;
}

static const struct composed *find_composed(uint32_t code)
{
    size_t low = 0;
    size_t high = OF_LENGTH(composed);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (composed[middle].code == code) {
            return &composed[middle];
        }
        if (composed[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Splits a Korean syllable, whose code is computed from those of its two or three letters. */
static uint32_t split_syllable(uint32_t code, struct folding *folding)
{
    uint32_t index = code - 0xac00;
    uint32_t last = index % 28;

    folding->waiting[0] = 0x1161 + index / 28 % 21;
    folding->waiting[1] = last == 0 ? 0 : 0x11a7 + last;
    return 0x1100 + index / (28 * 21);
}

/* The next folded character; 0 at the end, which no name holds. */
static uint32_t next_folded(struct folding *folding)
{
    uint32_t code = folding->waiting[0];
    const struct composed *row;
    size_t taken;

    if (code != 0) {
        folding->waiting[0] = folding->waiting[1];
        folding->waiting[1] = 0;
        return code;
    }
    if (folding->rest.length == 0) {
        return 0;
    }
    taken = of_str_decode(folding->rest, &code);
    folding->rest = (struct of_str){folding->rest.data + taken, folding->rest.length - taken};
    if (code >= 0xac00 && code < 0xac00 + 11172) {
        return split_syllable(code, folding);
    }
    row = code >= 0xc0 ? find_composed(code) : NULL;
    if (row == NULL) {
        return lower(code);
    }
    folding->waiting[0] = row->accent;
    return lower((unsigned char)row->base);
}

/* Order of names when neither case nor composition counts. */
static int compare_folded(struct of_str a, struct of_str b)
{
    struct folding left = {0};
    struct folding right = {0};
    size_t shorter = a.length < b.length ? a.length : b.length;
    size_t same = 0;

    /* Names of one model share long beginnings; equal ASCII is equal when folded. */
    while (same < shorter && a.data[same] == b.data[same] && (unsigned char)a.data[same] < 0x80) {
        same++;
    }
    left.rest = (struct of_str){a.data + same, a.length - same};
    right.rest = (struct of_str){b.data + same, b.length - same};
    for (;;) {
        uint32_t x = next_folded(&left);
        uint32_t y = next_folded(&right);

        if (x != y) {
            return x < y ? -1 : 1;
        }
        if (x == 0) {
            return 0;
        }
    }
}

static bool folded_less(const void *context, uint32_t a, uint32_t b)
{
    const struct of_tensor *tensors = context;

    return compare_folded(tensors[a].name, tensors[b].name) < 0;
}

/* False when all names are in lower-case ASCII, as in most files: then no two can be alike. */
static bool may_be_alike(const struct of_header *header)
{
    for (uint64_t i = 0; i < header->tensor_count; i++) {
        struct of_str name = header->tensors[i].name;

        for (size_t at = 0; at < name.length; at++) {
            unsigned char c = (unsigned char)name.data[at];

            if ((c >= 'A' && c <= 'Z') || c >= 0x80) {
                return true;
            }
        }
    }
    return false;
}

void of_st_warn_names(const struct of_header *header, struct of_report *report, const char *file)
{
    const struct of_tensor *tensors = header->tensors;
    uint32_t *order;
    uint64_t shown = 0;

    if (!may_be_alike(header)) {
        return;
    }
    order = of_st_indices(header->tensor_count);
    if (order == NULL) {
        return;
    }
    of_sort_indices(order, order + header->tensor_count, header->tensor_count, folded_less,
                    tensors);
    for (uint64_t i = 1; i < header->tensor_count && shown < OF_FINDINGS_SHOWN_MAX; i++) {
        struct of_str a = tensors[order[i - 1]].name;
        struct of_str b = tensors[order[i]].name;

        if (compare_folded(a, b) == 0) {
            shown++;
            of_report_warning(report, "st-name-case", file,
                              "names \"%s\" and \"%s\" differ only in case or composition",
                              of_str_escape(a).text, of_str_escape(b).text);
        }
    }
    of_mem_free(order);
}
