/* SPDX-License-Identifier: Apache-2.0 */
/* Answers one request for the parity suite: driver OPERATION REQUEST. */
#include <imagewright.h>
#include <stdio.h>
#include <stdlib.h>

static int refuse(void *data, const char *event)
{
	(void)data;
	(void)event;
	return 1;
}

int main(int argc, char **argv)
{
	iw_progress_fn progress = getenv("PARITY_CANCEL") ? refuse : NULL;
	iw_monitor *monitor;
	iw_error *error;
	char *result = NULL;
	int code;

	if (argc != 3)
		return 99;
	monitor = iw_monitor_new(progress, NULL);
	error = iw_run(monitor, argv[1], argv[2], &result);
	code = iw_error_code(error);
	if (error)
		printf("{\"error\": %s}\n", iw_error_json(error));
	else
		puts(result);
	iw_string_free(result);
	iw_error_free(error);
	iw_monitor_free(monitor);
	return code;
}
