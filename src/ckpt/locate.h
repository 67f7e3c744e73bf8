/* SPDX-License-Identifier: Apache-2.0 */
/* From what the user wrote to the folder and the file names of a checkpoint. Used by checkpoint.c.
 */
#ifndef OF_CKPT_LOCATE_H
#define OF_CKPT_LOCATE_H

#include "ckpt/checkpoint.h"

struct of_place {
    const char *folder_path; /* in the set's arena */
    int folder_fd;           /* the caller's to close */
    const char *single;      /* the one file, or NULL */
    const char *index;       /* the index, or NULL; when both are there they have to agree */
    bool is_file;            /* the path named the one file itself */
};

/* Looks on disk, then in the HF cache. Nothing is searched by pattern: fixed names decide. Ids:
 * checkpoint-*, input-*, kind-*, unsupported-*. */
OF_NODISCARD onefold_status of_locate(const struct of_checkpoint_set *set, const char *path,
                                      const char *revision, struct of_report *report,
                                      struct of_place *ret_place, onefold_error *err);

/* "FOLDER/NAME" in the arena; NULL without memory. */
const char *of_locate_join(struct of_arena *arena, const char *folder, const char *name);

#endif
