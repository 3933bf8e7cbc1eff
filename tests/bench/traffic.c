// SPDX-License-Identifier: Apache-2.0

/*
 * Makes connections and datagrams as fast as one thread can, and says how long they took.
 *
 * The servers are sockets of the same process, made before it enters the cgroup under test: a socket
 * belongs to the cgroup it was made in, so nothing the servers do is ever translated, and no second
 * process has to be woken, which would be noise on a machine with few cores.
 *
 *	traffic CGROUP|- PORT
 *
 * reads a command a line: OPERATION ADDRESS PORT SPREAD STRIDE MILLISECONDS OPERATIONS
 * and answers each with a line: OPERATIONS NANOSECONDS, or "error" and what went wrong. The nanoseconds
 * are those of the operation in the middle, since those at the ends were interrupted by something else.
 * The destinations are ADDRESS + i * STRIDE for i below SPREAD, at random. It ends after so many
 * milliseconds or, where that is not 0, operations.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NANO 1000000000ull
#define PAYLOAD 32
#define SAMPLES (1 << 20)

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

struct job {
	union address base;
	socklen_t length;
	uint32_t spread;
	uint32_t stride;
	uint64_t nanoseconds;
	uint64_t operations;
};

struct servers {
	int tcp;
	int udp;
};

static struct servers servers4, servers6;
static uint32_t random_state = 2463534242u;
static const char *failed;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NANO + time.tv_nsec;
}

static uint32_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool fail(const char *what)
{
	failed = what;
	return false;
}

static struct servers *servers_of(const struct job *job)
{
	return job->base.any.sa_family == AF_INET ? &servers4 : &servers6;
}

static void destination(const struct job *job, union address *to)
{
	uint32_t step = job->spread > 1 ? random_number() % job->spread * job->stride : 0;

	*to = job->base;
	if (to->any.sa_family == AF_INET)
		to->four.sin_addr.s_addr = htonl(ntohl(to->four.sin_addr.s_addr) + step);
	else
		to->six.sin6_addr.s6_addr32[3] = htonl(ntohl(to->six.sin6_addr.s6_addr32[3]) + step);
}

/* Closing a TCP socket resets the connection, so that no port is left in TIME_WAIT. */
static void set_options(int fd, int type)
{
	struct linger reset = { .l_onoff = 1 };
	struct timeval patience = { .tv_sec = 5 };

	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static int serve(int family, int type, int port)
{
	union address any = { .any.sa_family = family };
	int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	set_options(fd, type);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (type == SOCK_DGRAM && family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (type == SOCK_DGRAM && family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	any.four.sin_port = htons(port); /* of the same place in both families */
	if (bind(fd, &any.any, family == AF_INET ? sizeof(any.four) : sizeof(any.six)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 4096))
		die("listen");
	return fd;
}

/* Sends one datagram back, from the address that it was sent to. */
static bool echo(int fd)
{
	char data[PAYLOAD], control[256];
	union address from;
	struct iovec part = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t length = recvmsg(fd, &message, 0);
	struct cmsghdr *info;

	if (length < 0)
		return fail("the server got no datagram");
	part.iov_len = length;
	info = CMSG_FIRSTHDR(&message);
	if (info && info->cmsg_level == IPPROTO_IP)
		((struct in_pktinfo *)CMSG_DATA(info))->ipi_ifindex = 0;
	else if (info)
		((struct in6_pktinfo *)CMSG_DATA(info))->ipi6_ifindex = 0;
	return sendmsg(fd, &message, 0) == length || fail("the server cannot answer");
}

static int client(const struct job *job, int type)
{
	int fd = socket(job->base.any.sa_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

/* A connection and its end, as the client sees it: what the server does to accept is not timed. */
static bool tcp(const struct job *job, uint64_t *spent)
{
	union address to;
	uint64_t start;
	int fd, peer;

	destination(job, &to);
	start = now();
	fd = client(job, SOCK_STREAM);
	if (connect(fd, &to.any, job->length))
		return close(fd), fail("connect");
	*spent += now() - start;
	peer = accept4(servers_of(job)->tcp, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		return close(fd), fail("the server got no connection");
	close(peer);
	start = now();
	close(fd);
	*spent += now() - start;
	return true;
}

/* A connection, a byte each way, and the end: what a proxy in between cannot answer by itself. */
static bool talk(const struct job *job, uint64_t *spent)
{
	uint64_t start = now();
	union address to;
	char byte = 'x';
	int fd, peer;

	destination(job, &to);
	fd = client(job, SOCK_STREAM);
	set_options(fd, SOCK_STREAM);
	if (connect(fd, &to.any, job->length))
		return close(fd), fail("connect");
	peer = accept4(servers_of(job)->tcp, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		return close(fd), fail("the server got no connection");
	if (send(fd, &byte, 1, 0) != 1 || recv(peer, &byte, 1, 0) != 1 || send(peer, &byte, 1, 0) != 1 ||
	    recv(fd, &byte, 1, 0) != 1)
		return close(peer), close(fd), fail("the bytes did not come through");
	close(fd);
	close(peer);
	*spent += now() - start;
	return true;
}

/* One question and its answer over a connected socket of its own, as resolvers do. */
static bool udp(const struct job *job, uint64_t *spent)
{
	uint64_t start = now();
	char data[PAYLOAD] = { 0 };
	union address to;
	int fd;

	destination(job, &to);
	fd = client(job, SOCK_DGRAM);
	set_options(fd, SOCK_DGRAM);
	if (connect(fd, &to.any, job->length) || send(fd, data, PAYLOAD, 0) != PAYLOAD)
		return close(fd), fail("send");
	if (!echo(servers_of(job)->udp) || recv(fd, data, PAYLOAD, 0) != PAYLOAD)
		return close(fd), fail("no answer");
	close(fd);
	*spent += now() - start;
	return true;
}

static bool ask(const struct job *job, int fd)
{
	char data[PAYLOAD] = { 0 };
	union address to, from;
	socklen_t length = sizeof(from);

	destination(job, &to);
	if (sendto(fd, data, PAYLOAD, 0, &to.any, job->length) != PAYLOAD)
		return fail("sendto");
	if (!echo(servers_of(job)->udp))
		return false;
	if (recvfrom(fd, data, PAYLOAD, 0, &from.any, &length) != PAYLOAD)
		return fail("no answer");
	return !memcmp(&from, &to, job->length) || fail("the answer came from another address");
}

/* The same without connecting, always on one socket. */
static bool datagram(const struct job *job, uint64_t *spent)
{
	static int fds[2] = { -1, -1 };
	int *fd = &fds[job->base.any.sa_family == AF_INET6];
	uint64_t start;

	if (*fd < 0)
		set_options(*fd = client(job, SOCK_DGRAM), SOCK_DGRAM);
	start = now();
	if (!ask(job, *fd))
		return false;
	*spent += now() - start;
	return true;
}

/* The same without connecting, on a new socket each time. */
static bool datagram_new(const struct job *job, uint64_t *spent)
{
	uint64_t start = now();
	int fd = client(job, SOCK_DGRAM);
	bool done;

	set_options(fd, SOCK_DGRAM);
	done = ask(job, fd);
	close(fd);
	*spent += now() - start;
	return done;
}

/* Asks one connection 16 times whom it is connected to. */
static bool peername(const struct job *job, uint64_t *spent)
{
	union address to, peer;
	int fd, other;
	bool same = true;
	uint64_t start;

	destination(job, &to);
	fd = client(job, SOCK_STREAM);
	if (connect(fd, &to.any, job->length))
		return close(fd), fail("connect");
	other = accept4(servers_of(job)->tcp, NULL, NULL, SOCK_CLOEXEC);
	start = now();
	for (int i = 0; i < 16; i++) {
		socklen_t length = sizeof(peer);

		same = same && !getpeername(fd, &peer.any, &length) && !memcmp(&peer, &to, job->length);
	}
	*spent += now() - start;
	close(other);
	close(fd);
	return same || fail("getpeername told another address");
}

/* Only connects a UDP socket: nothing is sent. */
static bool point(const struct job *job, uint64_t *spent)
{
	uint64_t start = now();
	union address to;
	int fd;

	destination(job, &to);
	fd = client(job, SOCK_DGRAM);
	if (connect(fd, &to.any, job->length))
		return close(fd), fail("connect");
	close(fd);
	*spent += now() - start;
	return true;
}

static const struct {
	const char *name;
	bool (*run)(const struct job *job, uint64_t *spent);
} operations[] = {
	{ "tcp", tcp },           { "talk", talk },         { "udp", udp },
	{ "datagram", datagram }, { "peername", peername }, { "datagram-new", datagram_new },
	{ "point", point },
};

static int compare(const void *one, const void *other)
{
	uint32_t left = *(const uint32_t *)one, right = *(const uint32_t *)other;

	return left < right ? -1 : left > right;
}

static uint32_t median(uint32_t *samples, uint64_t count)
{
	if (!count)
		return 0;
	qsort(samples, count, sizeof(*samples), compare);
	return samples[count / 2];
}

static void measure(bool (*operation)(const struct job *, uint64_t *), const struct job *job)
{
	static uint32_t samples[SAMPLES];
	uint64_t end = now() + job->nanoseconds, done = 0;

	while ((!done || now() < end) && (!job->operations || done < job->operations)) {
		uint64_t spent = 0;

		if (!operation(job, &spent)) {
			printf("error %s: %s\n", failed, strerror(errno));
			return;
		}
		samples[done++ % SAMPLES] = spent;
	}
	printf("%llu %u\n", (unsigned long long)done, median(samples, done < SAMPLES ? done : SAMPLES));
}

static void run(const char *name, const struct job *job)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		if (!strcmp(operations[i].name, name)) {
			measure(operations[i].run, job);
			return;
		}
	}
	printf("error no operation %s\n", name);
}

/* Tries to connect until that is refused, or no more, and tells when: CLOCK_MONOTONIC in nanoseconds. */
static void until(bool refused, const struct job *job)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	uint64_t end = now() + job->nanoseconds;

	while (now() < end) {
		int fd = client(job, SOCK_DGRAM);
		bool is_refused = connect(fd, &job->base.any, job->length) && errno == ECONNREFUSED;
		uint64_t seen = now();

		close(fd);
		if (is_refused == refused) {
			printf("1 %llu\n", (unsigned long long)seen);
			return;
		}
		nanosleep(&pause, NULL);
	}
	printf("error it did not happen\n");
}

static bool parse(const char *line, char *name, struct job *job)
{
	unsigned int port, spread, stride, milliseconds;
	unsigned long long count;
	char address[64];

	memset(job, 0, sizeof(*job));
	if (sscanf(line, "%31s %63s %u %u %u %u %llu", name, address, &port, &spread, &stride, &milliseconds, &count) !=
	    7)
		return false;
	job->base.four.sin_port = htons(port);
	job->spread = spread;
	job->stride = stride;
	job->nanoseconds = milliseconds * 1000000ull;
	job->operations = count;
	if (inet_pton(AF_INET, address, &job->base.four.sin_addr) == 1) {
		job->base.any.sa_family = AF_INET;
		job->length = sizeof(job->base.four);
		return true;
	}
	job->base.any.sa_family = AF_INET6;
	job->length = sizeof(job->base.six);
	return inet_pton(AF_INET6, address, &job->base.six.sin6_addr) == 1;
}

static void enter(const char *cgroup)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file))
		die(path);
}

int main(int argc, char **argv)
{
	char line[512], name[32];
	struct job job;

	if (argc != 3)
		return 2;
	servers4.tcp = serve(AF_INET, SOCK_STREAM, atoi(argv[2]));
	servers4.udp = serve(AF_INET, SOCK_DGRAM, atoi(argv[2]));
	servers6.tcp = serve(AF_INET6, SOCK_STREAM, atoi(argv[2]));
	servers6.udp = serve(AF_INET6, SOCK_DGRAM, atoi(argv[2]));
	if (strcmp(argv[1], "-"))
		enter(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (!parse(line, name, &job))
			puts("error what?");
		else if (!strcmp(name, "until-refused") || !strcmp(name, "until-accepted"))
			until(!strcmp(name, "until-refused"), &job);
		else
			run(name, &job);
	}
	return 0;
}
