# Many segments, and many processes.

# In a child that is killed: its segments are orphans.
make_orphans <- function(n) {
  child <- parallel::mcparallel({
    allocateSharedMemory(rep(4096, n), lifetime = "process")
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  })
  suppressWarnings(parallel::mccollect(child))
  while (!all(listSharedObjects()$state == "orphan")) Sys.sleep(0.01)
}

# The mean over `children` processes that do the same at once.
at_once <- function(children, code) {
  mean(unlist(parallel::mclapply(seq_len(children), function(i) code(),
                                 mc.cores = children)))
}

# The time of a command, from its start to its end, with 10,000 segments there.
with_segments <- function(command, arguments) {
  function() {
    ids <- allocateSharedMemory(rep(1, 10000))
    on.exit(freeSharedMemory(ids))
    seconds(system2(command, arguments, stdout = FALSE))
  }
}

many_works <- function() {
  stopifnot(system2("make", c("-s", "-C", file.path(here, "..", "lib"))) == 0)
  smem <- file.path(here, "..", "build", "lib", "smem")
  n <- 2000L
  allocate_free <- function() seconds(for (i in seq_len(n)) {
    freeSharedMemory(allocateSharedMemory(4096))
  }, n)
  among <- function(others) {
    ids <- allocateSharedMemory(rep(1, others))
    mapSharedMemory(ids)
    on.exit(freeSharedMemory(ids))
    allocate_free()
  }
  works <- list(
    work("list 10,000 segments", 2,
         function() {
           ids <- allocateSharedMemory(rep(1, 10000))
           on.exit(freeSharedMemory(ids))
           seconds(listSharedObjects())
         },
         floor_of("list_many"), rounds = 5),
    work("`smem ls` of 10,000 segments, to `ls -l` of them", 2,
         with_segments(smem, "ls"), with_segments("ls", c("-l", "/dev/shm")),
         rounds = 5),
    work("reclaim 10,000 orphans", 2.5,
         function() {
           make_orphans(10000)
           seconds(reclaimSharedMemory())
         },
         floor_of("remove_many"), rounds = 5),
    work("allocate + free among 50,000 mapped, to none", 1.1,
         function() among(50000), allocate_free, rounds = 3),
    work("allocate + free in 8 processes at once", 1.4,
         function() at_once(8, allocate_free),
         function() at_once(8, floor_of("allocate_free", n)), rounds = 7)
  )
  list(works = works, end = function() NULL)
}

# Loading, in a fresh R each time.
load_works <- function() {
  timed <- function(package) {
    function() {
      code <- sprintf("cat(system.time(library(%s))[['elapsed']])", package)
      as.numeric(system2(file.path(R.home("bin"), "Rscript"),
                         c("-e", shQuote(code)), stdout = TRUE))
    }
  }
  list(works = list(
    work("load the package (not a ratio; floor: library(stats4))", 0.03,
         timed("sharedmemory"), timed("stats4"), "absolute", rounds = 9)
  ), end = function() NULL)
}
