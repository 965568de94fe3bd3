/* SPDX-License-Identifier: Apache-2.0 */
/* What an image file is, and the first bytes of its disk: info IMAGE. */
#include <imagewright.h>
#include <stdio.h>

static int fail(iw_error *error)
{
	int code = iw_error_code(error);

	fprintf(stderr, "%s\n", iw_error_json(error));
	iw_error_free(error);
	return code;
}

int main(int argc, char **argv)
{
	char document[4096], request[4200], *info = NULL;
	uint8_t bytes[16];
	iw_image *image;
	iw_error *error;

	if (argc != 2) {
		fprintf(stderr, "usage: info IMAGE\n");
		return 2;
	}
	snprintf(document, sizeof(document), "{\"path\": \"%s\"}", argv[1]);
	snprintf(request, sizeof(request), "{\"image\": %s}", document);
	error = iw_run(NULL, "info", request, &info);
	if (error)
		return fail(error);
	puts(info);
	iw_string_free(info);

	error = iw_image_open(document, &image);
	if (error)
		return fail(error);
	error = iw_image_read(image, 0, bytes, sizeof(bytes));
	if (!error) {
		printf("%llu bytes:", (unsigned long long)iw_image_size(image));
		for (size_t i = 0; i < sizeof(bytes); i++)
			printf(" %02x", bytes[i]);
		putchar('\n');
	}
	iw_image_close(image);
	return error ? fail(error) : 0;
}
