/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "types.h"

/*
 * Every map is opened from its pin below PIN_DIR, or created and pinned there. The sizes (SIZE_*) and
 * PIN_DIR come from the loader.
 */
#define PINNED(type, name) type ":" PIN_DIR "/" name

/* The gate: what is known of an address. User space writes; every connect and send reads. */
BPF_TABLE(PINNED("hash", "addresses"), struct address, struct address_info, addresses, SIZE_ADDRESSES);

/* Who serves an address, port and protocol. User space writes; read once past the gate. */
BPF_TABLE(PINNED("hash", "frontends"), struct frontend_key, struct frontend, frontends, SIZE_FRONTENDS);

/* Frontends of VIPs found lately, direct-mapped by key, for one look-up without a call. Programs write and read. */
BPF_TABLE(PINNED("array", "recent"), __u32, struct recent, recent, SIZE_FRONTENDS);

/* Backends in contiguous, immutable blocks. User space writes blocks nobody points at; programs read. */
BPF_TABLE(PINNED("array", "slots"), __u32, struct backend, slots, SIZE_SLOTS);

/* Which backends a group has now. User space writes; read before an old choice is kept. */
BPF_TABLE(PINNED("hash", "members"), struct member_key, __u32, members, SIZE_MEMBERS);

/* The backend a client was given last. Programs write and read; user space only lists. */
BPF_TABLE(PINNED("lru_hash", "affinity"), struct affinity_key, struct affinity, affinity, SIZE_AFFINITY);

/* Direct-mapped by socket cookie: the VIP behind a TCP socket, for getpeername. A newer socket of the
 * same index overwrites an older one, which then sees its backend. Programs write and read. */
BPF_TABLE(PINNED("array", "peers"), __u32, struct peer, peers, SIZE_PEERS);

/* Decisions by frontend and reason; entry 0 is for those without a frontend. Programs add. User space
 * reads, and moves the counts of a frontend that goes to entry 1, in which programs never count. */
BPF_TABLE(PINNED("percpu_array", "counters"), __u32, struct counter, counters, SIZE_COUNTERS);

/* Where each CPU's random numbers go on. Programs write and read; see random_number. */
BPF_TABLE(PINNED("percpu_array", "random"), __u32, __u64, random, 1);

/* Values indexed by enum setting. User space writes; programs read. */
BPF_TABLE(PINNED("array", "settings"), __u32, __u64, settings, SETTING_COUNT);

/* Cgroups with a rule of their own, by id. User space writes; read while SETTING_CGROUP_LEVELS is set. */
BPF_TABLE(PINNED("hash", "cgroups"), __u64, __u32, cgroups, SIZE_CGROUPS);

/* Which cgroups are backends of a group's redirect. User space writes; read for redirects only. */
BPF_TABLE(PINNED("hash", "owners"), struct owner_key, __u32, owners, SIZE_OWNERS);

/* Use of each redirect's rate, by counter index. Programs write and read. */
BPF_TABLE(PINNED("array", "rates"), __u32, struct rate, rates, SIZE_RATES);

/* The VIPs behind a UDP socket, freed with it. Programs write and read. */
struct udp_sockets_table_t {
	int key;
	struct udp_socket leaf;
	void *(*sk_storage_get)(void *, void *, int);
	int (*sk_storage_delete)(void *);
	__u32 flags;
};
__attribute__((section("maps/" PINNED("sk_storage", "udp_sockets")))) struct udp_sockets_table_t udp_sockets = {
	.flags = BPF_F_NO_PREALLOC,
};
BPF_ANNOTATE_KV_PAIR(udp_sockets, int, struct udp_socket);

/* What a UDP socket's owner was refused, so that listeners hear of it once. Programs write and read. */
struct udp_rejected_table_t {
	int key;
	struct udp_rejected leaf;
	void *(*sk_storage_get)(void *, void *, int);
	int (*sk_storage_delete)(void *);
	__u32 flags;
};
__attribute__((section("maps/" PINNED("sk_storage", "udp_rejected")))) struct udp_rejected_table_t udp_rejected = {
	.flags = BPF_F_NO_PREALLOC,
};
BPF_ANNOTATE_KV_PAIR(udp_rejected, int, struct udp_rejected);

/* One record for each decision, while somebody listens. Programs write; listeners map it and read. */
struct events_table_t {
	int key;
	struct event leaf;
	void *(*ringbuf_reserve)(__u64);
	void (*ringbuf_submit)(void *, __u64);
	__u32 max_entries;
};
__attribute__((section("maps/" PINNED("ringbuf", "events")))) struct events_table_t events = {
	.max_entries = SIZE_EVENTS, /* bytes: a power of two, of whole pages */
};
