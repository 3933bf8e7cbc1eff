/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "reasons.h"

/*
 * The layout of every key and value. Addresses are 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d; ports are in network order; everything else is in the order of the host.
 * No struct has hidden padding: user space packs the same bytes (balancer/plan/entries.py).
 */

struct address {
	__u32 words[4];
};

/* An address and port: a slot of a block, a record's backend, or the VIP a client asked for. */
struct backend {
	struct address address;
	__be16 port;
	__u16 pad;
};

struct frontend_key {
	struct address address;
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

enum action {
	ACTION_FORWARD = 0,
	ACTION_REFUSE = 1,
	ACTION_UNREACHABLE = 2,
};

/*
 * Who serves a VIP:port. `check` repeats the key: the kernel reuses the memory of a replaced hash
 * element at once, so a reader compares it after the other fields were read (see select.h).
 * `group` names the members that affinity and UDP stickiness stay within, `fallback_group` those of the
 * fallback block; 0 means neither applies. `rate` is in connections per second, 0 for no limit.
 */
struct frontend {
	__u64 check;
	__u64 group;
	__u64 fallback_group;
	__u32 base;
	__u32 length;
	__u32 fallback_base;
	__u32 fallback_length;
	__u32 affinity_seconds;
	__u32 counter;
	__u32 rate;
	__u8 action;
	__u8 flags;
	__u8 fallback_action;
	__u8 pad;
};

/*
 * A frontend as it was found lately. Any number of programs may write one record at once, so it counts
 * only if `tag` is the digest of all of it, of its key and of the epoch (see select.h).
 */
struct recent {
	__u64 tag;
	struct frontend frontend;
};

enum frontend_flag {
	FRONTEND_REDIRECT = 1, /* its own backends, and connections above `rate`, get the fallback */
};

enum address_flag {
	ADDRESS_VIP = 1,      /* ours alone: a port it does not have is refused */
	ADDRESS_EXTERNAL = 2, /* load balancer and external IPs: other ports are left alone */
	ADDRESS_NODE = 4,     /* node ports are answered here */
	ADDRESS_LOOPBACK = 8, /* the same, for clients in the host's own network namespace */
};

/* `check` is a digest of the address, for the reason given at struct frontend. */
struct address_info {
	__u32 flags;
	__u32 check;
};

struct member_key {
	__u64 group;
	struct backend backend;
	__u32 pad;
};

struct affinity_key {
	__u64 client; /* cookie of the client's network namespace */
	__u64 group;
};

struct affinity {
	struct backend backend;
	__u32 pad;
	__u64 last_seen; /* CLOCK_MONOTONIC, ns */
};

/* What a translated TCP socket had asked for. */
struct peer {
	__u64 cookie; /* of the socket; 0 in a record that is being written */
	struct backend vip;
	struct backend backend;
};

/* A backend of a local redirect: the pod's cgroup, and the group whose frontends lead to it. */
struct owner_key {
	__u64 group;
	__u64 cgroup;
};

/* How often a redirect was taken in the current second. */
struct rate {
	__u64 second; /* CLOCK_MONOTONIC */
	__u64 taken;
};

#define UDP_RECORDS 8

struct udp_record {
	struct backend vip;
	struct backend backend;
};

/* The VIPs that one UDP socket talks to; `last` is the record used last, `next` the one to replace. */
struct udp_socket {
	__u32 last;
	__u32 next;
	struct udp_record records[UDP_RECORDS];
};

/* How many rejected destinations of one UDP socket are told of once only, as long as it sends on. */
#define UDP_REJECTED 8

/*
 * The destinations of one UDP socket whose rejection was told of since `told_since`, the reason in `pad`;
 * `next` is the one to replace. Few sockets have one: it would double what every UDP socket costs.
 */
struct udp_rejected {
	__u64 told_since; /* SETTING_EVENT_SINCE at that time */
	struct backend destinations[UDP_REJECTED];
	__u32 next;
	__u32 pad;
};

struct counter {
	__u64 by_reason[REASON_COUNT];
};

enum setting {
	SETTING_BUILD_ID = 0,
	SETTING_HOST_NETNS = 1, /* cookie of the network namespace that loopback node ports serve */
	SETTING_EVENT_LEVEL = 2,
	SETTING_CGROUP_LEVELS = 3, /* bit n: `cgroups` has an entry at depth n of the hierarchy */
	SETTING_EVENT_UNTIL = 4,   /* CLOCK_MONOTONIC, ns: from then on nobody listens, whatever the level */
	SETTING_EVENTS_LOST = 5,   /* events for which the ring had no room; programs add */
	SETTING_EVENT_SINCE = 6,   /* CLOCK_MONOTONIC, ns: when the latest listener began */
	SETTING_LAST_WRITER = 7,   /* a random number of the pass that wrote these maps last; programs ignore it */
	SETTING_VIPS_IPV4 = 8,     /* where most IPv4 VIPs are: the first address << 32 | how many addresses */
	SETTING_VIPS_IPV6 = 9,     /* the upper half of most IPv6 VIPs */
	SETTING_EPOCH = 10,        /* odd while user space writes frontends, and never twice the same otherwise */
	SETTING_RECENT = 11,       /* how many entries `recent` has */
	SETTING_PEERS = 12,        /* how many `peers` has: a power of two */
	SETTING_CANARIES = 13,     /* canaries that were refused; programs add */
	SETTING_COUNT = 16,
};

enum event_level {
	EVENTS_OFF = 0,
	EVENTS_REJECTIONS = 1,
	EVENTS_ALL = 2,
};

enum event_flag {
	EVENT_CONNECT = 1,   /* the call was a connect, otherwise a send */
	EVENT_NODE_PORT = 2, /* the node port of every address decided, the entry under 0.0.0.0 or :: */
};

/* One decision. `chosen` is zero when the call was rejected. */
struct event {
	__u64 time;   /* CLOCK_MONOTONIC, ns */
	__u64 cgroup; /* id of the process's cgroup */
	__u64 netns;  /* cookie */
	__u64 socket; /* cookie */
	struct backend asked;
	struct backend chosen;
	__u32 pid;     /* of the process, not of the thread */
	__u32 counter; /* of the frontend, 0 where there is none */
	char comm[16];
	__u8 reason;
	__u8 protocol;
	__u8 flags;
	__u8 pad[5];
};

enum cgroup_flag {
	CGROUP_SKIP = 1, /* processes here are left untranslated */
};

_Static_assert(sizeof(struct backend) == 20, "struct backend");
_Static_assert(sizeof(struct frontend_key) == 20, "struct frontend_key");
_Static_assert(sizeof(struct frontend) == 56, "struct frontend");
_Static_assert(sizeof(struct recent) == 64, "struct recent");
_Static_assert(sizeof(struct address_info) == 8, "struct address_info");
_Static_assert(sizeof(struct member_key) == 32, "struct member_key");
_Static_assert(sizeof(struct affinity) == 32, "struct affinity");
_Static_assert(sizeof(struct peer) == 48, "struct peer");
_Static_assert(sizeof(struct udp_socket) == 328, "struct udp_socket");
_Static_assert(sizeof(struct udp_rejected) == 176, "struct udp_rejected");
_Static_assert(sizeof(struct event) == 104, "struct event");
