/* crc32c.h - the portable half of cccc_crc32c (event.h), visible so that a test can compare the two. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* cccc_crc32c without the instruction of the processor: go on from `crc` over `len` bytes. */
uint32_t cccc_crc32c_table(uint32_t crc, const void *bytes, size_t len);
