/* CRC32C (Castagnoli, as in RFC 3720): by the processor where it can, by
 * table elsewhere, with the same result. */
#ifndef RAFTSC_BASE_CRC32C_H
#define RAFTSC_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of the bytes so far (0 for none) followed by `data`:
 * crc32c(crc32c(0, a), b) is the CRC of a and b in one piece. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same by table, whatever the processor can. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
