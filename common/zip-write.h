/* zip-write: a zip file of stored entries, each of which begins at a multiple of 64 bytes, as torch.save writes them.
 *
 * The file appears whole or not at all.  The first failure sticks, so that only zip_commit() need be looked at. */
#ifndef COMMON_ZIP_WRITE_H
#define COMMON_ZIP_WRITE_H
#include "common/io.h"

struct zip_out {
	struct outfile file;
	uint64_t at;             /* bytes written */
	bool ok;
	int n, room;
	struct zip_entry { char *name; uint32_t crc; uint64_t size, offset; } *entry;
	uint64_t limit;          /* sizes and places from here on stand in fields of 64 bits (zip64); 2^32 - 1, tests take less */
};

void zip_begin(struct zip_out *z, const char *path);
void zip_put(struct zip_out *z, const char *name, const void *data, size_t n);
/* The directory, then the file gets its name.  fail()s XIO. */
bool zip_commit(struct zip_out *z);
#endif
