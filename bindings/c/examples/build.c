/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a node image: build DISK-IMAGE RECIPE OUTPUT. Ctrl-C cancels. */
#include <imagewright.h>
#include <signal.h>
#include <stdio.h>

static iw_monitor *monitor;

/* Only sets a flag: safe in a signal handler. */
static void interrupt(int signal)
{
	(void)signal;
	iw_monitor_cancel(monitor);
}

static int progress(void *data, const char *event)
{
	(void)data;
	fprintf(stderr, "%s\n", event);
	return 0;
}

int main(int argc, char **argv)
{
	char request[4096], *report = NULL;
	iw_error *error;
	int code;

	if (argc != 4) {
		fprintf(stderr, "usage: build DISK-IMAGE RECIPE OUTPUT\n");
		return 2;
	}
	snprintf(request, sizeof(request),
		 "{\"input\": {\"image\": \"%s\"}, \"recipe\": \"%s\", "
		 "\"output\": \"%s\"}", argv[1], argv[2], argv[3]);
	monitor = iw_monitor_new(progress, NULL);
	signal(SIGINT, interrupt);
	error = iw_run(monitor, "build", request, &report);
	code = iw_error_code(error);
	if (error)
		fprintf(stderr, "%s: %s\n", iw_error_kind(error),
			iw_error_message(error));
	else
		puts(report);
	iw_error_free(error);
	iw_string_free(report);
	signal(SIGINT, SIG_DFL);
	iw_monitor_free(monitor);
	return code;
}
