/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the safetensors parser share; nobody else includes it. */
#ifndef OF_FMT_SAFETENSORS_PARTS_H
#define OF_FMT_SAFETENSORS_PARTS_H

#include "base/limits.h"
#include "fmt/format.h"
#include "fmt/json.h"

/* One tensor's entry, checked as far as it can be without the others. */
struct of_st_entry {
    onefold_dtype dtype;
    uint8_t rank;
    uint64_t shape[OF_TENSOR_RANK_MAX];
    uint64_t elem_count;
    uint64_t begin; /* from the start of the data */
    uint64_t end;
    bool unknown_field;
};

/* Ids st-name-*. NUL is refused by the walk. */
OF_NODISCARD onefold_status of_st_name_check(struct of_str name, onefold_error *err);

/* {"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}, to the letter: a header has a hundred
 * thousand of them. Reads one that `text` begins with and returns its length; 0 says nothing but
 * that somebody else has to look, and then *ret_entry is anything. */
size_t of_st_entry_take(struct of_str text, struct of_st_entry *ret_entry);

/* Checks what of_st_entry_take has read into *ret_entry when it took the member, else reads it.
 * `member` is the tensor's member of the header; `data_bytes` the size of the file's data. */
OF_NODISCARD onefold_status of_st_entry_parse(const struct of_json_member *member,
                                              uint64_t data_bytes, struct of_text *scratch,
                                              struct of_st_entry *ret_entry, onefold_error *err);

/* Puts the tensors in order of (offset, end, name) and checks that they cover the data exactly.
 * Offsets count from the start of the data here,
 * also in the error. */
OF_NODISCARD onefold_status of_st_order(const struct of_header *header, uint64_t data_bytes,
                                        onefold_error *err);

/* 0, 1, 2 ... and as much scratch behind it, freed with of_mem_free; NULL without memory. */
uint32_t *of_st_indices(uint64_t count);

/* Warns of names that differ only in case or in how accents are composed. A shortage of memory
 * skips it. */
void of_st_warn_names(const struct of_header *header, struct of_report *report, const char *file);

#endif
