/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

/*
 * Why a decision came out as it did. The numbers are the index inside a counter, the label of a
 * metric and the text of an event; balancer/kernel/reasons.py must list the same names in this order.
 */
enum reason {
	REASON_FORWARDED = 0,    /* a backend was picked at random */
	REASON_AFFINITY = 1,     /* the backend of an earlier connection of this client */
	REASON_SOCKET = 2,       /* an unconnected UDP socket stayed with its backend */
	REASON_FALLBACK = 3,     /* a redirect's own backend was given the next priority */
	REASON_RATE_LIMITED = 4, /* a redirect above its rate was given the next priority */
	REASON_REFUSED = 5,      /* no endpoint: ECONNREFUSED */
	REASON_UNREACHABLE = 6,  /* Local policy without a local endpoint: EHOSTUNREACH */
	REASON_UNKNOWN_PORT = 7, /* a VIP does not have this port: ECONNREFUSED */
	REASON_COUNT = 8,
};
