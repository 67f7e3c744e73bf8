/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit of the program, each with its reason. A limit on what a file may hold keeps time and
 * memory bounded whatever the file says; a test stands at each limit and one past it.
 */
#ifndef OF_BASE_LIMITS_H
#define OF_BASE_LIMITS_H

#include <stdint.h>

#define OF_KIB UINT64_C(1024)
#define OF_MIB (UINT64_C(1024) * OF_KIB)
#define OF_GIB (UINT64_C(1024) * OF_MIB)

/* --- The grid. These three decide output digests and sums: fixed for ever. --- */

/* What a worker converts, combines and converts back while it is in the nearest caches. */
enum { OF_BLOCK_ELEMS = 4096 };
/* Leaf of the digest and unit of every partial sum; never depends on memory size. */
enum { OF_GRAIN_ELEMS = 65536 };
_Static_assert(OF_GRAIN_ELEMS % OF_BLOCK_ELEMS == 0, "a grain is whole blocks");

/* --- Workers --- */

/* What a worker copies from the page cache at a time, of all inputs together. It stays in the
 * second cache, which has one or two MiB. The larger where there is memory for all workers: calls
 * half as long take a tenth more time for each byte. */
#define OF_FETCH_BYTES_MIN (512 * OF_KIB)
#define OF_FETCH_BYTES_MAX OF_MIB

/* What few workers map of each cached input instead, at least; a grain's copied part is no longer.
 * Shorter windows take as much time for their pages to come and go as copies (decision 019). */
#define OF_PANE_BYTES_MIN (512 * OF_KIB)
/* Each window that goes interrupts all CPUs; measured with two workers. */
enum { OF_PANE_WORKERS_MAX = 4 };

/* --- safetensors --- */

/* The format's own limit, decimal, also when writing. */
#define OF_ST_HEADER_BYTES_MAX         UINT64_C(100000000)
/* The Hub's reader stops here; a larger header of ours starts another shard. */
#define OF_ST_HEADER_BYTES_WRITTEN_MAX UINT64_C(25000000)
/* Long enough for any module path; short enough for a line of a message. */
enum { OF_TENSOR_NAME_BYTES_MAX = 1024 };
/* torch stops at 64 dimensions, real models at 5; a record stays small. */
enum { OF_TENSOR_RANK_MAX = 16 };
/* Keeps products of a few dimensions far from wrapping, and any real tensor fits. */
#define OF_TENSOR_DIM_MAX      ((UINT64_C(1) << 48) - 1)
/* One member of a header: a tensor entry is about 120 bytes. jansson needs 15 times its text. */
#define OF_ST_MEMBER_BYTES_MAX (256 * OF_KIB)
/* jansson's own nesting limit; our walker stops at the same depth. */
enum { OF_JSON_DEPTH_MAX = 2048 };
/* Data of our shards starts at a multiple of this, so that direct writes start aligned. */
enum { OF_ST_DATA_ALIGN = 4096 };
/* Tensors of one checkpoint; keeps every index in 32 bits. */
enum { OF_TENSORS_MAX = 100000000 };
/* No single header can pass that, so nothing counts there: an entry has more than one byte. */
_Static_assert(OF_ST_HEADER_BYTES_MAX <= OF_TENSORS_MAX, "a header names no more tensors");

/* --- Sharded checkpoints --- */

enum { OF_SHARDS_MAX = 4096 };
/* The tensors of one header that is allowed may go to several shards, and their index, which says
 * less about each than the header, has to be readable again. */
#define OF_INDEX_BYTES_MAX (128 * OF_MIB)
_Static_assert(OF_INDEX_BYTES_MAX > OF_ST_HEADER_BYTES_MAX, "an index is no longer than headers");
enum { OF_FILE_NAME_BYTES_MAX = 255 };
/* config.json and its like are kilobytes; tokenizer.json reaches 35 MB. */
#define OF_CONFIG_BYTES_MAX    (4 * OF_MIB)
#define OF_SIDE_FILE_BYTES_MAX (256 * OF_MIB)

/* --- Recipes --- */

#define OF_RECIPE_BYTES_MAX (1 * OF_MIB)
enum { OF_RECIPE_NODES_MAX = 10000 };
enum { OF_RECIPE_DEPTH_MAX = 32 };
/* Inputs of one merge. A recipe of 10,000 nodes cannot name more than about 3,000. */
enum { OF_INPUTS_MAX = 4096 };

/* --- Manifests and lists found on disk --- */

#define OF_MANIFEST_BYTES_MAX (512 * OF_MIB)
#define OF_SUMS_BYTES_MAX     (16 * OF_MIB)

/* --- Messages --- */

/* Findings of one kind shown before only the count goes on. */
enum { OF_FINDINGS_SHOWN_MAX = 20 };

/* --- Memory --- */

#define OF_MEMORY_DEFAULT (256 * OF_MIB)
#define OF_MEMORY_MIN     (64 * OF_MIB)
/* Program, shared libraries, stacks, libc: resident before the first tensor, measured about 9 MiB
 * with libcrypto; kept honest by tests/bound. */
#define OF_MEMORY_PROGRAM (12 * OF_MIB)
/* What nobody foresaw: page tables of windows, libc arenas, a late message. */
#define OF_MEMORY_RESERVE (4 * OF_MIB)
/* Stack of a thread of ours. Workers keep their blocks in scratch, not on the stack. */
#define OF_STACK_BYTES    (256 * OF_KIB)

/* --- Reading and writing (measured, see docs/decisions) --- */

/* Of one input, for a tile: long enough that what a disk needs for a request, whatever its length,
 * hardly counts, and no longer, because there are disks to which longer ones are much slower
 * (docs/decisions/010-bytes-in-flight.md). */
#define OF_READ_BYTES_AIM (1 * OF_MIB)
enum { OF_SLOTS_MAX = 64 };
/* Alignment assumed for direct I/O where the file system does not say. */
enum { OF_DIRECT_ALIGN_DEFAULT = 4096 };
/* A direct alignment larger than this is not used: the slack of each area would not fit. */
enum { OF_DIRECT_ALIGN_MAX = 4096 };
/* Repetitions of a request that fails with EINTR, EAGAIN or ECANCELED. */
enum { OF_IO_RETRY_MAX = 1000 };
/* A step of at most this many bytes (in the output) may travel in a bundle. */
#define OF_BUNDLE_STEP_BYTES_MAX (256 * OF_KIB)
/* Workers of one run; beyond this memory bandwidth is long the limit. */
enum { OF_WORKERS_MAX = 256 };
/* Hash threads of one run, and output shards in the making at a time: at 1.8 GB/s each they are
 * ahead of any device (docs/decisions/008-several-hash-threads.md). */
enum { OF_HASH_THREADS_MAX = 16 };
/* Rings of one run: a thread with a ring carries some 90,000 reads of 1 MiB in a second
 * (docs/decisions/011-rings-and-pools.md). */
enum { OF_RINGS_MAX = 16 };
/* Parts of the pool, each with rings of its own. */
enum { OF_POOLS_MAX = OF_RINGS_MAX };
/* Memory nodes that are told apart; machines have 1 to 16. */
enum { OF_NODES_MAX = 64 };
/* Input files held open at a time, least recently used closed first. */
enum { OF_OPEN_FILES_MAX = 512 };

#endif
