/* fdatasync and fsync that fail with EIO from call number FAIL_FROM on, for FAIL_CALLS calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
static int fails(void) {
  static long calls;
  const char *from = getenv("FAIL_FROM"), *count = getenv("FAIL_CALLS");
  long call = __sync_add_and_fetch(&calls, 1), first = from ? atol(from) : 0;
  return first > 0 && call >= first && call < first + (count ? atol(count) : 1);
}
int fsync(int fd) {
  if (fails()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
  if (fails()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
