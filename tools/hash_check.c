/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold-hash -c: reads lists, hashes the files they name, says which agree. A file that several
 * lines name, with one kind of digest or with two, is read once.
 */
#include "hash.h"
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One well-formed line. */
struct entry {
    char *name;
    size_t job;
    enum hash_kind kind;
    uint8_t digest[32];
};

struct list {
    const char *name;
    size_t first; /* its entries are first .. end - 1 */
    size_t end;
    uint64_t malformed_count;
    uint64_t unreadable_count;
    uint64_t mismatch_count;
    uint64_t match_count;
};

struct check {
    const struct hash_options *options;
    struct hash_report *report;
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    uint64_t shown_count;
};

/* ---- Reading lists ---- */

static void add_entry(struct check *check, const struct hash_line *line)
{
    struct entry *entry;

    if (check->entry_count == check->entry_capacity) {
        size_t capacity = check->entry_capacity * 2 + 64;
        struct entry *entries = hash_get(capacity, sizeof(*entries));

        if (check->entry_count > 0) {
            memcpy(entries, check->entries, check->entry_count * sizeof(*entries));
        }
        free(check->entries);
        check->entries = entries;
        check->entry_capacity = capacity;
    }
    entry = &check->entries[check->entry_count++];
    entry->name = hash_copy(line->name);
    entry->kind = line->kind;
    memcpy(entry->digest, line->digest, sizeof(entry->digest));
}

/* Reads up to the next newline. False at the end of the file. A line that does not fit is cut,
 * which makes it malformed: no name is that long. */
static bool read_line(FILE *file, char *line, size_t *ret_length)
{
    size_t length = 0;
    bool any = false;
    int c;

    while ((c = getc(file)) != EOF) {
        any = true;
        if (c == '\n') {
            break;
        }
        if (length < HASH_LINE_MAX) {
            line[length++] = (char)c;
        }
    }
    *ret_length = length;
    return any;
}

static void read_lines(struct check *check, struct list *list, FILE *file)
{
    char line[HASH_LINE_MAX];
    struct hash_line parsed;
    uint64_t number = 0;
    size_t length;

    while (read_line(file, line, &length)) {
        enum hash_line_result result =
            length < HASH_LINE_MAX ? hash_parse_line(line, length, &parsed) : HASH_LINE_MALFORMED;

        number++;
        if (result == HASH_LINE_GOOD) {
            add_entry(check, &parsed);
        } else if (result == HASH_LINE_MALFORMED) {
            char text[80];

            list->malformed_count++;
            (void)snprintf(text, sizeof(text), "line %llu is improperly formatted",
                           (unsigned long long)number);
            if (check->options->strict) {
                check->report->failed = true;
                check->report->id = check->report->id != NULL ? check->report->id : "hash-line";
            }
            if (check->options->warn) {
                hash_say_warning(check->report, "hash-line", list->name, text);
            }
        }
    }
}

static void read_list(struct check *check, struct list *list)
{
    const bool is_stdin = strcmp(list->name, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(list->name, "re");

    list->first = check->entry_count;
    list->end = check->entry_count;
    if (file == NULL) {
        hash_say_error(check->report, errno == ENOENT ? "input-missing" : "input-access",
                       list->name, strerror(errno));
        return;
    }
    errno = 0;
    read_lines(check, list, file);
    list->end = check->entry_count;
    if (ferror(file)) {
        hash_say_error(check->report, "input-io", list->name, strerror(errno));
    } else if (list->end == list->first) {
        hash_say_error(check->report, "hash-list", list->name,
                       "no properly formatted checksum lines found");
    }
    if (!is_stdin) {
        (void)fclose(file);
    }
}

/* ---- One job for each name ---- */

/* A name and the entry it belongs to. */
struct place {
    const char *name;
    size_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    int order = strcmp(left->name, right->name);

    if (order != 0) {
        return order;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

/* Jobs in the order in which their names first appear. Returns how many there are. */
static size_t make_jobs(struct check *check, struct hash_job *jobs)
{
    struct place *sorted = hash_get(check->entry_count, sizeof(*sorted));
    size_t *first_of = hash_get(check->entry_count, sizeof(*first_of));
    size_t job_count = 0;
    size_t first = 0;

    for (size_t i = 0; i < check->entry_count; i++) {
        sorted[i] = (struct place){check->entries[i].name, i};
    }
    qsort(sorted, check->entry_count, sizeof(*sorted), compare_places);
    for (size_t i = 0; i < check->entry_count; i++) {
        if (i == 0 || strcmp(sorted[i].name, sorted[i - 1].name) != 0) {
            first = sorted[i].index; /* equal names stand in the order of their lines */
        }
        first_of[sorted[i].index] = first;
    }
    for (size_t i = 0; i < check->entry_count; i++) {
        struct entry *entry = &check->entries[i];

        if (first_of[i] == i) {
            entry->job = job_count++;
            jobs[entry->job].name = entry->name;
        } else {
            entry->job = check->entries[first_of[i]].job;
        }
        jobs[entry->job].kinds |= hash_kinds[entry->kind].mask;
    }
    free(first_of);
    free(sorted);
    return job_count;
}

/* ---- Answers ---- */

enum answer { ANSWER_OK, ANSWER_FAILED, ANSWER_UNREADABLE, ANSWER_SKIPPED };

static void show_answer(struct check *check, const struct entry *entry, enum answer answer)
{
    static const char *const words[] = {[ANSWER_OK] = "OK",
                                        [ANSWER_FAILED] = "FAILED",
                                        [ANSWER_UNREADABLE] = "FAILED open or read",
                                        [ANSWER_SKIPPED] = ""};
    static const char *const json_words[] = {[ANSWER_OK] = "ok",
                                             [ANSWER_FAILED] = "failed",
                                             [ANSWER_UNREADABLE] = "unreadable",
                                             [ANSWER_SKIPPED] = "missing"};
    FILE *data = check->report->data;

    if (check->report->json) {
        (void)fputs(check->shown_count++ > 0 ? ",{" : "{", data);
        out_json_member(data, "name", entry->name);
        (void)putc(',', data);
        out_json_member(data, "kind", hash_kinds[entry->kind].tag);
        (void)putc(',', data);
        out_json_member(data, "result", json_words[answer]);
        (void)putc('}', data);
        return;
    }
    if (check->report->silent || answer == ANSWER_SKIPPED ||
        (check->options->quiet && answer == ANSWER_OK)) {
        return;
    }
    if (hash_name_is_odd(entry->name)) {
        (void)putchar('\\');
    }
    hash_print_name(stdout, entry->name);
    printf(": %s\n", words[answer]);
    (void)fflush(stdout);
}

static void check_entry(struct check *check, struct list *list, const struct entry *entry,
                        const struct hash_job *job)
{
    const uint32_t bytes = hash_kinds[entry->kind].bytes;
    enum answer answer = ANSWER_OK;

    if (job->status != ONEFOLD_OK) {
        if (check->options->ignore_missing && strcmp(job->id, "input-missing") == 0) {
            answer = ANSWER_SKIPPED;
        } else {
            answer = ANSWER_UNREADABLE;
            list->unreadable_count++;
            hash_say_error(check->report, job->id, NULL, job->message);
        }
    } else if (memcmp(hash_digest_of(&job->sums, entry->kind), entry->digest, bytes) != 0) {
        answer = ANSWER_FAILED;
        list->mismatch_count++;
    } else {
        list->match_count++;
    }
    show_answer(check, entry, answer);
}

static void say_count(struct check *check, const struct list *list, const char *id, uint64_t count,
                      const char *one, const char *many)
{
    char text[120];

    if (count > 0) {
        (void)snprintf(text, sizeof(text), "WARNING: %llu %s", (unsigned long long)count,
                       count == 1 ? one : many);
        hash_say_warning(check->report, id, list->name, text);
    }
}

static void sum_up(struct check *check, const struct list *list)
{
    struct hash_report *report = check->report;

    say_count(check, list, "hash-line", list->malformed_count, "line is improperly formatted",
              "lines are improperly formatted");
    say_count(check, list, "input-missing", list->unreadable_count, "listed file could not be read",
              "listed files could not be read");
    say_count(check, list, "hash-mismatch", list->mismatch_count, "computed checksum did NOT match",
              "computed checksums did NOT match");
    if (list->mismatch_count > 0) {
        report->failed = true;
        report->id = "hash-mismatch";
    }
    if (list->end > list->first && check->options->ignore_missing &&
        list->match_count + list->mismatch_count == 0) {
        hash_say_error(report, "hash-list", list->name, "no file was verified");
    }
}

static void check_lists(struct check *check, struct list *lists, size_t list_count)
{
    struct hash_job *items = hash_get(check->entry_count, sizeof(*items));
    size_t job_count = make_jobs(check, items);
    struct hash_jobs jobs;

    hash_jobs_start(&jobs, items, job_count, check->options->thread_count);
    if (check->report->json) {
        (void)fputs("{\"files\":[", check->report->data);
    }
    for (size_t i = 0; i < list_count; i++) {
        for (size_t k = lists[i].first; k < lists[i].end; k++) {
            const struct entry *entry = &check->entries[k];

            check_entry(check, &lists[i], entry, hash_jobs_wait(&jobs, entry->job));
        }
        sum_up(check, &lists[i]);
    }
    if (check->report->json) {
        (void)fputs("]}", check->report->data);
    }
    hash_jobs_finish(&jobs);
    free(items);
}

void hash_check(const struct hash_options *options, struct hash_report *report)
{
    static const char *standard_input = "-";
    struct check check = {.options = options, .report = report};
    size_t list_count = options->name_count > 0 ? options->name_count : 1;
    struct list *lists = hash_get(list_count, sizeof(*lists));

    for (size_t i = 0; i < list_count; i++) {
        lists[i].name = options->name_count > 0 ? options->names[i] : standard_input;
        read_list(&check, &lists[i]);
    }
    check_lists(&check, lists, list_count);
    for (size_t i = 0; i < check.entry_count; i++) {
        free(check.entries[i].name);
    }
    free(check.entries);
    free(lists);
}
