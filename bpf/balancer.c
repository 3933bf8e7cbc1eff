// SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only)

/*
 * Service load balancing at the socket: connect and send are pointed at a backend before a packet
 * exists; receive and getpeername show the address that was asked for. Eight entry points, one for
 * each hook and family, over one path for both families. An AF_INET6 socket that talks to
 * ::ffff:a.b.c.d comes through the IPv6 hooks for connect, receive and getpeername, and through the
 * IPv4 hook for send.
 */

#include <uapi/linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>

#include "types.h"
#include "maps.h"
#include "select.h"
#include "choose.h"
#include "tell.h"
#include "translate.h"

static __always_inline void load4(struct bpf_sock_addr *ctx, struct backend *endpoint)
{
	endpoint->address.words[0] = 0;
	endpoint->address.words[1] = 0;
	endpoint->address.words[2] = MAPPED_WORD;
	endpoint->address.words[3] = ctx->user_ip4;
	endpoint->port = ctx->user_port;
	endpoint->pad = 0;
}

static __always_inline void store4(struct bpf_sock_addr *ctx, const struct backend *endpoint)
{
	ctx->user_ip4 = endpoint->address.words[3];
	ctx->user_port = endpoint->port;
}

static __always_inline void load6(struct bpf_sock_addr *ctx, struct backend *endpoint)
{
	endpoint->address.words[0] = ctx->user_ip6[0];
	endpoint->address.words[1] = ctx->user_ip6[1];
	endpoint->address.words[2] = ctx->user_ip6[2];
	endpoint->address.words[3] = ctx->user_ip6[3];
	endpoint->port = ctx->user_port;
	endpoint->pad = 0;
}

static __always_inline void store6(struct bpf_sock_addr *ctx, const struct backend *endpoint)
{
	ctx->user_ip6[0] = endpoint->address.words[0];
	ctx->user_ip6[1] = endpoint->address.words[1];
	ctx->user_ip6[2] = endpoint->address.words[2];
	ctx->user_ip6[3] = endpoint->address.words[3];
	ctx->user_port = endpoint->port;
}

static __always_inline int translate4(struct bpf_sock_addr *ctx, bool connecting)
{
	bool translated = false;
	struct backend to;
	int verdict;

	load4(ctx, &to);
	verdict = translate(ctx, &to, connecting, &translated);
	if (translated)
		store4(ctx, &to);
	return verdict;
}

static __always_inline int translate6(struct bpf_sock_addr *ctx, bool connecting)
{
	bool translated = false;
	struct backend to;
	int verdict;

	load6(ctx, &to);
	verdict = translate(ctx, &to, connecting, &translated);
	if (translated)
		store6(ctx, &to);
	return verdict;
}

static __always_inline int restore4(struct bpf_sock_addr *ctx)
{
	struct backend from;

	load4(ctx, &from);
	restore(ctx, &from);
	store4(ctx, &from);
	return 1;
}

static __always_inline int restore6(struct bpf_sock_addr *ctx)
{
	struct backend from;

	load6(ctx, &from);
	restore(ctx, &from);
	store6(ctx, &from);
	return 1;
}

int connect4(struct bpf_sock_addr *ctx)
{
	return translate4(ctx, true);
}

int connect6(struct bpf_sock_addr *ctx)
{
	return translate6(ctx, true);
}

int sendmsg4(struct bpf_sock_addr *ctx)
{
	return translate4(ctx, false);
}

int sendmsg6(struct bpf_sock_addr *ctx)
{
	return translate6(ctx, false);
}

int recvmsg4(struct bpf_sock_addr *ctx)
{
	return restore4(ctx);
}

int recvmsg6(struct bpf_sock_addr *ctx)
{
	return restore6(ctx);
}

int getpeername4(struct bpf_sock_addr *ctx)
{
	return restore4(ctx);
}

int getpeername6(struct bpf_sock_addr *ctx)
{
	return restore6(ctx);
}
