/* html: text that is safe in a page, whatever a table or a file name holds. */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H
#include <stddef.h>
#include <stdio.h>

/* As text or in a quoted attribute; bytes that are not UTF-8 become U+FFFD. */
void html_text(FILE *out, const char *s);
/* As text that may be broken into lines after _ . : and -. */
void html_name(FILE *out, const char *s);
/* A string of JSON, quotes included, that may stand in a script element. */
void html_json(FILE *out, const char *s);
void html_base64(FILE *out, const unsigned char *data, size_t n);
#endif
