/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target over every file of the directories that are given: what the fuzzer once found
 * stays found. A sanitizer or an assertion ends it where something is wrong. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "fuzz.h"

#define MAX_FILE (4 << 20)

static bool replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode)) {
		if (file)
			fclose(file);
		return false;
	}
	size_t size = (size_t)VH_MIN(st.st_size, MAX_FILE);
	/* As long as the input and no longer, so that a read behind its end is seen. */
	uint8_t *data = malloc(size ? size : 1);

	size = fread(data, 1, size, file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return true;
}

int main(int argc, char **argv)
{
	unsigned files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			vh_auto_free char *path = vh_asprintf("%s/%s", argv[i], entry->d_name);

			files += entry->d_name[0] != '.' && replay(path);
		}
		if (dir)
			closedir(dir);
	}
	/* Nothing at all, which no corpus needs to hold. */
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("%u files\n", files);
	return files ? 0 : 1;
}
