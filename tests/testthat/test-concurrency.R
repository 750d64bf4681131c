# Many processes at once, some of which are killed. What they find out is told
# to this process, which judges.

ready_file <- function(directory, k) file.path(directory, paste0("ready", k))

# All of them start together, or the first has finished when the last begins.
start_together <- function(fun, count, ..., frame = parent.frame()) {
  directory <- tempfile("start")
  dir.create(directory)
  withr::defer(unlink(directory, recursive = TRUE), frame)
  processes <- lapply(seq_len(count), function(k) {
    start_r(function(fun, k, directory, args) {
      library(sharedmemory)
      environment(fun) <- globalenv()
      file.create(file.path(directory, paste0("ready", k)))
      end <- Sys.time() + 60
      while (!file.exists(file.path(directory, "go"))) {
        if (Sys.time() > end) stop("nobody has given the start")
        Sys.sleep(0.001)
      }
      do.call(fun, c(list(k), args))
    }, fun, k, directory, list(...), frame = frame)
  })
  for (k in seq_len(count)) wait_for_file(ready_file(directory, k))
  file.create(file.path(directory, "go"))
  processes
}

# Whatever a killed process left is a segment, or half-made and not there; a free
# removes either.
expect_recoverable <- function() {
  names <- setdiff(objects_in(), basename(control_file()))
  ids <- substring(names, nchar(basename(segment_file(""))) + 1)
  for (id in ids) {
    state <- with(listSharedObjects(), state[Id == id])
    expect_identical(hasSharedMemory(id), state %in% c("live", "orphan"))
    freeSharedMemory(id)
    expect_false(file.exists(segment_file(id)))
  }
}

test_that("no id is handed out twice, and each name has one creator per life", {
  skip_on_cran()
  skip_if_not_linux()
  local_clean_shm()
  rounds <- 2000
  held <- tempfile("held")
  contend <- function(k, rounds, held) {
    ids <- character(rounds)
    won <- 0
    twice <- 0
    for (i in seq_len(rounds)) {
      ids[i] <- allocateSharedMemory(10)
      # Create-or-open succeeds whatever the others do to the name.
      stopifnot(allocateSharedMemory(10, "common") == "common")
      if (i %% 8 == k - 1) freeSharedMemory("common")
      # Between an exclusive creation and its free nobody else creates: a
      # directory, which can be made only once, is the witness.
      mine <- tryCatch(
        allocateSharedMemory(10, "prize", exclusive = TRUE) == "prize",
        sharedmemory_error_exists = function(e) FALSE
      )
      if (mine) {
        won <- won + 1
        if (!dir.create(held, showWarnings = FALSE)) twice <- twice + 1
        unlink(held, recursive = TRUE)
        freeSharedMemory("prize")
      }
      freeSharedMemory(ids[i])
    }
    freeSharedMemory("common")
    list(ids = ids, won = won, twice = twice)
  }
  processes <- start_together(contend, 8, rounds, held)
  answers <- lapply(processes, result_of)
  ids <- unlist(lapply(answers, `[[`, "ids"))
  expect_length(ids, 8 * rounds)
  expect_identical(anyDuplicated(ids), 0L)
  expect_identical(sum(vapply(answers, `[[`, 0, "twice")), 0)
  # On a busy machine they seldom come to it at the same time.
  expect_gt(sum(vapply(answers, `[[`, 0, "won")), rounds / 100)
  # The last process out has removed the control object, too.
  expect_identical(objects_in(), character())
})

test_that("all who create or open a name meet in the same segment", {
  skip_on_cran()
  skip_if_not_linux()
  local_clean_shm()
  rounds <- 60
  barrier <- allocateSharedMemory(4096)
  meet <- function(k, rounds, barrier, native, functions) {
    dyn.load(native)
    list2env(functions, globalenv())
    pointer <- mapSharedMemory(barrier)
    step <- 0
    wait <- function() {
      step <<- step + 1
      poke(pointer, as.raw(step), offset = k)
      end <- Sys.time() + 60
      # Nobody can be more than one step ahead.
      while (!all(peek(pointer, 8, 1) %in% as.raw(step + 0:1))) {
        if (Sys.time() > end) stop("somebody has not come")
        Sys.sleep(0.0005)
      }
    }
    missing <- 0
    for (i in seq_len(rounds)) {
      wait()
      allocateSharedMemory(100, "common")
      common <- mapSharedMemory("common")
      poke(common, as.raw(i), offset = k)
      wait()
      missing <- missing + sum(peek(common, 8, 1) != as.raw(i))
      unmapSharedMemory("common")
      wait()
      if (i %% 8 == k - 1) freeSharedMemory("common")
    }
    missing
  }
  processes <- start_together(
    meet, 8, rounds, barrier, native_library("bytes"), native_functions
  )
  expect_identical(vapply(processes, result_of, 0), rep(0, 8))
  freeSharedMemory(c(barrier, "common"))
})

test_that("of those who create exclusively exactly one succeeds", {
  skip_if_not_linux()
  local_clean_shm()
  create <- function(k, names) {
    won <- vapply(names, function(name) {
      tryCatch(
        allocateSharedMemory(10, name, exclusive = TRUE) == name,
        sharedmemory_error_exists = function(e) FALSE
      )
    }, NA)
    names[won]
  }
  names <- paste0("name", 1:500)
  processes <- start_together(create, 4, names)
  won <- unlist(lapply(processes, result_of))
  expect_identical(anyDuplicated(won), 0L)
  expect_setequal(won, names)
  freeSharedMemory(names)
})

test_that("nobody is held up by one that is killed", {
  skip_on_cran()
  skip_if_not_linux()
  local_clean_shm()
  rounds <- 1500
  work <- function(k, rounds) {
    i <- 0
    ids <- character(rounds)
    # The last two have no end but the one that they are given.
    while (i < rounds || k > 6) {
      i <- i + 1
      id <- allocateSharedMemory(10)
      if (k <= 6) ids[i] <- id
      allocateSharedMemory(10, "common")
      if (i %% 3 == 0) freeSharedMemory("common")
      try(allocateSharedMemory(10, "prize", exclusive = TRUE), silent = TRUE)
      freeSharedMemory("prize")
      freeSharedMemory(id)
    }
    ids
  }
  processes <- start_together(work, 8, rounds)
  for (victim in processes[7:8]) {
    Sys.sleep(runif(1, 0.05, 0.5))
    kill_hard(victim)
  }
  ids <- unlist(lapply(processes[1:6], result_of))
  expect_length(ids, 6 * rounds)
  expect_identical(anyDuplicated(ids), 0L)
  # Besides what the survivors share, at most one of each kind per victim.
  expect_lte(length(objects_in()), 1 + 2 + 2)
  expect_recoverable()
})

test_that("of all who come and go, and some killed, the last leaves nothing", {
  skip_on_cran()
  skip_if_not_linux()
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  local_clean_shm()
  directory <- tempfile("lost")
  dir.create(directory)
  withr::defer(unlink(directory, recursive = TRUE))
  session <- local_session()
  answer <- run_in(session, function(directory, kills) {
    come_and_go <- function() {
      while (!file.exists(file.path(directory, "stop"))) {
        initialSharedObjectPackageData()
        open <- Sys.readlink(list.files("/proc/self/fd", full.names = TRUE))
        if (any(grepl("smem-control.*[(]deleted[)]", open))) {
          file.create(file.path(directory, "lost"))
        }
        if (runif(1) < 0.3) freeSharedMemory(allocateSharedMemory(10))
        releaseSharedObjectPackageData()
      }
      "left"
    }
    start <- function() parallel::mcparallel(come_and_go())
    children <- lapply(1:6, function(i) start())
    for (i in seq_len(kills)) {
      Sys.sleep(runif(1, 0, 0.03))
      victim <- sample(6, 1)
      tools::pskill(children[[victim]]$pid, tools::SIGKILL)
      suppressWarnings(parallel::mccollect(children[[victim]]))
      children[[victim]] <- start()
    }
    file.create(file.path(directory, "stop"))
    unname(unlist(parallel::mccollect(children)))
  }, directory, 80)
  expect_identical(answer, rep("left", 6))
  expect_false(file.exists(file.path(directory, "lost")))
  expect_recoverable()
  initialSharedObjectPackageData()
  releaseSharedObjectPackageData()
  expect_identical(objects_in(), character())
})

test_that("without kills the last one out needs no help", {
  skip_if_not_linux()
  local_clean_shm()
  visit <- function(k, rounds) {
    for (i in seq_len(rounds)) {
      id <- allocateSharedMemory(10)
      pointer <- mapSharedMemory(id)
      freeSharedMemory(id)
      releaseSharedObjectPackageData()
    }
    "left"
  }
  processes <- start_together(visit, 4, 1000)
  expect_identical(vapply(processes, result_of, ""), rep("left", 4))
  expect_identical(objects_in(), character())
})
