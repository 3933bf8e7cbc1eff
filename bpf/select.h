/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "maps.h"

/* How often a look-up is repeated when the element changed hands while it was read. */
#define READ_TRIES 4

#define MAPPED_WORD bpf_htonl(0x0000ffff)

enum outcome {
	OUTCOME_PASS,    /* no destination of ours: leave it alone */
	OUTCOME_FORWARD, /* `frontend` is filled in */
	OUTCOME_REJECT,  /* the choice's reason says with which errno */
};

/* One of a frontend's two lists of backends, and why it is used; or the reason why none is. */
struct choice {
	__u64 group;
	__u32 base;
	__u32 length;
	__u32 affinity_seconds;
	__u32 counter;
	__u8 reason;
	__u8 node_port; /* whether the node port of every address decided */
};

static __always_inline bool address_equal(const struct address *a, const struct address *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->words[2] == b->words[2] &&
	       a->words[3] == b->words[3];
}

static __always_inline bool backend_equal(const struct backend *a, const struct backend *b)
{
	return address_equal(&a->address, &b->address) && a->port == b->port;
}

static __always_inline bool is_ipv4(const struct address *a)
{
	return !a->words[0] && !a->words[1] && a->words[2] == MAPPED_WORD;
}

static __always_inline bool is_ipv4_loopback(const struct address *a)
{
	return is_ipv4(a) && (bpf_ntohl(a->words[3]) >> 24) == 127;
}

/* Must give what balancer/plan/entries.py puts into struct address_info and struct frontend. */
static __always_inline __u32 address_check(const struct address *a)
{
	return a->words[0] ^ a->words[1] ^ a->words[2] ^ a->words[3];
}

static __always_inline __u64 frontend_check(const struct frontend_key *key)
{
	__u32 high = key->address.words[0] ^ key->address.words[2] ^ ((__u32)key->port << 8) ^ key->protocol;
	__u32 low = key->address.words[1] ^ key->address.words[3];

	return (__u64)high << 32 | low;
}

static __always_inline __u64 setting(__u32 index)
{
	__u64 *value = settings.lookup(&index);

	return value ? *value : 0;
}

static __always_inline void count(__u32 index, enum reason reason)
{
	struct counter *counter = counters.lookup(&index);

	if (counter)
		counter->by_reason[reason]++;
}

/* The flags of an address, 0 for one that is not ours. All of 127.0.0.0/8 is answered like 127.0.0.1. */
static __always_inline __u32 gate(const struct address *destination)
{
	struct address address = *destination;

	if (is_ipv4_loopback(&address))
		address.words[3] = bpf_htonl(0x7f000001);
#pragma unroll
	for (int i = 0; i < READ_TRIES; i++) {
		struct address_info *found = addresses.lookup(&address);
		struct address_info info;

		if (!found)
			return 0;
		/* One 8-byte load: flags and check belong together. */
		*(__u64 *)&info = *(volatile __u64 *)found;
		if (info.check == address_check(&address))
			return info.flags;
	}
	return 0;
}

/*
 * Copies the frontend of `key`. The element found may be replaced meanwhile and its memory given to
 * another key before the copy is complete; writers fill an element from its first word on, so a
 * `check` that is still right after the copy proves that all of the copy is right.
 */
static __always_inline bool read_frontend(const struct frontend_key *key, struct frontend *copy)
{
	__u64 check = frontend_check(key);

#pragma unroll
	for (int i = 0; i < READ_TRIES; i++) {
		struct frontend *found = frontends.lookup((struct frontend_key *)key);

		if (!found)
			return false;
		*copy = *found;
		asm volatile("" ::: "memory");
		if (*(volatile __u64 *)&found->check == check)
			return true;
	}
	return false;
}

/*
 * Whether the calling process is, at any depth, in a cgroup with a rule: one that is left
 * untranslated (group 0), or one that is a backend of this group's redirect.
 */
static __always_inline bool in_cgroup_of(__u64 group)
{
	__u64 levels = setting(SETTING_CGROUP_LEVELS);

	if (!levels)
		return false;
	for (int level = 1; level < 16; level++) {
		struct owner_key key = { .group = group };

		if (!(levels >> level & 1))
			continue;
		key.cgroup = bpf_get_current_ancestor_cgroup_id(level);
		if (group) {
			if (owners.lookup(&key))
				return true;
		} else {
			__u32 *flags = cgroups.lookup(&key.cgroup);

			if (flags && *flags & CGROUP_SKIP)
				return true;
		}
	}
	return false;
}

/* Counts a rejection, and leaves its reason in `choice`. */
static __always_inline enum outcome reject(struct choice *choice, __u32 counter, enum reason reason)
{
	choice->counter = counter;
	choice->reason = reason;
	count(counter, reason);
	return OUTCOME_REJECT;
}

/* Why a frontend, or a fallback, with this action has no backend. */
static __always_inline enum reason reason_of(__u8 action)
{
	return action == ACTION_UNREACHABLE ? REASON_UNREACHABLE : REASON_REFUSED;
}

/* What serves this destination. An exact entry goes before the node port of every node address. */
static __always_inline enum outcome resolve(struct bpf_sock_addr *ctx, const struct backend *to, __u8 protocol,
					    struct frontend *frontend, struct choice *choice)
{
	struct frontend_key key = { .address = to->address, .port = to->port, .protocol = protocol };
	__u32 flags = gate(&to->address);

	choice->node_port = 0;
	if (!flags || in_cgroup_of(0))
		return OUTCOME_PASS;
	if (flags == ADDRESS_LOOPBACK && bpf_get_netns_cookie(ctx) != setting(SETTING_HOST_NETNS))
		return OUTCOME_PASS;
	if (read_frontend(&key, frontend))
		goto found;
	if (flags & (ADDRESS_NODE | ADDRESS_LOOPBACK)) {
		key.address.words[3] = 0;
		if (!is_ipv4(&key.address))
			key.address.words[0] = key.address.words[1] = key.address.words[2] = 0;
		choice->node_port = 1;
		if (read_frontend(&key, frontend))
			goto found;
		choice->node_port = 0;
	}
	if (!(flags & ADDRESS_VIP))
		return OUTCOME_PASS;
	return reject(choice, 0, REASON_UNKNOWN_PORT);
found:
	if (frontend->action == ACTION_FORWARD)
		return OUTCOME_FORWARD;
	return reject(choice, frontend->counter, reason_of(frontend->action));
}

static __always_inline bool is_member(__u64 group, const struct backend *backend)
{
	struct member_key key = { .group = group, .backend = *backend };

	return members.lookup(&key) != NULL;
}

/* Counts this connection against the redirect's rate; true if it is above. */
static __always_inline bool above_rate(const struct frontend *frontend)
{
	__u64 now = bpf_ktime_get_ns() / 1000000000ull;
	__u32 index = frontend->counter;
	struct rate *rate = rates.lookup(&index);

	if (!rate)
		return false;
	/* Two CPUs may both open a new second; a few connections more than the rate are let through then. */
	if (rate->second != now) {
		rate->second = now;
		rate->taken = 0;
	}
	__sync_fetch_and_add(&rate->taken, 1);
	return rate->taken > frontend->rate;
}

static __always_inline void fall_back(const struct frontend *frontend, struct choice *choice, enum reason reason)
{
	choice->group = frontend->fallback_group;
	choice->base = frontend->fallback_base;
	choice->length = frontend->fallback_length;
	choice->reason = reason;
}

/* The frontend's own backends, or the next priority's for a process that is one of them. */
static __always_inline void consider(const struct frontend *frontend, struct choice *choice)
{
	choice->group = frontend->group;
	choice->base = frontend->base;
	choice->length = frontend->length;
	choice->affinity_seconds = frontend->affinity_seconds;
	choice->counter = frontend->counter;
	choice->reason = REASON_FORWARDED;
	if (frontend->flags & FRONTEND_REDIRECT && in_cgroup_of(frontend->group))
		fall_back(frontend, choice, REASON_FALLBACK);
}

/* A backend at random, each as likely as the other. */
static __always_inline bool pick(const struct choice *choice, struct backend *chosen)
{
	__u32 index = choice->base + (((__u64)bpf_get_prandom_u32() * choice->length) >> 32);
	struct backend *slot = slots.lookup(&index);

	if (!slot || !choice->length)
		return false;
	*chosen = *slot;
	count(choice->counter, choice->reason);
	return true;
}

/* The backend of this client's last connection, if that is recent enough and still a member. */
static __always_inline bool kept_by_affinity(const struct choice *choice, const struct affinity_key *key, __u64 now,
					     struct backend *chosen)
{
	struct affinity *record = affinity.lookup((struct affinity_key *)key);

	if (!record || now - record->last_seen >= (__u64)choice->affinity_seconds * 1000000000ull)
		return false;
	*chosen = record->backend;
	if (!is_member(choice->group, chosen))
		return false;
	record->last_seen = now;
	return true;
}

/* Chooses a backend for a new connection or a new UDP conversation. False if there is none. */
static __always_inline bool choose(struct bpf_sock_addr *ctx, const struct frontend *frontend, struct choice *choice,
				   struct backend *chosen)
{
	struct affinity_key key = {};
	struct affinity record = {};

	if (frontend->rate && choice->reason == REASON_FORWARDED && above_rate(frontend))
		fall_back(frontend, choice, REASON_RATE_LIMITED);
	if (!choice->affinity_seconds)
		return pick(choice, chosen);
	key.client = bpf_get_netns_cookie(ctx);
	key.group = choice->group;
	record.last_seen = bpf_ktime_get_ns();
	if (kept_by_affinity(choice, &key, record.last_seen, chosen)) {
		if (choice->reason == REASON_FORWARDED)
			choice->reason = REASON_AFFINITY;
		count(choice->counter, choice->reason);
		return true;
	}
	if (!pick(choice, chosen))
		return false;
	record.backend = *chosen;
	affinity.update(&key, &record);
	return true;
}
