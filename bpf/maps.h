/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "types.h"

/*
 * Maps of LOADED entries stand for those that the loader makes, or takes over, once it knows how large they have to
 * be: the programs can be compiled before that, and are the same for all sizes.
 */
#define LOADED 1

/* The gate: what is known of an address. User space writes; every connect and send reads. */
BPF_TABLE("hash", struct address, struct address_info, addresses, LOADED);

/* Who serves an address, port and protocol. User space writes; read once past the gate. */
BPF_TABLE("hash", struct frontend_key, struct frontend, frontends, LOADED);

/* Frontends of VIPs found lately, direct-mapped by key, for one look-up without a call. Programs write and read. */
BPF_TABLE("array", __u32, struct recent, recent, LOADED);

/* Backends in contiguous, immutable blocks. User space writes blocks nobody points at; programs read. */
BPF_TABLE("array", __u32, struct backend, slots, LOADED);

/* Which backends a group has now. User space writes; read before an old choice is kept. */
BPF_TABLE("hash", struct member_key, __u32, members, LOADED);

/* The backend a client was given last. Programs write and read; user space only lists. */
BPF_TABLE("lru_hash", struct affinity_key, struct affinity, affinity, LOADED);

/* Direct-mapped by socket cookie: the VIP behind a TCP socket, for getpeername. A newer socket of the
 * same index overwrites an older one, which then sees its backend. Programs write and read. */
BPF_TABLE("array", __u32, struct peer, peers, LOADED);

/* Decisions by frontend and reason; entry 0 is for those without a frontend. Programs add. User space
 * reads, and moves the counts of a frontend that goes to entry 1, in which programs never count. */
BPF_TABLE("percpu_array", __u32, struct counter, counters, LOADED);

/* Where each CPU's random numbers go on. Programs write and read; see random_number. */
BPF_TABLE("percpu_array", __u32, __u64, random, 1);

/* Values indexed by enum setting. User space writes; programs read. */
BPF_TABLE("array", __u32, __u64, settings, SETTING_COUNT);

/* Cgroups with a rule of their own, by id. User space writes; read while SETTING_CGROUP_LEVELS is set. */
BPF_TABLE("hash", __u64, __u32, cgroups, LOADED);

/* Which cgroups are backends of a group's redirect. User space writes; read for redirects only. */
BPF_TABLE("hash", struct owner_key, __u32, owners, LOADED);

/* Use of each redirect's rate, by counter index. Programs write and read. */
BPF_TABLE("array", __u32, struct rate, rates, LOADED);

/* The VIPs behind a UDP socket, freed with it. Programs write and read. */
struct udp_sockets_table_t {
	int key;
	struct udp_socket leaf;
	void *(*sk_storage_get)(void *, void *, int);
	int (*sk_storage_delete)(void *);
	__u32 flags;
};
__attribute__((section("maps/sk_storage"))) struct udp_sockets_table_t udp_sockets = {
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
__attribute__((section("maps/sk_storage"))) struct udp_rejected_table_t udp_rejected = {
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
__attribute__((section("maps/ringbuf"))) struct events_table_t events = {
	.max_entries = 4096, /* bytes; as small as it may be, and LOADED all the same */
};
