/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

/*
 * BCC includes this file from a kernel tree before anything else. The programs use only the stable
 * user API, so these names are all that such a tree has to provide.
 */
#define CONFIG_BPF_SYSCALL 1

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
typedef __SIZE_TYPE__ size_t;
typedef __UINTPTR_TYPE__ uintptr_t;

#define true 1
#define false 0

#ifndef NULL
#define NULL ((void *)0)
#endif
