// SPDX-License-Identifier: Apache-2.0

/*
 * Attaches programs that do nothing to the eight hooks of a cgroup: what a hook costs before a program
 * does anything.
 *
 *	empty CGROUP
 *
 * writes "ready" and keeps them attached until its input ends.
 */

#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum bpf_attach_type type;
} hooks[] = {
	{ "connect4", BPF_CGROUP_INET4_CONNECT },         { "connect6", BPF_CGROUP_INET6_CONNECT },
	{ "sendmsg4", BPF_CGROUP_UDP4_SENDMSG },          { "sendmsg6", BPF_CGROUP_UDP6_SENDMSG },
	{ "recvmsg4", BPF_CGROUP_UDP4_RECVMSG },          { "recvmsg6", BPF_CGROUP_UDP6_RECVMSG },
	{ "getpeername4", BPF_CGROUP_INET4_GETPEERNAME }, { "getpeername6", BPF_CGROUP_INET6_GETPEERNAME },
};

static long bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int attach(int cgroup, const char *name, enum bpf_attach_type type)
{
	static const struct bpf_insn allow[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load, link;
	long program;

	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
	load.expected_attach_type = type;
	load.insns = (unsigned long)allow;
	load.insn_cnt = 2;
	load.license = (unsigned long)"Apache-2.0";
	strncpy(load.prog_name, name, sizeof(load.prog_name) - 1);
	program = bpf(BPF_PROG_LOAD, &load);
	if (program < 0)
		return -1;
	memset(&link, 0, sizeof(link));
	link.link_create.prog_fd = program;
	link.link_create.target_fd = cgroup;
	link.link_create.attach_type = type;
	return bpf(BPF_LINK_CREATE, &link);
}

int main(int argc, char **argv)
{
	int cgroup = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		if (attach(cgroup, hooks[i].name, hooks[i].type) < 0) {
			perror(hooks[i].name);
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
