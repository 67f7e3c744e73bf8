/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock, take over, commit. The lock is on the journal, and after locking the path must still name
 * the locked file: the run before may have removed its folder between our open and our lock.
 */
#include "run/stage.h"

#include "base/limits.h"
#include "base/str.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/outfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Between two looks at a lock that somebody holds. */
#define LOOK_AGAIN_NS UINT64_C(50000000)
enum { JOURNAL_HEAD_BYTES_MAX = 512 };

enum attempt { ATTEMPT_OK, ATTEMPT_BUSY, ATTEMPT_AGAIN, ATTEMPT_FAILED };

/* ---- What may stand in a staging folder ---- */

static const char *const own_names[] = {OF_STAGE_JOURNAL,
                                        "onefold.json",
                                        "onefold.leaves",
                                        "SHA256SUMS",
                                        "XXH128SUMS",
                                        "README.md",
                                        "mergekit_config.yml",
                                        "config.json",
                                        "model.safetensors.index.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "tokenizer.json",
                                        "tokenizer.model",
                                        "added_tokens.json",
                                        "merges.txt",
                                        "chat_template.jinja",
                                        "generation_config.json",
                                        "chat_template.json",
                                        "video_preprocessor_config.json",
                                        "preprocessor_config.json",
                                        "processor_config.json",
                                        "vocab.json",
                                        "normalizer.json"};

static bool is_own_name(const char *name)
{
    const struct of_str text = of_str_from(name);

    for (size_t i = 0; i < OF_LENGTH(own_names); i++) {
        if (of_str_is(text, own_names[i])) {
            return true;
        }
    }
    return of_str_starts(text, "model") && of_str_ends(text, ".safetensors");
}

struct look {
    int folder_fd;
    bool empty_it; /* remove what is found, except the journal */
    uint32_t removed_count;
    bool foreign;
    char name[OF_FILE_NAME_BYTES_MAX + 1]; /* the foreign one */
    onefold_error error;
};

static bool look_at(void *context, const char *name)
{
    struct look *look = context;
    struct of_identity identity;
    int fd = -1;

    (void)snprintf(look->name, sizeof(look->name), "%s", name);
    if (look->empty_it) {
        if (strcmp(name, OF_STAGE_JOURNAL) == 0) {
            return true;
        }
        look->removed_count++;
        return of_file_remove(look->folder_fd, name, &look->error) == ONEFOLD_OK;
    }
    look->foreign = !is_own_name(name);
    if (!look->foreign && of_file_open_read(look->folder_fd, name, OF_FILE_NO_LINKS, &fd, &identity,
                                            &look->error) != ONEFOLD_OK) {
        /* Its owner may have removed it meanwhile. Too many open files are no sign of anything. */
        look->foreign = !of_file_is_shortage(&look->error) && look->error.sys_errno != ENOENT;
        if (!of_file_is_shortage(&look->error)) {
            of_err_clear(&look->error);
        }
    }
    of_file_close(&fd);
    return !look->foreign && look->error.status == ONEFOLD_OK;
}

/* Refuses a folder that is not ours or holds what no run of ours makes. */
static onefold_status check_contents(const struct of_stage *stage, onefold_error *err)
{
    const struct of_shown shown = of_str_escape(of_str_from(stage->target->stage_name));
    struct look look = {.folder_fd = stage->folder_fd};

    if (!of_outfile_is_own(stage->folder_fd)) {
        return of_err_set(err, "stage-foreign", "%s: belongs to another user", shown.text);
    }
    of_err_clear(&look.error);
    OF_TRY(of_file_list(stage->folder_fd, look_at, &look, err));
    if (look.error.status != ONEFOLD_OK) {
        *err = look.error;
        return err->status;
    }
    if (look.foreign) {
        return of_err_set(err, "stage-foreign", "%s: \"%s\" in it is not from a run of onefold",
                          shown.text, of_str_escape(of_str_from(look.name)).text);
    }
    return ONEFOLD_OK;
}

static onefold_status empty_folder(const struct of_stage *stage, onefold_error *err)
{
    struct look look = {.folder_fd = stage->folder_fd, .empty_it = true};

    /* A folder that changes while it is listed may hide names from the listing: look until a whole
     * listing finds nothing but the journal. Each turn removes at least one name. */
    do {
        look.removed_count = 0;
        of_err_clear(&look.error);
        OF_TRY(of_file_list(stage->folder_fd, look_at, &look, err));
        if (look.error.status != ONEFOLD_OK) {
            *err = look.error;
            return err->status;
        }
    } while (look.removed_count > 0);
    return of_file_resize(stage->journal_fd, 0, err);
}

/* ---- Lock ---- */

static void close_both(struct of_stage *stage)
{
    of_file_close(&stage->journal_fd);
    of_file_close(&stage->folder_fd);
}

/* The names still lead to what is open. */
static bool is_still_there(const struct of_stage *stage)
{
    struct of_identity by_name;
    struct of_identity open_one;
    enum of_file_kind kind;
    onefold_error ignored;

    if (!of_file_probe(stage->target->parent_fd, stage->target->stage_name, &kind, &by_name) ||
        of_file_identity(stage->folder_fd, &open_one, &ignored) != ONEFOLD_OK ||
        !of_identity_is_same_file(&by_name, &open_one)) {
        return false;
    }
    return of_file_probe(stage->folder_fd, OF_STAGE_JOURNAL, &kind, &by_name) &&
           of_file_identity(stage->journal_fd, &open_one, &ignored) == ONEFOLD_OK &&
           of_identity_is_same_file(&by_name, &open_one);
}

static enum attempt take_lock(struct of_stage *stage, onefold_error *err)
{
    bool locked = false;

    if (of_file_lock(stage->journal_fd, &locked, err) != ONEFOLD_OK) {
        return ATTEMPT_FAILED;
    }
    if (!locked) {
        return ATTEMPT_BUSY;
    }
    return is_still_there(stage) ? ATTEMPT_OK : ATTEMPT_AGAIN;
}

static enum attempt create_journal(struct of_stage *stage, onefold_error *err)
{
    of_err_clear(err);
    if (of_file_create(stage->folder_fd, OF_STAGE_JOURNAL, 0, &stage->journal_fd, err) !=
        ONEFOLD_OK) {
        /* Somebody was faster, or has just removed the folder. */
        return err->sys_errno == EEXIST || err->sys_errno == ENOENT ? ATTEMPT_AGAIN
                                                                    : ATTEMPT_FAILED;
    }
    return take_lock(stage, err);
}

/* A folder that is there already. Without a journal its run is about to make it or about to rename
 * the folder; only when that does not happen in time (`late`) was it killed just then. */
static enum attempt adopt(struct of_stage *stage, bool late, onefold_error *err)
{
    of_err_clear(err);
    if (of_outfile_reopen(stage->folder_fd, OF_STAGE_JOURNAL, false, &stage->journal_fd, err) ==
        ONEFOLD_OK) {
        return take_lock(stage, err);
    }
    if (err->sys_errno != ENOENT && !of_file_is_shortage(err)) {
        of_err_set(err, "stage-foreign", "%s: its %s cannot be opened",
                   of_str_escape(of_str_from(stage->target->stage_name)).text, OF_STAGE_JOURNAL);
        return ATTEMPT_FAILED;
    }
    if (err->sys_errno != ENOENT) {
        return ATTEMPT_FAILED;
    }
    return late ? create_journal(stage, err) : ATTEMPT_BUSY;
}

/* One try. *ret_stale: the folder was there before. */
static enum attempt try_open(struct of_stage *stage, bool late, bool *ret_stale, onefold_error *err)
{
    const struct of_target *target = stage->target;

    of_err_clear(err);
    *ret_stale = of_file_create_folder(target->parent_fd, target->stage_name, err) != ONEFOLD_OK;
    if (*ret_stale && err->sys_errno != EEXIST) {
        return ATTEMPT_FAILED;
    }
    of_err_clear(err);
    /* Never through a link: what it leads to would be emptied. */
    if (of_file_is_link(target->parent_fd, target->stage_name) ||
        of_file_open_folder(target->parent_fd, target->stage_name, &stage->folder_fd, err) !=
            ONEFOLD_OK) {
        if (err->sys_errno == ENOENT) {
            return ATTEMPT_AGAIN;
        }
        if (of_file_is_shortage(err)) {
            return ATTEMPT_FAILED;
        }
        of_err_set(err, "stage-foreign", "%s: is in the way and no folder of ours",
                   of_str_escape(of_str_from(target->stage_name)).text);
        return ATTEMPT_FAILED;
    }
    if (!*ret_stale) {
        return create_journal(stage, err);
    }
    if (check_contents(stage, err) != ONEFOLD_OK) {
        return ATTEMPT_FAILED;
    }
    return adopt(stage, late, err);
}

/* The folder that this try made; nothing is in it but perhaps the journal. */
static void take_back(const struct of_stage *stage)
{
    onefold_error ignored;

    of_err_clear(&ignored);
    if (stage->journal_fd >= 0 &&
        of_file_remove(stage->folder_fd, OF_STAGE_JOURNAL, &ignored) != ONEFOLD_OK) {
        return;
    }
    if (of_file_remove(stage->target->parent_fd, stage->target->stage_name, &ignored) !=
        ONEFOLD_OK) {
        return; /* left empty: the next run takes it over */
    }
}

/* "process 123, since 2026-01-31 12:00:00 UTC", from the head of the holder's journal. */
static void describe_holder(const struct of_stage *stage, char *ret_text, size_t room)
{
    char head[JOURNAL_HEAD_BYTES_MAX + 1] = {0};
    struct of_identity identity;
    onefold_error ignored;
    static const char key[] = "\nprocess ";
    const char *line;
    uint64_t length;

    (void)snprintf(ret_text, room, "another run");
    if (stage->journal_fd < 0 ||
        of_file_identity(stage->journal_fd, &identity, &ignored) != ONEFOLD_OK) {
        return;
    }
    length =
        identity.size_bytes < JOURNAL_HEAD_BYTES_MAX ? identity.size_bytes : JOURNAL_HEAD_BYTES_MAX;
    if (of_file_read_at(stage->journal_fd, head, length, 0, &ignored) != ONEFOLD_OK) {
        return;
    }
    line = strstr(head, key);
    if (line != NULL) {
        line += strlen(key);
        (void)snprintf(ret_text, room, "process %.*s, since %s", (int)strspn(line, "0123456789"),
                       line, of_clock_utc(identity.mtime_sec).text);
    }
}

static onefold_status refuse_busy(const struct of_stage *stage, onefold_error *err)
{
    char holder[96];

    describe_holder(stage, holder, sizeof(holder));
    return of_err_set(err, "target-busy", "%s: is being written by %s",
                      of_str_escape(of_str_from(stage->target->path)).text, holder);
}

static onefold_status write_head(const struct of_stage *stage, const struct of_plan *plan,
                                 onefold_error *err)
{
    char text[JOURNAL_HEAD_BYTES_MAX];
    char hash[2 * sizeof(plan->hash.bytes) + 1];
    int length;

    of_hash_hex(plan->hash.bytes, sizeof(plan->hash.bytes), hash);
    length = snprintf(text, sizeof(text), "onefold-journal 1\nplan %s\nprocess %llu\n", hash,
                      (unsigned long long)of_outfile_process_id());
    if (of_file_write_at(stage->journal_fd, text, (uint64_t)length, 0, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "%s/%s",
                             of_str_escape(of_str_from(stage->target->stage_name)).text,
                             OF_STAGE_JOURNAL);
    }
    return ONEFOLD_OK;
}

/* The folder is locked and ours. */
static onefold_status settle(struct of_stage *stage, const struct of_plan *plan, bool stale,
                             struct of_report *report, onefold_error *err)
{
    if (stale) {
        OF_TRY(check_contents(stage, err));
        of_report_note(report, "stage-stale", stage->target->stage_name,
                       "left by a run that was killed: it is emptied and the merge starts anew");
        OF_TRY(empty_folder(stage, err));
    }
    return write_head(stage, plan, err);
}

onefold_status of_stage_open(struct of_stage *stage, const struct of_target *target,
                             const struct of_plan *plan, const struct of_stage_options *options,
                             onefold_error *err)
{
    const uint64_t start_ns = of_clock_ns();
    bool told = false;

    *stage = (struct of_stage){.target = target, .folder_fd = -1, .journal_fd = -1};
    for (;;) {
        const bool late = of_clock_ns() - start_ns >= options->wait_ns;
        bool stale = false;
        const enum attempt attempt = try_open(stage, late, &stale, err);

        if (attempt == ATTEMPT_OK) {
            onefold_status status = settle(stage, plan, stale, options->report, err);

            if (status != ONEFOLD_OK) {
                /* Foreign things stay where they are. */
                stage->keep = of_str_is(of_str_from(err->id), "stage-foreign");
            }
            return status;
        }
        if (attempt == ATTEMPT_BUSY && late) {
            of_err_clear(err);
            (void)refuse_busy(stage, err);
        }
        if (attempt == ATTEMPT_FAILED && !stale) {
            take_back(stage);
        }
        close_both(stage);
        if (attempt == ATTEMPT_FAILED || (attempt == ATTEMPT_BUSY && late)) {
            err->state = ONEFOLD_STATE_SAME;
            return err->status;
        }
        if (options->cancel != NULL && *options->cancel != 0) {
            return of_err_set(err, "cancelled", "stopped while waiting for another run");
        }
        if (attempt == ATTEMPT_BUSY) {
            if (!told) {
                of_report_note(options->report, "target-wait", target->path,
                               "another run holds the lock: waiting");
                told = true;
            }
            of_clock_sleep_ns(LOOK_AGAIN_NS);
        }
    }
}

/* ---- Commit ---- */

static onefold_status publish(const struct of_target *target, bool exchange, onefold_error *err)
{
    if (exchange) {
        return of_file_exchange(target->parent_fd, target->stage_name, target->name, err);
    }
    return of_file_rename(target->parent_fd, target->stage_name, target->name, err);
}

onefold_status of_stage_commit(struct of_stage *stage, bool force, struct of_report *report,
                               onefold_error *err)
{
    const struct of_target *target = stage->target;
    struct of_identity identity;
    enum of_file_kind kind;
    const bool exchange = force && of_file_probe(target->parent_fd, target->name, &kind, &identity);

    OF_TRY(of_file_sync(stage->folder_fd, err));
    /* From here on the folder counts as complete. The second sync keeps a power cut from showing a
     * renamed folder that still has its journal. */
    OF_TRY(of_file_remove(stage->folder_fd, OF_STAGE_JOURNAL, err));
    OF_TRY(of_file_sync(stage->folder_fd, err));
    if (publish(target, exchange, err) != ONEFOLD_OK) {
        of_err_prefix(err, "%s is complete, but cannot be renamed to %s",
                      of_str_escape(of_str_from(target->stage_name)).text,
                      of_str_escape(of_str_from(target->path)).text);
        stage->keep = true;
        err->state = ONEFOLD_STATE_READY;
        return err->status;
    }
    stage->keep = true;
    if (of_file_sync(target->parent_fd, err) != ONEFOLD_OK) {
        const int sys_errno = err->sys_errno;

        of_err_set_sys(err, "commit-sync", sys_errno,
                       "%s: is complete, but its new name is not known to be durable",
                       of_str_escape(of_str_from(target->path)).text);
        err->state = ONEFOLD_STATE_DONE;
        return err->status;
    }
    if (exchange) {
        onefold_error left;

        of_err_clear(&left);
        if (of_file_remove_tree(target->parent_fd, target->stage_name, &left) != ONEFOLD_OK) {
            of_report_warning(report, "stage-left", target->stage_name,
                              "the old output was replaced, but cannot be removed: %s",
                              left.message);
        }
    }
    return ONEFOLD_OK;
}

onefold_state of_stage_finish(struct of_stage *stage)
{
    const struct of_target *target = stage->target;
    onefold_state state = ONEFOLD_STATE_NONE;
    enum of_file_kind kind;
    onefold_error ignored;

    if (stage->journal_fd >= 0) {
        state = ONEFOLD_STATE_DROP;
        /* The lock is held until the folder is gone. Somebody else may have removed it. */
        if (stage->keep ||
            (of_file_remove_tree(target->parent_fd, target->stage_name, &ignored) != ONEFOLD_OK &&
             of_file_probe(target->parent_fd, target->stage_name, &kind, NULL))) {
            state = ONEFOLD_STATE_KEEP;
        }
    }
    close_both(stage);
    return state;
}
