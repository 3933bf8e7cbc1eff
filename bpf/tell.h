/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "select.h"

/*
 * Events: one record of each decision in the ring, while somebody listens. While nobody does, that
 * costs one look-up of the level.
 */

static __always_inline bool somebody_listens(enum event_level level)
{
	if (usual(setting(SETTING_EVENT_LEVEL) < level))
		return false;
	return bpf_ktime_get_ns() < setting(SETTING_EVENT_UNTIL);
}

/* `chosen` is NULL for a rejection. */
static __always_inline void tell(struct bpf_sock_addr *ctx, const struct backend *asked, const struct backend *chosen,
				 const struct choice *choice, bool connecting)
{
	struct event *event = events.ringbuf_reserve(sizeof(*event));

	if (!event) {
		add_one(SETTING_EVENTS_LOST);
		return;
	}
	event->time = bpf_ktime_get_ns();
	event->cgroup = bpf_get_current_cgroup_id();
	event->netns = bpf_get_netns_cookie(ctx);
	event->socket = bpf_get_socket_cookie(ctx);
	event->asked = *asked;
	if (chosen)
		event->chosen = *chosen;
	else
		__builtin_memset(&event->chosen, 0, sizeof(event->chosen));
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->counter = choice->counter;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->reason = choice->reason;
	event->protocol = ctx->protocol;
	event->flags = (connecting ? EVENT_CONNECT : 0) | (choice->node_port ? EVENT_NODE_PORT : 0);
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	/* Listeners look by themselves: a program must not pay for waking them. */
	events.ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* A datagram of a socket that stays with its backend is no news. */
static __always_inline void tell_forwarded(struct bpf_sock_addr *ctx, const struct backend *asked,
					   const struct backend *chosen, const struct choice *choice, bool connecting)
{
	if (choice->reason != REASON_SOCKET && somebody_listens(EVENTS_ALL))
		tell(ctx, asked, chosen, choice, connecting);
}

/* Whether the latest listener was told before that this socket's datagrams to `asked` are rejected so. */
static __always_inline bool told_before(struct bpf_sock_addr *ctx, const struct backend *asked, __u8 reason)
{
	__u64 since = setting(SETTING_EVENT_SINCE);
	struct udp_rejected *told;
	__u32 next;

	if (!ctx->sk)
		return false;
	told = udp_rejected.sk_storage_get(ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!told)
		return false;
	if (told->told_since != since) {
		__builtin_memset(told->destinations, 0, sizeof(told->destinations));
		told->told_since = since;
	}
#pragma unroll
	for (int i = 0; i < UDP_REJECTED; i++) {
		if (backend_equal(&told->destinations[i], asked) && told->destinations[i].pad == reason)
			return true;
	}
	next = told->next;
	if (next >= UDP_REJECTED)
		next = 0;
	told->destinations[next] = *asked;
	told->destinations[next].pad = reason;
	told->next = next + 1;
	return false;
}

static __always_inline void tell_rejected(struct bpf_sock_addr *ctx, const struct backend *asked,
					  const struct choice *choice, bool connecting)
{
	if (!somebody_listens(EVENTS_REJECTIONS))
		return;
	if (connecting || !told_before(ctx, asked, choice->reason))
		tell(ctx, asked, NULL, choice, connecting);
}
