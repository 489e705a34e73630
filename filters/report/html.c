#include <stdbool.h>
#include <string.h>
#include "filters/report/html.h"

/* Bytes of the UTF-8 character at s (RFC 3629: no surrogates, nothing longer than need be), 0 if there is none. */
static int utf8_length(const unsigned char *s)
{
	int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0;
	return n;
}

/* The character at *s, which moves behind it, with what stands for its kind in the page. */
static void put(FILE *out, const char **s, const char *(*special)(unsigned char))
{
	int n = utf8_length((const unsigned char *)*s);
	const char *instead = n == 1 ? special((unsigned char)**s) : NULL;

	if (n == 0)
		fputs("\xef\xbf\xbd", out);
	else if (instead)
		fputs(instead, out);
	else
		fwrite(*s, 1, (size_t)n, out);
	*s += n ? n : 1;
}

static const char *in_html(unsigned char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	case '\t': case '\n': return NULL;
	default: return c < 32 || c == 127 ? "\xef\xbf\xbd" : NULL;
	}
}

static const char *in_json(unsigned char c)
{
	switch (c) {
	case '"': return "\\\"";
	case '\\': return "\\\\";
	case '<': return "\\u003c";             /* ends no script element and begins no comment */
	case '>': return "\\u003e";
	case '&': return "\\u0026";
	default: return c < 32 || c == 127 ? "\\ufffd" : NULL;
	}
}

void html_text(FILE *out, const char *s)
{
	while (*s)
		put(out, &s, in_html);
}

void html_name(FILE *out, const char *s)
{
	while (*s) {
		bool joint = strchr("_.:-", *s) && s[1];
		put(out, &s, in_html);
		if (joint)
			fputs("<wbr>", out);
	}
}

void html_json(FILE *out, const char *s)
{
	putc('"', out);
	while (*s)
		put(out, &s, in_json);
	putc('"', out);
}

void html_base64(FILE *out, const unsigned char *data, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned b = (unsigned)data[i] << 16 | (i + 1 < n ? (unsigned)data[i + 1] << 8 : 0) | (i + 2 < n ? data[i + 2] : 0u);
		putc(digit[b >> 18], out);
		putc(digit[b >> 12 & 63], out);
		putc(i + 1 < n ? digit[b >> 6 & 63] : '=', out);
		putc(i + 2 < n ? digit[b & 63] : '=', out);
	}
}
