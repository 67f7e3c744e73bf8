/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of whole files: <onefold/digest.h>. Tree digests and verify are in api.c. */
#include "api/api.h"

#include "base/hash.h"
#include "base/str.h"
#include "onefold/digest.h"
#include "run/verify.h"
#include "sys/file.h"

#include <string.h>

enum { STANDARD_INPUT = 0, KINDS_KNOWN = 15 };

/* The public mask is the internal one, 1 << of_hash_kind. */
_Static_assert(ONEFOLD_HASH_XXH32 == 1 << OF_HASH_XXH32 && ONEFOLD_HASH_XXH64 == 1 << OF_HASH_XXH64,
               "kinds");
_Static_assert(ONEFOLD_HASH_XXH128 == 1 << OF_HASH_XXH128 &&
                   ONEFOLD_HASH_SHA256 == 1 << OF_HASH_SHA256,
               "kinds");

static onefold_status sum(int fd, bool fd_is_stream, uint32_t kinds, const onefold_cancel *cancel,
                          onefold_sums *ret_sums, onefold_error *err)
{
    struct of_file_sums sums;

    if (kinds == 0 || (kinds & ~(uint32_t)KINDS_KNOWN) != 0 || ret_sums == NULL) {
        return of_err_set(err, "argument", "no digest wanted, or one that does not exist");
    }
    OF_TRY(of_sum_fd(fd, fd_is_stream, kinds, cancel != NULL ? &cancel->signal_number : NULL, &sums,
                     err));
    memset(ret_sums, 0, sizeof(*ret_sums));
    ret_sums->size_bytes = sums.size_bytes;
    memcpy(ret_sums->xxh32, sums.digests[OF_HASH_XXH32], sizeof(ret_sums->xxh32));
    memcpy(ret_sums->xxh64, sums.digests[OF_HASH_XXH64], sizeof(ret_sums->xxh64));
    memcpy(ret_sums->xxh128, sums.digests[OF_HASH_XXH128], sizeof(ret_sums->xxh128));
    memcpy(ret_sums->sha256, sums.digests[OF_HASH_SHA256], sizeof(ret_sums->sha256));
    return ONEFOLD_OK;
}

onefold_status onefold_sum_fd(int fd, uint32_t kinds, const onefold_cancel *cancel,
                              onefold_sums *ret_sums, onefold_error *err)
{
    onefold_error dummy;

    err = of_api_err(err, &dummy);
    return sum(fd, true, kinds, cancel, ret_sums, err);
}

onefold_status onefold_sum_file(const char *path, uint32_t kinds, const onefold_cancel *cancel,
                                onefold_sums *ret_sums, onefold_error *err)
{
    onefold_error dummy;
    onefold_status status;
    int fd = -1;

    err = of_api_err(err, &dummy);
    if (path == NULL || strcmp(path, "-") == 0) {
        status = sum(STANDARD_INPUT, true, kinds, cancel, ret_sums, err);
        if (status != ONEFOLD_OK && status != ONEFOLD_E_CANCELLED) {
            (void)of_err_prefix(err, "standard input");
        }
        return status;
    }
    OF_TRY(of_file_open_read(of_file_here, path, 0, &fd, NULL, err));
    status = sum(fd, false, kinds, cancel, ret_sums, err);
    if (status != ONEFOLD_OK && status != ONEFOLD_E_CANCELLED) {
        (void)of_err_prefix(err, "%s", of_str_escape(of_str_from(path)).text);
    }
    of_file_close(&fd);
    return status;
}
