# What this machine allows. A test that cannot run here says why.

skip_if_not_linux <- function() {
  skip_if_not(
    Sys.info()[["sysname"]] == "Linux" && dir.exists("/dev/shm"),
    "not Linux with /dev/shm"
  )
}

# The package uses only what every POSIX system has: so on macOS, and where it was built
# with SHAREDMEMORY_OS_PORTABLE, which says so here. No system call tells there what a
# process has copied, which process maps what, and how much room there is.
skip_if_portable <- function() {
  skip_if(Sys.info()[["sysname"]] == "Darwin" ||
            nzchar(Sys.getenv("SHAREDMEMORY_TEST_PORTABLE")), "plain POSIX only")
}

is_root <- function() {
  .Platform$OS.type == "unix" && identical(system("id -u", intern = TRUE), "0")
}

skip_if_not_root <- function() skip_if_not(is_root(), "not root")

skip_if_no_fork <- function() skip_on_os("windows")

# Answers that cost a process are looked up once.
known <- new.env()

once <- function(key, code) {
  if (is.null(known[[key]])) known[[key]] <- force(code)
  known[[key]]
}

has_tool <- function(tool) nzchar(Sys.which(tool))

# root needs only a mount namespace, others a user namespace as well.
unshare_arguments <- function() if (is_root()) "-m" else c("-r", "-m")

skip_if_cannot_unshare <- function() {
  skip_if_not_linux()
  skip_if_not(has_tool("unshare"), "no unshare")
  allowed <- once("unshare", {
    mount <- shQuote("mount -t tmpfs -o size=1m tmpfs /dev/shm")
    status <- suppressWarnings(system2(
      "unshare", c(unshare_arguments(), "sh", "-c", mount),
      stdout = FALSE, stderr = FALSE, timeout = 30
    ))
    status == 0
  })
  skip_if_not(allowed, "no mount namespace of our own allowed")
}

# The other user has to be able to read the library with the package in it.
skip_if_no_other_user <- function() {
  skip_if_not_linux()
  skip_if_not_root()
  skip_if_not(has_tool("setpriv"), "no setpriv")
  allowed <- once("other user", {
    answer <- try(as_other_user(function() "here"), silent = TRUE)
    identical(answer, "here")
  })
  skip_if_not(allowed, "another user cannot load the package here")
}

proc_number <- function(file, key) {
  if (!file.exists(file)) return(0)
  line <- grep(paste0("^", key, ":"), readLines(file), value = TRUE)
  if (length(line) == 0) return(0)
  as.numeric(gsub("[^0-9]", "", line[1])) * 1024
}

# Bytes that a test may take, with other tests running beside it.
room_for_tests <- function() {
  memory <- proc_number("/proc/meminfo", "MemAvailable")
  df <- system2("df", c("-B1", "--output=avail", "/dev/shm"), stdout = TRUE)
  min(memory, as.numeric(df[2])) / 3
}

skip_if_less_room <- function(bytes) {
  skip_if_not_linux()
  skip_if_not(has_tool("df"), "no df")
  skip_if(room_for_tests() < bytes, "too little shared memory")
}

inode_of <- function(file) {
  as.numeric(system2("stat", c("-c", "%i", shQuote(file)), stdout = TRUE))
}

# How many locks processes hold on the control object, as the kernel tells it.
count_locks <- function(namespace = this_namespace()) {
  file <- control_file(namespace)
  if (!file.exists(file)) return(0L)
  pattern <- sprintf("OFDLCK.* [0-9a-f]+:[0-9a-f]+:%.0f ", inode_of(file))
  locks <- grep(pattern, readLines("/proc/locks"), value = TRUE)
  length(unique(sub("^[0-9]+:", "", locks)))
}

# The kernel's list is not read at one instant: while others lock and unlock, an
# entry may be missing in it or be there twice.
expect_locks <- function(count, namespace) {
  ask <- function() count_locks(namespace) == count
  expect_true(eventually(ask, 20), label = paste("holding of", count, "locks"))
}

skip_if_locks_invisible <- function() {
  skip_if_not_linux()
  skip_if_not(file.exists("/proc/locks") && has_tool("stat"), "no /proc/locks")
}

# A control group that may use so many bytes of memory; NULL: none can be made here.
local_group <- function(bytes = 1e8, frame = parent.frame()) {
  versions <- list(
    c("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    c("/sys/fs/cgroup", "memory.max")
  )
  for (version in versions) {
    path <- file.path(version[1], paste0("smem-r-test-", Sys.getpid()))
    if (!dir.create(path, showWarnings = FALSE)) next
    withr::defer(system2("rmdir", path, stderr = FALSE), frame)
    limit <- file.path(path, version[2])
    if (!file.exists(limit)) next
    written <- try(writeLines(sprintf("%.0f", bytes), limit), silent = TRUE)
    if (!inherits(written, "try-error")) return(path)
  }
  NULL
}

# R CMD check as CRAN does it stops whoever starts more.
skip_if_two_workers <- function() {
  skip_if_not_installed("parallel")
  skip_if(nzchar(Sys.getenv("_R_CHECK_LIMIT_CORES_")),
          "R CMD check allows two workers, this takes four")
}
