/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A comparison as one HTML page that needs nothing but itself: no network, no scripts, no fonts.
 * The page is well-formed XML as well, so that any parser reads it.
 */
#ifndef TOOLS_COMPARE_HTML_H
#define TOOLS_COMPARE_HTML_H

#include <onefold/compare.h>

#include <stdio.h>

/* Writes the page as page_write() does. Returns 0 or an errno. */
int compare_html_write(const char *path, const onefold_compare_result *result);
/* The page to a stream; whoever closes the stream looks at its errors. */
void compare_html_page(FILE *to, const onefold_compare_result *result);

#endif
