/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* BCC asks for this file and needs nothing from it: see linux/kconfig.h. */
