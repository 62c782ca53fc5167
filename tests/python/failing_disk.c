/* Preloaded into a process, makes the n-th call that changes files below a folder fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char root[4096];
static long failing, count;
static int code, stays, armed;
static unsigned char ours[65536];

void disk_arm(const char *folder, long number, int error, int for_good) {
    strncpy(root, folder, sizeof root - 1);
    failing = number, code = error, stays = for_good, count = 0;
    memset(ours, 0, sizeof ours);
    __atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
}

/* How many calls there were since disk_arm; from now on none fails. */
long disk_disarm(void) {
    __atomic_store_n(&armed, 0, __ATOMIC_SEQ_CST);
    return count;
}

static int fails(void) {
    if (!__atomic_load_n(&armed, __ATOMIC_SEQ_CST)) return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (number != failing && !(stays && number > failing)) return 0;
    errno = code;
    return 1;
}

static int below(const char *path) {
    return armed && strncmp(path, root, strlen(root)) == 0;
}

static int is_ours(int descriptor) {
    return armed && descriptor >= 0 && descriptor < (int)sizeof ours && ours[descriptor];
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        if (below(path) && flags & (O_WRONLY | O_RDWR | O_CREAT) && fails()) return -1; \
        int descriptor = real(path, flags, mode); \
        if (descriptor >= 0 && descriptor < (int)sizeof ours) ours[descriptor] = below(path); \
        return descriptor; \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    return is_ours(descriptor) && fails() ? -1 : real(descriptor, bytes, size);
}

int fsync(int descriptor) {
    /* Waiting for the disk is not what is tested. */
    return is_ours(descriptor) && fails() ? -1 : 0;
}

int close(int descriptor) {
    REAL(int, close, int);
    if (descriptor >= 0 && descriptor < (int)sizeof ours) ours[descriptor] = 0;
    return real(descriptor);
}

int ftruncate64(int descriptor, off_t size) {
    REAL(int, ftruncate64, int, off_t);
    return is_ours(descriptor) && fails() ? -1 : real(descriptor, size);
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    return below(from) && fails() ? -1 : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    /* To make a folder that is there changes nothing, and its errors are of no interest. */
    struct stat there;
    int is_new = stat(path, &there) != 0;
    return below(path) && is_new && fails() ? -1 : real(path, mode);
}
