/* SPDX-License-Identifier: Apache-2.0 */
/* Where a broken invariant ends. Tools turn the abort into exit code 6. */
#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* write(2) and no stdio: the heap or a stream lock may be what broke. */
static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)ignored;
}

void of_check_failed(const char *file, int line, const char *condition)
{
    char digits[16];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + line % 10);
        line /= 10;
    } while (line > 0 && at > 0);
    say("onefold: internal error: ");
    say(file);
    say(":");
    say(digits + at);
    say(": ");
    say(condition);
    say("; please report this\n");
    abort();
}
