/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
#pragma once

#include "choose.h"
#include "tell.h"

/* Records of what was translated, so that the socket's owner goes on seeing the address it asked for. */

static __always_inline void remember_tcp(struct bpf_sock_addr *ctx, const struct backend *vip,
					 const struct backend *backend)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	__u32 index = cookie & (setting(SETTING_PEERS) - 1);
	struct peer *peer = peers.lookup(&index);

	if (rare(!peer))
		return;
	*(volatile __u64 *)&peer->cookie = 0;
	peer->vip = *vip;
	peer->backend = *backend;
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&peer->cookie = cookie;
}

static __always_inline bool recall_tcp(struct bpf_sock_addr *ctx, const struct backend *backend, struct backend *vip)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	__u32 index = cookie & (setting(SETTING_PEERS) - 1);
	struct peer *peer = peers.lookup(&index);

	if (!peer || peer->cookie != cookie || !backend_equal(&peer->backend, backend))
		return false;
	*vip = peer->vip;
	return true;
}

/* The record of a VIP, NULL if this socket has none. */
static __always_inline struct udp_record *record_of_vip(struct udp_socket *socket, const struct backend *vip)
{
	__u32 last = socket->last;

	if (last < UDP_RECORDS && backend_equal(&socket->records[last].vip, vip))
		return &socket->records[last];
	for (int i = 0; i < UDP_RECORDS; i++) {
		if (backend_equal(&socket->records[i].vip, vip)) {
			socket->last = i;
			return &socket->records[i];
		}
	}
	return NULL;
}

/* A record to write, in place of the oldest one. */
static __always_inline struct udp_record *new_record(struct udp_socket *socket)
{
	__u32 index = socket->next;

	if (index >= UDP_RECORDS)
		index = 0;
	socket->next = index + 1;
	socket->last = index;
	return &socket->records[index];
}

/* The VIP whose replies come from this backend; of several, the one used last. */
static __always_inline bool recall_udp(struct bpf_sock_addr *ctx, const struct backend *backend, struct backend *vip)
{
	struct udp_socket *socket;
	__u32 last;

	if (!ctx->sk)
		return false;
	socket = udp_sockets.sk_storage_get(ctx->sk, 0, 0);
	if (!socket)
		return false;
	last = socket->last;
	if (last < UDP_RECORDS && backend_equal(&socket->records[last].backend, backend)) {
		*vip = socket->records[last].vip;
		return true;
	}
	for (int i = 0; i < UDP_RECORDS; i++) {
		if (backend_equal(&socket->records[i].backend, backend)) {
			*vip = socket->records[i].vip;
			return true;
		}
	}
	return false;
}

/* Whether a socket's backend still counts. One that was given the fallback for the rate stays there. */
static __always_inline bool may_stay(const struct frontend *frontend, const struct choice *choice,
				     const struct backend *backend)
{
	if (is_member(choice->group, backend))
		return true;
	return frontend->rate && is_member(frontend->fallback_group, backend);
}

/*
 * Chooses a UDP backend. A socket that sends without connecting stays with the backend it has for this
 * VIP as long as that is a member; connect() chooses anew. When the socket cannot be given a record its
 * datagrams are still delivered, only the replies keep the backend's address.
 */
static __always_inline bool choose_udp(struct bpf_sock_addr *ctx, const struct frontend *frontend,
				       struct choice *choice, const struct backend *vip, bool connecting,
				       struct backend *chosen)
{
	struct udp_socket *socket = NULL;
	struct udp_record *record = NULL;

	if (ctx->sk)
		socket = udp_sockets.sk_storage_get(ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (socket)
		record = record_of_vip(socket, vip);
	if (record && !connecting && may_stay(frontend, choice, &record->backend)) {
		*chosen = record->backend;
		choice->reason = REASON_SOCKET;
		count(frontend->counter, REASON_SOCKET);
		return true;
	}
	if (!choose(ctx, frontend, choice, chosen))
		return false;
	if (socket && !record)
		record = new_record(socket);
	if (record) {
		record->vip = *vip;
		record->backend = *chosen;
	}
	return true;
}

/*
 * Decides where a connect or send to `to` goes and, when it is `translated`, replaces `to`. Returns the
 * verdict of the program: 1 lets the call go on, 0 fails it with the errno set here.
 */
static __always_inline int translate(struct bpf_sock_addr *ctx, struct backend *to, bool connecting, bool *translated)
{
	__u8 protocol = ctx->protocol;
	struct frontend frontend;
	struct choice choice;
	struct backend chosen;
	enum outcome outcome;
	bool done;

	if (rare(protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return 1;
	outcome = resolve(ctx, to, protocol, &frontend, &choice);
	if (outcome == OUTCOME_PASS)
		return 1;
	if (usual(outcome == OUTCOME_FORWARD)) {
		consider(&frontend, &choice);
		if (protocol == IPPROTO_UDP)
			done = choose_udp(ctx, &frontend, &choice, to, connecting, &chosen);
		else
			done = choose(ctx, &frontend, &choice, &chosen);
		if (usual(done)) {
			if (protocol == IPPROTO_TCP)
				remember_tcp(ctx, to, &chosen);
			tell_forwarded(ctx, to, &chosen, &choice, connecting);
			*to = chosen;
			*translated = true;
			return 1;
		}
		reject(&choice, frontend.counter, reason_of(frontend.fallback_action));
	}
	if (usual(outcome != OUTCOME_CANARY))
		tell_rejected(ctx, to, &choice, connecting);
#ifdef HAVE_SET_RETVAL
	bpf_set_retval(choice.reason == REASON_UNREACHABLE ? -EHOSTUNREACH : -ECONNREFUSED);
#endif
	return 0;
}

/* Replaces `from`, the address of a peer or the source of a datagram, by the VIP it was asked for by. */
static __always_inline void restore(struct bpf_sock_addr *ctx, struct backend *from)
{
	struct backend vip;
	bool found;

	if (ctx->protocol == IPPROTO_UDP)
		found = recall_udp(ctx, from, &vip);
	else
		found = recall_tcp(ctx, from, &vip);
	if (found)
		*from = vip;
}
