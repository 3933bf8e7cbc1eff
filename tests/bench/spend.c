// SPDX-License-Identifier: Apache-2.0

/*
 * Runs a command to its end and writes what it cost. It is small, because the kernel counts the memory
 * of whoever starts a process as a part of that process' own peak.
 *
 *	spend SECONDS FILE COMMAND...
 *
 * writes to FILE: WALL_NANOSECONDS USER_MICROSECONDS SYSTEM_MICROSECONDS PEAK_KIB EXIT_CODE. After SECONDS
 * the command is killed and the exit code is 124.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;
static volatile sig_atomic_t late;

static void stop(int number)
{
	(void)number;
	late = 1;
	kill(child, SIGKILL);
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	struct rusage usage;
	int status, code;
	FILE *file;

	if (argc < 4)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &start);
	child = fork();
	if (!child) {
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	signal(SIGALRM, stop);
	alarm(atoi(argv[1]));
	while (wait4(child, &status, 0, &usage) < 0)
		;
	clock_gettime(CLOCK_MONOTONIC, &end);
	code = late ? 124 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	file = fopen(argv[2], "w");
	if (!file)
		return 1;
	fprintf(file, "%lld %ld %ld %ld %d\n", (end.tv_sec - start.tv_sec) * 1000000000ll + end.tv_nsec - start.tv_nsec,
		usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
		usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec, usage.ru_maxrss, code);
	return fclose(file) ? 1 : 0;
}
