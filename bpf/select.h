/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "maps.h"

/* How often a look-up is repeated when the element changed hands while it was read. */
#define READ_TRIES 4

#define MAPPED_WORD bpf_htonl(0x0000ffff)

/*
 * What is rare goes behind what is usual: most of the cost of a hot call is code that has to come into
 * the processor's caches first, so the usual way through a program is one short straight line.
 */
#define usual(condition) __builtin_expect(!!(condition), 1)
#define rare(condition) __builtin_expect(!!(condition), 0)

enum outcome {
	OUTCOME_PASS,    /* no destination of ours: leave it alone */
	OUTCOME_FORWARD, /* `frontend` is filled in */
	OUTCOME_REJECT,  /* the choice's reason says with which errno */
	OUTCOME_CANARY,  /* the same, and nobody is told */
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

	return usual(value) ? *value : 0;
}

static __always_inline void count(__u32 index, enum reason reason)
{
	struct counter *counter = counters.lookup(&index);

	if (usual(counter))
		counter->by_reason[reason]++;
}

/* The flags of an address, 0 for one that is not ours. All of 127.0.0.0/8 is answered like 127.0.0.1. */
static __always_inline __u32 gate(const struct address *destination)
{
	struct address loopback;

	if (rare(is_ipv4_loopback(destination))) {
		loopback = *destination;
		loopback.words[3] = bpf_htonl(0x7f000001);
		destination = &loopback;
	}
#pragma clang loop unroll(disable)
	for (int i = 0; i < READ_TRIES; i++) {
		struct address_info *found = addresses.lookup((struct address *)destination);
		struct address_info info;

		if (!found)
			return 0;
		/* One 8-byte load: flags and check belong together. */
		*(__u64 *)&info = *(volatile __u64 *)found;
		if (usual(info.check == address_check(destination)))
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

#pragma clang loop unroll(disable)
	for (int i = 0; i < READ_TRIES; i++) {
		struct frontend *found = frontends.lookup((struct frontend_key *)key);

		if (!found)
			return false;
		*copy = *found;
		asm volatile("" ::: "memory");
		if (usual(*(volatile __u64 *)&found->check == check))
			return true;
	}
	return false;
}

/* A digest that no mixture of two records has, nor a record of another key or epoch, but by a chance of 2^-64. */
static __always_inline __u64 recent_tag(const struct frontend_key *key, __u64 epoch, const struct frontend *frontend)
{
	__u64 words[sizeof(*frontend) / 8];

	__builtin_memcpy(words, frontend, sizeof(words));
	return (epoch + 1) * 0x9e3779b97f4a7c15ull +
	       ((__u64)key->address.words[2] << 32 | (__u32)key->port << 8 | key->protocol) * 0xd1342543de82ef95ull +
	       words[0] * 0xa0761d6478bd642full + words[1] * 0xe7037ed1a0b428dbull + words[2] * 0x8ebc6af09c88c6e3ull +
	       words[3] * 0x589965cc75374cc3ull + words[4] * 0x1d8e4e27c47d124full + words[5] * 0xeb44accab455d165ull +
	       words[6] * 0x9fb21c651e98df25ull;
}

/*
 * The frontend of a key that has an entry of its own, from what was found lately if it is there. User space
 * makes the epoch odd before it writes frontends, and gives it a new even number when it is done: what was
 * read from the map in one epoch is never used in another, and nothing is kept while it is odd.
 */
static __always_inline bool recall_frontend(const struct frontend_key *key, struct frontend *copy)
{
	__u64 check = frontend_check(key), epoch = setting(SETTING_EPOCH);
	__u32 index = (check ^ check >> 32) * 0x9e3779b97f4a7c15ull >> 32;
	struct recent *found;
	__u64 tag;

	index = index * setting(SETTING_RECENT) >> 32;
	found = recent.lookup(&index);
	if (rare(!found || epoch & 1))
		return read_frontend(key, copy);
	tag = *(volatile __u64 *)&found->tag;
	*copy = found->frontend;
	asm volatile("" ::: "memory");
	if (usual(copy->check == check && tag == recent_tag(key, epoch, copy)))
		return true;
	if (!read_frontend(key, copy))
		return false;
	found->frontend = *copy;
	found->tag = recent_tag(key, epoch, copy);
	return true;
}

/*
 * Whether the calling process is, at any depth, in a cgroup with a rule: one that is left
 * untranslated (group 0), or one that is a backend of this group's redirect.
 */
static __always_inline bool in_cgroup_of(__u64 group)
{
	__u64 levels = setting(SETTING_CGROUP_LEVELS);

	if (usual(!levels))
		return false;
#pragma clang loop unroll(disable)
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

/* One more in a setting that programs count in. */
static __always_inline void add_one(__u32 index)
{
	__u64 *value = settings.lookup(&index);

	if (value)
		__sync_fetch_and_add(value, 1);
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

/*
 * Whether this address is where most VIPs are. It only says in which order the maps are asked: there a
 * frontend is found by one look-up, without the gate, which lets every address with a frontend of its own
 * through. The one exception is loopback, so user space leaves that out (balancer/plan/vips.py).
 */
static __always_inline bool among_vips(const struct address *address)
{
	__u64 upper = (__u64)address->words[0] << 32 | address->words[1];
	__u64 vips;

	if (!is_ipv4(address))
		return upper && upper == setting(SETTING_VIPS_IPV6);
	vips = setting(SETTING_VIPS_IPV4);
	return bpf_ntohl(address->words[3]) - (__u32)(vips >> 32) < (__u32)vips;
}

/* What the gate and then the frontends say. An exact entry goes before the node port of every node address. */
static __always_inline enum outcome past_gate(struct bpf_sock_addr *ctx, struct frontend_key *key,
					      struct frontend *frontend, struct choice *choice)
{
	__u32 flags = gate(&key->address);

	if (usual(!flags) || in_cgroup_of(0))
		return OUTCOME_PASS;
	if (flags == ADDRESS_LOOPBACK && bpf_get_netns_cookie(ctx) != setting(SETTING_HOST_NETNS))
		return OUTCOME_PASS;
	if (read_frontend(key, frontend))
		return OUTCOME_FORWARD;
	if (flags & (ADDRESS_NODE | ADDRESS_LOOPBACK)) {
		key->address.words[3] = 0;
		if (!is_ipv4(&key->address))
			key->address.words[0] = key->address.words[1] = key->address.words[2] = 0;
		choice->node_port = 1;
		if (read_frontend(key, frontend))
			return OUTCOME_FORWARD;
		choice->node_port = 0;
	}
	if (!(flags & ADDRESS_VIP))
		return OUTCOME_PASS;
	if (rare(!key->port)) { /* no service has it and nobody can talk to it: a question for us (kernel/canary.py) */
		add_one(SETTING_CANARIES);
		choice->reason = REASON_UNKNOWN_PORT;
		return OUTCOME_CANARY;
	}
	return reject(choice, 0, REASON_UNKNOWN_PORT);
}

/* What serves this destination. */
static __always_inline enum outcome resolve(struct bpf_sock_addr *ctx, const struct backend *to, __u8 protocol,
					    struct frontend *frontend, struct choice *choice)
{
	struct frontend_key key = { .address = to->address, .port = to->port, .protocol = protocol };
	enum outcome outcome;

	choice->node_port = 0;
	if (among_vips(&to->address) && usual(recall_frontend(&key, frontend))) {
		if (rare(in_cgroup_of(0)))
			return OUTCOME_PASS;
	} else {
		outcome = past_gate(ctx, &key, frontend, choice);
		if (outcome != OUTCOME_FORWARD)
			return outcome;
	}
	if (usual(frontend->action == ACTION_FORWARD))
		return OUTCOME_FORWARD;
	return reject(choice, frontend->counter, reason_of(frontend->action));
}
