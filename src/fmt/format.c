/* SPDX-License-Identifier: Apache-2.0 */
/* Recognises by their first bytes files that people hand in by mistake, so that the message says
 * what they have and not that a length is wrong. Nothing beyond the mark is interpreted. */
#include "fmt/format.h"

#include "base/bytes.h"
#include "base/limits.h"

#include <ctype.h>

struct mark {
    struct of_str bytes;
    uint32_t offset;
    const char *id;
    const char *what;
};

static const struct mark marks[] = {
    {{"PK\x03\x04", 4}, 0, "kind-zip", "this is a zip archive, as PyTorch saves them"},
    {{"PK\x05\x06", 4}, 0, "kind-zip", "this is a zip archive, as PyTorch saves them"},
    {{"\x80\x02", 2}, 0, "kind-pickle", "this is a Python pickle"},
    {{"\x80\x03", 2}, 0, "kind-pickle", "this is a Python pickle"},
    {{"\x80\x04", 2}, 0, "kind-pickle", "this is a Python pickle"},
    {{"\x80\x05", 2}, 0, "kind-pickle", "this is a Python pickle"},
    {{"GGUF", 4}, 0, "kind-gguf", "this is a GGUF file"},
    {{"\x1f\x8b", 2}, 0, "kind-gzip", "this is a gzip file"},
    {{"\x28\xb5\x2f\xfd", 4}, 0, "kind-zstd", "this is a zstd file"},
    {{"\xfd\x37zXZ\x00", 6}, 0, "kind-xz", "this is an xz file"},
    {{"BZh", 3}, 0, "kind-bzip2", "this is a bzip2 file"},
    {{"7z\xbc\xaf\x27\x1c", 6}, 0, "kind-7z", "this is a 7z archive"},
    {{"\x89HDF\r\n\x1a\n", 8}, 0, "kind-hdf5", "this is an HDF5 file"},
    {{"\x93NUMPY", 6}, 0, "kind-npy", "this is a NumPy array file"},
    {{"version https://git-lfs", 23}, 0, "kind-lfs", "this is a git-lfs pointer, not the file"},
    {{"ustar", 5}, 257, "kind-tar", "this is a tar archive"},
};

/* True when length and first header byte are those of a safetensors file: then a mark is chance,
 * for a length may spell anything. */
static bool looks_like_safetensors(struct of_str first, uint64_t file_bytes)
{
    static const char json_starts[] = {'{', ' ', '\t', '\r', '\n'};
    uint64_t length;

    if (first.length < 9 || file_bytes < 9) {
        return false;
    }
    length = of_bytes_load64(first.data);
    return length > 0 && length <= OF_ST_HEADER_BYTES_MAX && length <= file_bytes - 8 &&
           memchr(json_starts, first.data[8], sizeof(json_starts)) != NULL;
}

/* "<!doctype", "<html", "<?xml" after white space, in any case. */
static bool looks_like_html(struct of_str first)
{
    static const char *const starts[] = {"<!doctype", "<html", "<?xml", "<head"};
    size_t at = 0;

    while (at < first.length && strchr(" \t\r\n", first.data[at]) != NULL && first.data[at] != 0) {
        at++;
    }
    for (size_t i = 0; i < OF_LENGTH(starts); i++) {
        size_t length = strlen(starts[i]);
        size_t same = 0;

        while (same < length && at + same < first.length &&
               tolower((unsigned char)first.data[at + same]) == starts[i][same]) {
            same++;
        }
        if (same == length) {
            return true;
        }
    }
    return false;
}

onefold_status of_format_recognise(struct of_str first, uint64_t file_bytes, onefold_error *err)
{
    if (looks_like_safetensors(first, file_bytes)) {
        return ONEFOLD_OK;
    }
    for (size_t i = 0; i < OF_LENGTH(marks); i++) {
        const struct mark *mark = &marks[i];

        if (first.length >= mark->offset + mark->bytes.length &&
            memcmp(first.data + mark->offset, mark->bytes.data, mark->bytes.length) == 0) {
            return of_err_set(err, mark->id, "%s", mark->what);
        }
    }
    if (looks_like_html(first)) {
        return of_err_set(err, "kind-html", "this is a web page");
    }
    return ONEFOLD_OK;
}
