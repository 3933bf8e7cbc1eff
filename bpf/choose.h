/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "select.h"

/* Which backend of a frontend. */

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
	if (rare(frontend->flags & FRONTEND_REDIRECT) && in_cgroup_of(frontend->group))
		fall_back(frontend, choice, REASON_FALLBACK);
}

/*
 * 32 random bits. Calling the kernel's own generator costs more than half a look-up in a hash; this one,
 * PCG-XSH-RS, is seeded by it once for each CPU and needs no call. That two programs get the same number,
 * one having interrupted the other, is no harm.
 */
static __always_inline __u32 random_number(void)
{
	__u32 zero = 0;
	__u64 *state = random.lookup(&zero);
	__u64 old;

	if (rare(!state))
		return 0;
	old = *state;
	if (rare(!old))
		old = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	*state = old * 6364136223846793005ull + 1442695040888963407ull;
	return (old ^ old >> 22) >> (22 + (old >> 61));
}

/* A backend at random, each as likely as the other. */
static __always_inline bool pick(const struct choice *choice, struct backend *chosen)
{
	__u32 index = choice->base;
	struct backend *slot;

	if (choice->length > 1)
		index += ((__u64)random_number() * choice->length) >> 32;
	slot = slots.lookup(&index);
	if (rare(!slot || !choice->length))
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

	if (rare(frontend->rate) && choice->reason == REASON_FORWARDED && above_rate(frontend))
		fall_back(frontend, choice, REASON_RATE_LIMITED);
	if (usual(!choice->affinity_seconds))
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
