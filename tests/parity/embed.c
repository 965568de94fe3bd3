/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process with much of its own - threads, mounts, handlers of signals, a
 * umask - builds two images at once, and finds itself as it was:
 *
 *     embed IMAGE RECIPE DIRECTORY [ignore-children]
 *
 * What it was is compared twice: of what other threads see, while the builds
 * run; of everything, when they are over.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <imagewright.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 50

extern char **environ;

static atomic_int failures, handled, steps;
static atomic_bool done;

static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	failures++;
}

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(98);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	handled++;
}

/* Of the process, as text: a line a fact. */
struct facts {
	char *text;
	size_t size;
	FILE *file;
};

static void begin(struct facts *facts)
{
	facts->file = open_memstream(&facts->text, &facts->size);
	must(facts->file != NULL, "open_memstream");
}

static void add_link(struct facts *facts, const char *path)
{
	char to[4096];
	ssize_t length = readlink(path, to, sizeof(to) - 1);

	must(length >= 0, path);
	to[length] = 0;
	fprintf(facts->file, "%s %s\n", path, to);
}

static void add_file(struct facts *facts, const char *path)
{
	char buffer[4096];
	FILE *file = fopen(path, "re");
	size_t length;

	must(file != NULL, path);
	while ((length = fread(buffer, 1, sizeof(buffer), file)) > 0)
		fwrite(buffer, 1, length, facts->file);
	fclose(file);
}

/* Lines of /proc/self/status that the work of other threads does not move. */
static void add_status(struct facts *facts)
{
	static const char *const names[] = {
		"Umask:", "Uid:", "Gid:", "Groups:", "SigBlk:", "SigIgn:",
		"SigCgt:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:",
		"CapAmb:", "NoNewPrivs:", "Seccomp:",
	};
	char line[4096];
	FILE *file = fopen("/proc/self/status", "re");

	must(file != NULL, "/proc/self/status");
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				fputs(line, facts->file);
	fclose(file);
}

static void add_signals(struct facts *facts)
{
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;

		if (sigaction(number, NULL, &action) < 0)
			continue;
		fprintf(facts->file, "signal %d %p %x %d\n", number,
			(void *)action.sa_sigaction, action.sa_flags,
			sigismember(&action.sa_mask, SIGTERM));
	}
}

/* What every thread sees, also while builds run. */
static void add_shared(struct facts *facts)
{
	static const char *const links[] = {
		"/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/net",
		"/proc/self/ns/ipc", "/proc/self/ns/uts", "/proc/self/ns/user",
		"/proc/self/cwd", "/proc/self/root",
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		add_link(facts, links[i]);
	for (char **variable = environ; *variable; variable++)
		fprintf(facts->file, "%p %s\n", (void *)*variable, *variable);
	add_status(facts);
	add_signals(facts);
	add_file(facts, "/proc/self/mountinfo");
}

static int count(const char *path)
{
	DIR *directory = opendir(path);
	int entries = 0;

	must(directory != NULL, path);
	while (readdir(directory))
		entries++;
	closedir(directory);
	return entries;
}

/* What only a process at rest can compare. */
static void add_own(struct facts *facts)
{
	char path[64], to[4096];
	int dumpable = prctl(PR_GET_DUMPABLE), death = 0;

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, to, sizeof(to) - 1);
		if (length < 0)
			continue;
		to[length] = 0;
		fprintf(facts->file, "fd %d %s %d\n", fd, to,
			fcntl(fd, F_GETFD));
	}
	prctl(PR_GET_PDEATHSIG, &death);
	fprintf(facts->file, "threads %d\n", count("/proc/self/task"));
	fprintf(facts->file, "dumpable %d, death %d\n", dumpable, death);
	add_file(facts, "/proc/self/limits");
	add_file(facts, "/proc/self/oom_score_adj");
	fputs("children:", facts->file);
	add_file(facts, "/proc/thread-self/children");
}

/* Prints the lines of one text that the other has not. */
static void differ(const char *when, const char *before, const char *after)
{
	char *copy = strdup(after), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (!strstr(before, line))
			fail("%s: %s", when, line);
	free(copy);
}

static void compare(const char *when, struct facts *before,
		    struct facts *after)
{
	fclose(after->file);
	if (strcmp(before->text, after->text)) {
		differ(when, before->text, after->text);
		fail("%s: the process is not as it was", when);
	}
	free(after->text);
}

/* Keeps the locks of malloc and stdio busy. */
static void *bystander(void *own)
{
	struct timespec pause = { 0, 2000000 };

	while (!done) {
		for (int i = 1; i < 100; i++) {
			char *memory = malloc(i * 100);

			must(memory != NULL, "malloc");
			snprintf(memory, i * 100, "%p", own);
			free(memory);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static struct facts shared;

static int progress(void *data, const char *event)
{
	struct facts now;

	(void)data;
	if (!strstr(event, "\"step\""))
		return 0;
	steps++;
	begin(&now);
	/* On whatever thread this is: the facts of the main one. */
	add_shared(&now);
	compare("during a build", &shared, &now);
	return 0;
}

static int refuse(void *data, const char *event)
{
	(void)data;
	(void)event;
	return 1;
}

struct build {
	const char *image, *recipe, *directory;
	int number;
	iw_progress_fn progress;
	int code;
	char *message;
};

static void *build(void *argument)
{
	struct build *build = argument;
	iw_monitor *monitor = iw_monitor_new(build->progress, NULL);
	char *request, *report = NULL;
	iw_error *error;

	must(asprintf(&request,
		      "{\"input\": {\"image\": \"%s\"}, \"recipe\": \"%s\", "
		      "\"output\": \"%s/out-%d\"}", build->image,
		      build->recipe, build->directory, build->number) > 0,
	     "asprintf");
	error = iw_run(monitor, "build", request, &report);
	build->code = iw_error_code(error);
	build->message = error ? strdup(iw_error_json(error)) : NULL;
	iw_error_free(error);
	iw_string_free(report);
	iw_monitor_free(monitor);
	free(request);
	return NULL;
}

/* pthread_create(3) blocks the signals of its caller for a moment: nothing is
 * compared before all threads are there. */
static pthread_barrier_t begun;

static void *builder(void *argument)
{
	pthread_barrier_wait(&begun);
	return build(argument);
}

/* A mount namespace of our own, in which mounts spread to whoever shares. */
static void settle(const char *directory)
{
	char path[4096];

	must(!unshare(CLONE_NEWNS), "unshare");
	must(!mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "slave");
	must(!mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), "shared");
	snprintf(path, sizeof(path), "%s/own", directory);
	must(!mkdir(path, 0700), path);
	must(!mount("own", path, "tmpfs", 0, "size=1m"), "mount");
	must(!chdir(path), path);
	must(open("held", O_CREAT | O_RDWR, 0600) >= 0, "held");
	must(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) >= 0, path);
	umask(027);
	must(!setenv("LD_EMBEDDED", "a value of the process", 1), "setenv");
}

static void handle_signals(int ignore_children)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH,
		SIGCHLD, SIGIO, SIGURG,
	};
	struct sigaction action = {
		.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART,
	};

	sigaddset(&action.sa_mask, SIGTERM);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		must(!sigaction(signals[i], &action, NULL), "sigaction");
	if (ignore_children)
		signal(SIGCHLD, SIG_IGN);
	/* A pipe without a reader would be the end of this process. */
	signal(SIGPIPE, SIG_DFL);
}

int main(int argc, char **argv)
{
	struct build builds[2] = { 0 }, refused = { 0 };
	pthread_t bystanders[THREADS], builders[2];
	struct facts own, now;

	if (argc < 4)
		return 99;
	settle(argv[3]);
	handle_signals(argc > 4);
	for (int i = 0; i < THREADS; i++)
		must(!pthread_create(&bystanders[i], NULL, bystander, &done),
		     "a thread");
	/* What stdio and the allocator keep is there from here on. */
	begin(&own);
	add_shared(&own);
	add_own(&own);
	fclose(own.file);
	begin(&shared);
	add_shared(&shared);
	fclose(shared.file);

	must(!pthread_barrier_init(&begun, NULL, 3), "a barrier");
	for (int i = 0; i < 2; i++) {
		builds[i] = (struct build){ argv[1], argv[2], argv[3], i,
					    progress, -1, NULL };
		must(!pthread_create(&builders[i], NULL, builder, &builds[i]),
		     "a builder");
	}
	pthread_barrier_wait(&begun);
	for (int i = 0; i < 2; i++) {
		pthread_join(builders[i], NULL);
		if (builds[i].code)
			fail("build %d: %s", i, builds[i].message);
	}
	refused = (struct build){ argv[1], argv[2], argv[3], 2, refuse, -1,
				  NULL };
	build(&refused);
	if (refused.code != 130 ||
	    !strstr(refused.message, "callback asked to stop"))
		fail("refused: %d %s", refused.code, refused.message);
	if (!steps)
		fail("no step was compared");

	begin(&now);
	add_shared(&now);
	add_own(&now);
	compare("after the builds", &own, &now);
	if (handled)
		fail("%d signals came", handled);
	done = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(bystanders[i], NULL);
	for (int i = 0; i < 2; i++)
		free(builds[i].message);
	free(refused.message);
	free(own.text);
	free(shared.text);
	return failures ? 1 : 0;
}
