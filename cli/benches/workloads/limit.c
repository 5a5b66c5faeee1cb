/* What a work costs at least on this machine: bare loops, one thread a core, nothing proven, no format written.
 *
 *   limit cmp A B          reads both and compares them
 *   limit delta A B OUT    the same, and writes each window of B that differs, one behind the other
 *   limit proven A B OUT   the same, and the SHA-256 of each window of A, and of each of B that differs
 *   limit copy A OUT       reads A and writes it past the page cache to room that was made before, without its holes
 *   limit sha A            the SHA-256 of each window of A, each thread one stream at a time
 *
 * What the file system keeps of neither A nor B is not read. OUT is durable at the end. Windows have 64 KiB, as imgdelta's have;
 * threads take 1 MiB at a time. Built by limit.sh.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 64 << 10, STEP = 1 << 20, PAGE = 4096 };
enum mode { CMP, DELTA, PROVEN, COPY, SHA };

struct range { off_t from, to; };
struct ranges { struct range *all; size_t count, room; };

static enum mode mode;
static int one = -1, two = -1, out = -1;
static struct ranges work;
static size_t next_range;
static off_t next_at;
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;
static atomic_llong written, differing;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void add(struct ranges *to, off_t from, off_t end)
{
	if (to->count == to->room) {
		to->room = to->room ? to->room * 2 : 1024;
		to->all = realloc(to->all, to->room * sizeof *to->all);
		if (!to->all)
			fail("memory");
	}
	to->all[to->count++] = (struct range){ from, end };
}

/* What the file system keeps of a file. */
static void add_data(struct ranges *to, int file)
{
	off_t at = 0;

	while ((at = lseek(file, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(file, at, SEEK_HOLE);

		add(to, at, end);
		at = end;
	}
	if (errno != ENXIO)
		fail("SEEK_DATA");
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Puts ranges in order, those that meet as one; their edges go out to windows. */
static void merge(struct ranges *of)
{
	size_t kept = 0;

	qsort(of->all, of->count, sizeof *of->all, by_start);
	for (size_t i = 0; i < of->count; i++) {
		off_t from = of->all[i].from / WINDOW * WINDOW;
		off_t to = (of->all[i].to + WINDOW - 1) / WINDOW * WINDOW;

		if (kept && from <= of->all[kept - 1].to) {
			if (to > of->all[kept - 1].to)
				of->all[kept - 1].to = to;
		} else {
			of->all[kept++] = (struct range){ from, to };
		}
	}
	of->count = kept;
}

static int take(off_t *at, size_t *len)
{
	int found = 0;

	pthread_mutex_lock(&taking);
	if (next_range < work.count && next_at >= work.all[next_range].to) {
		next_range++;
		if (next_range < work.count)
			next_at = work.all[next_range].from;
	}
	if (next_range < work.count) {
		off_t left = work.all[next_range].to - next_at;

		*at = next_at;
		*len = left < STEP ? left : STEP;
		next_at += *len;
		found = 1;
	}
	pthread_mutex_unlock(&taking);
	return found;
}

/* Reads what there is; how much that was. */
static size_t get(int file, char *to, size_t len, off_t at)
{
	ssize_t got = pread(file, to, len, at);

	if (got < 0)
		fail("read");
	return got;
}

static void put(const char *from, size_t len)
{
	if (pwrite(out, from, len, atomic_fetch_add(&written, len)) != (ssize_t)len)
		fail("write");
}

static void hash(EVP_MD_CTX *context, const char *bytes, size_t len)
{
	unsigned char digest[32];

	if (!EVP_DigestInit_ex(context, EVP_sha256(), NULL) || !EVP_DigestUpdate(context, bytes, len) ||
	    !EVP_DigestFinal_ex(context, digest, NULL))
		fail("sha256");
}

static void compare(EVP_MD_CTX *context, char *mine, char *other, off_t at)
{
	size_t had = get(one, mine, WINDOW, at), has = get(two, other, WINDOW, at);

	if (mode == PROVEN)
		hash(context, mine, had);
	if (had == has && !memcmp(mine, other, has))
		return;
	atomic_fetch_add(&differing, 1);
	if (mode == PROVEN)
		hash(context, other, has);
	if (mode != CMP)
		put(other, has);
}

static void *loop(void *nothing)
{
	off_t at;
	size_t len;
	char *mine, *other;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (posix_memalign((void **)&mine, PAGE, STEP) || posix_memalign((void **)&other, PAGE, STEP) || !context)
		fail("memory");
	while (take(&at, &len)) {
		if (mode == COPY) {
			size_t got = get(one, mine, len, at);

			put(mine, (got + PAGE - 1) / PAGE * PAGE);
			continue;
		}
		for (size_t done = 0; done < len; done += WINDOW) {
			if (mode == SHA)
				hash(context, mine, get(one, mine, WINDOW, at + done));
			else
				compare(context, mine, other, at + done);
		}
	}
	return nothing;
}

static int opened(const char *name, int flags)
{
	int file = open(name, flags, 0644);

	if (file < 0)
		fail(name);
	return file;
}

static void make_room(void)
{
	off_t room = 0;

	for (size_t i = 0; i < work.count; i++)
		room += work.all[i].to - work.all[i].from;
	if (fallocate(out, 0, 0, room))
		fail("fallocate");
}

static void run(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t *threads = calloc(count, sizeof *threads);

	next_at = work.count ? work.all[0].from : 0;
	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, loop, NULL))
			fail("thread");
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (out >= 0 && (ftruncate(out, written) || fsync(out)))
		fail("sync");
}

int main(int argc, char **argv)
{
	static const char *names[] = { "cmp", "delta", "proven", "copy", "sha" };
	static const int counts[] = { 4, 5, 5, 4, 3 };
	int known = 0;

	for (int i = 0; i < 5; i++) {
		if (argc > 1 && argc == counts[i] && !strcmp(argv[1], names[i])) {
			mode = i;
			known = 1;
		}
	}
	if (!known) {
		fprintf(stderr, "usage: limit cmp A B | delta A B OUT | proven A B OUT | copy A OUT | sha A\n");
		return 2;
	}
	one = opened(argv[2], O_RDONLY);
	add_data(&work, one);
	if (mode <= PROVEN) {
		two = opened(argv[3], O_RDONLY);
		add_data(&work, two);
	}
	merge(&work);
	if (mode == DELTA || mode == PROVEN)
		out = opened(argv[4], O_RDWR | O_CREAT | O_TRUNC);
	if (mode == COPY) {
		out = opened(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT);
		make_room();
	}
	run();
	printf("%lld windows differ\n", (long long)differing);
	return 0;
}
