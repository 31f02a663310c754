/* SPDX-License-Identifier: Apache-2.0 */
/* The C boundary between the worker and a plugin. No exception, STL type or tensor crosses it. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define PL_ABI_MAJOR 1u

/* What a run came to; the worker's exit codes (DESIGN section 9). */
typedef enum pl_status {
    PL_OK = 0, PL_STOPPED = 3, PL_ERR_CONFIG = 10, PL_ERR_IO = 11, PL_ERR_MEMORY = 12, PL_ERR_DIVERGED = 13, PL_ERR_INTERNAL = 70
} pl_status;

typedef struct pl_str { const char* data; size_t size; } pl_str; /* UTF-8, not NUL-terminated */
typedef struct pl_job pl_job; /* opaque: the worker's */

/* Fields are only ever appended; struct_size tells how many there are. */
typedef struct pl_host {
    uint32_t struct_size, abi_major;
    pl_str (*bundle_dir)(pl_job*);
    /* records the failure (code of pl::Code as text, message) and returns the status */
    pl_status (*fail)(pl_job*, pl_status, pl_str message);
    void* cpp_job; /* pl::learn::Job*, valid when the build tags are equal */
} pl_host;

typedef struct pl_plugin {
    uint32_t struct_size, abi_major;
    const char *id, *version, *build_tag;
    pl_status (*validate)(const pl_host*, pl_job*); /* parameters against each other and the data, before any model is loaded */
    pl_status (*run)(const pl_host*, pl_job*);
} pl_plugin;

/* Every plugin library exports exactly this. */
#define PL_PLUGIN_ENTRY "pairlab_plugin_entry_v1"
typedef const pl_plugin* (*pl_plugin_entry)(void);

#ifdef __cplusplus
}
#endif
