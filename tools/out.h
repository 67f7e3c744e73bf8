/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program says: messages and progress on standard error, the JSON envelope on standard
 * output. Neither a closed nor a full stream changes what a verb does or its exit code.
 */
#ifndef TOOLS_OUT_H
#define TOOLS_OUT_H

#include <onefold/merge.h>
#include <onefold/status.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A finding, kept while it is not known whether it is the only one. */
struct out_held {
    bool full;
    char id[48];
    char line[1024];
    char message[512];
    char place[300]; /* "FILE:LINE:COLUMN: ", or empty */
};

struct out {
    const char *verb;
    bool json;
    bool quiet;
    bool verbose;
    bool progress;
    bool writes;       /* the verb makes something: messages say what is on disk */
    bool lies_on_disk; /* the result does; standard output only names it */
    bool findings;     /* errors reported are the result and go to standard output (verify) */

    bool terminal;     /* standard error is one, and NO_COLOR is unset */
    bool line_open;    /* the progress line is on the terminal */
    uint64_t line_ns;  /* when progress was last shown */
    char waiting[256]; /* file that was last reported as waited for */

    struct out_held held;
    bool streamed; /* the envelope is open on standard output, data is being written */
    uint64_t notice_count;
    FILE *notices; /* JSON mode: objects with commas between them */
    char *notices_text;
    size_t notices_length;
    FILE *data; /* JSON mode: the value of "data" */
    char *data_text;
    size_t data_length;
};

void out_init(struct out *out);
void out_close(struct out *out);

/* A note or warning of the program itself. */
void out_note(struct out *out, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A line for people on standard error that no machine needs; not with --quiet. */
void out_say(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Callbacks of the library; `context` is the struct out. */
void out_notice(void *context, const onefold_notice *notice);
void out_progress(void *context, const onefold_progress *progress);

/* Where "data" is written in JSON mode, before out_finish. */
FILE *out_data(struct out *out);
/* The same straight to standard output, for data of any size: nothing may fail afterwards. */
FILE *out_stream(struct out *out);

/* Ends: the JSON object, streams flushed. False when the result could not be delivered, which has
 * been said then. */
bool out_finish(struct out *out);
/* Ends with an error: message, hint (may be empty), JSON object. */
void out_finish_error(struct out *out, const onefold_error *err, int code, const char *hint);

/* "1.23 GB" */
struct out_size {
    char text[24];
};
struct out_size out_bytes(uint64_t bytes);

/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void out_json_text(FILE *to, const char *text, uint64_t length);
/* "key":"text" or "key":null, without commas around. */
void out_json_member(FILE *to, const char *key, const char *text);

#endif
