/* Which limits of the machine will bite, and what helps. */
#include "survey.h"

static const struct {
  const char *name, *remedy;
} known[SMEM_LIMITS] = {
    [SMEM_LIMIT_SMALL] =
        {"small shared memory file system",
         "Docker: `docker run --shm-size=4g`; Kubernetes: mount a volume "
         "`emptyDir: {medium: Memory}` at /dev/shm; else as root: `mount -o "
         "remount,size=4g /dev/shm`. Or set SHAREDMEMORY_DIR to a directory on "
         "a local disk, before the first use."},
    [SMEM_LIMIT_FULL] =
        {"shared memory file system nearly full",
         "Free segments that are no longer needed, and reclaim what is "
         "nobody's; or as root: `mount -o remount,size=4g /dev/shm`."},
    [SMEM_LIMIT_MEMORY] =
        {"less memory than the file system promises",
         "Free memory of other processes, or raise the limit: `docker run "
         "--memory=4g`; Kubernetes: resources.limits.memory; Slurm: `sbatch "
         "--mem=4G`; systemd: `systemd-run -p MemoryMax=4G`; `ulimit -f "
         "unlimited` for the size of files."},
    [SMEM_LIMIT_MAPPINGS] = {"mappings of this process",
                             "Unmap what is not used, or as root: `sysctl "
                             "vm.max_map_count=262144`."},
    [SMEM_LIMIT_LOGOUT] =
        {"removal at logout",
         "As root: `RemoveIPC=no` in /etc/systemd/logind.conf, then `systemctl "
         "restart systemd-logind`; or `loginctl enable-linger`."},
};

const char *smem_limit_name(smem_limit which) {
  return (unsigned)which < SMEM_LIMITS ? known[which].name : "";
}

const char *smem_limit_remedy(smem_limit which) {
  return (unsigned)which < SMEM_LIMITS ? known[which].remedy : "";
}

static bool is_known(uint64_t number) { return number != UINT64_MAX; }

bool smem_limit_bites(const smem_limits *limits, smem_limit which) {
  const uint64_t small = (uint64_t)256 << 20; /* bytes */
  smem_limits ours = SMEM_LIMITS_INIT;
  if (!smem__struct_copy(&ours, limits)) return false;
  bool told = is_known(ours.capacity);
  switch (which) {
  case SMEM_LIMIT_SMALL:
    return told && !ours.directory[0] && ours.capacity < small;
  case SMEM_LIMIT_FULL:
    return told && ours.used > ours.capacity / 10 * 9;
  case SMEM_LIMIT_MEMORY:
    return told && is_known(ours.free) &&
           ours.free < (ours.capacity - ours.used) / 2;
  case SMEM_LIMIT_MAPPINGS:
    return is_known(ours.mappings) && is_known(ours.max_mappings) &&
           ours.mappings > ours.max_mappings / 10 * 8;
  case SMEM_LIMIT_LOGOUT:
    return ours.cleaned_at_logout;
  default:
    return false;
  }
}
