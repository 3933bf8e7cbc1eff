/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

/* Used by BCC's ring buffer macros only. */
#define PAGE_SIZE 4096
