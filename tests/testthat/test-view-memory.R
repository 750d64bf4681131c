# Views: what is modified stays with them, and how long their memory stays.

# ---- modifications are private ---------------------------------------------------

changes <- list(
  "x[i]" = function(x) {
    x[1] <- -1
    x
  },
  "x[[i]]" = function(x) {
    x[[1]] <- -1
    x
  },
  "with names" = function(x) {
    names(x) <- seq_along(x)
    x[1] <- -1
    unname(x)
  },
  "with a dim" = function(x) {
    dim(x) <- c(length(x) / 2, 2)
    x[1, 1] <- -1
    as.vector(x)
  },
  "in a list" = function(x) {
    l <- list(x)
    l[[1]][1] <- -1
    l[[1]]
  },
  "in a data frame" = function(x) {
    d <- data.frame(x = x)
    d$x[1] <- -1
    d$x
  },
  "in a function" = function(x) (function(v) replace(v, 1, -1))(x),
  "wrapped" = function(x) {
    x <- structure(x, unit = "m")
    x[1] <- -1
    as.vector(x)
  },
  "in C" = function(x) {
    y <- x
    y[1] <- y[1]
    overwrite(y, -1)
    y
  }
)

test_that("a modification stays with the one that was modified", {
  local_clean_shm()
  use_native()
  for (n in c(10, 100, 1e4)) {
    values <- as.double(seq_len(n))
    id <- local_sealed(values)
    other <- viewSharedMemory(id)
    for (round in 1:3) {
      expect_each(names(changes), function(change) {
        x <- viewSharedMemory(id)
        changed <- changes[[change]](x)
        expected <- if (change == "in C") rep(-1, n) else c(-1, values[-1])
        # Neither the view that it was made of, nor another, nor the segment.
        identical(changed, expected) && identical(x[], values) &&
          identical(other[], values) && identical(readSharedMemory(id), values)
      })
    }
    # C code that was given the view itself and writes without asking.
    x <- viewSharedMemory(id)
    overwrite(x, 7)
    expect_identical(x[], rep(7, n))
    expect_identical(other[], values)
    expect_identical(readSharedMemory(id), values)
    y <- x
    y[1] <- 8
    expect_identical(c(x[1], y[1:2]), c(7, 8, 7))
  }
})

# ---- memory --------------------------------------------------------------------------

test_that("reading a view of 1 GiB through takes no memory", {
  skip_on_cran()
  skip_if_less_room(2^30 + 2^29)
  skip_if_not(file.exists("/proc/self/smaps_rollup"), "no smaps_rollup")
  local_clean_shm()
  id <- allocateSharedMemory(2^30)
  withr::defer(freeSharedMemory(id))
  writeSharedMemory(id, as.double(1:1000), offset = 2^29)
  sealSharedMemory(id)
  answer <- run_in(local_session(), function(id) {
    anonymous <- function() {
      gc()
      rollup <- readLines("/proc/self/smaps_rollup")
      line <- grep("^Anonymous:", rollup, value = TRUE)
      as.numeric(gsub("[^0-9]", "", line)) * 1024
    }
    reads <- list(
      sum = sum, mean = mean, range = range,
      "==" = function(x) sum(x == 3),
      "x[x > 3]" = function(x) sum(x[x > 3]),
      "%*%" = function(x) (x %*% x)[1],
      colSums = function(x) {
        dim(x) <- c(length(x) / 2^10, 2^10)
        sum(colSums(x))
      },
      "m %*% v" = function(x) {
        dim(x) <- c(length(x) / 2^10, 2^10)
        sum(x %*% numeric(2^10))
      },
      is.unsorted = is.unsorted,
      "data frame" = function(x) sum(data.frame(x = x)$x[1:3])
    )
    # The first time R loads and compiles what it needs.
    small <- viewSharedMemory(id, length = 2^17)
    for (read in reads) for (i in 1:3) read(small)
    grown <- vapply(reads, function(read) {
      x <- viewSharedMemory(id)
      before <- anonymous()
      value <- read(x)
      anonymous() - before
    }, 0)
    # And what R takes meanwhile, where the result is small.
    x <- viewSharedMemory(id)
    gc(reset = TRUE)
    before <- gc()["Vcells", 6]
    stopifnot(sum(x) == 500500, mean(x) > 0, max(x) == 1000)
    dim(x) <- c(2^17, 2^10)
    stopifnot(sum(colSums(x)) == 500500, (x %*% numeric(2^10))[1] == 0)
    list(grown, gc()["Vcells", 6] - before)
  }, id)
  expect_identical(names(answer[[1]])[answer[[1]] >= 16 * 2^20], character())
  expect_lt(answer[[2]], 16)
})

test_that("the view keeps its memory, whatever becomes of the segment", {
  local_clean_shm()
  for (live in c(FALSE, TRUE)) {
    seal <- function(id) if (!live) sealSharedMemory(id)
    session <- local_session()
    values <- as.double(1:5000)
    # Unmapped and freed here.
    id <- allocateSharedMemory(8 * 5000)
    writeSharedMemory(id, values)
    mapSharedMemory(id)
    seal(id)
    x <- viewSharedMemory(id, live = live)
    unmapSharedMemory(id)
    expect_identical(x[], values)
    freeSharedMemory(id)
    expect_identical(x[], values)
    # Freed elsewhere, and a successor of its name.
    allocateSharedMemory(8 * 5000, "a")
    writeSharedMemory("a", values)
    seal("a")
    y <- viewSharedMemory("a", live = live)
    run_in(session, function() {
      freeSharedMemory("a")
      allocateSharedMemory(8 * 5000, "a")
      NULL
    })
    expect_identical(y[], values)
    expect_identical(sharedMemoryId(y), NA_character_)
    expect_match(sharedMemoryId(y, full = TRUE), ":a$")
    freeSharedMemory("a")
    # The owner killed.
    ids <- run_in(session, function(values) {
      ids <- allocateSharedMemory(8 * 5000, c("", "own"), lifetime = "process")
      for (id in ids) writeSharedMemory(id, values)
      ids
    }, values)
    seal(ids)
    views <- lapply(ids, viewSharedMemory, live = live)
    kill_hard(session)
    reclaimSharedMemory()
    expect_identical(hasSharedMemory(ids), c(FALSE, FALSE))
    for (view in views) expect_identical(view[], values)
    # Assigned to, they still are what they were, or a copy.
    x[1] <- -1
    expect_identical(x[1:2], c(-1, 2))
    rm(x, y, views, view)
    gc()
    expect_identical(count_mapped(), 0L)
  }
})

test_that("garbage collection releases the mapping, and nothing else does", {
  local_clean_shm()
  skip_if_not_linux()
  id <- local_sealed(as.double(1:100))
  expect_identical(count_mapped(), 0L)
  x <- viewSharedMemory(id)
  y <- viewSharedMemory(id, live = TRUE)
  z <- y
  z[1] <- 3
  gc()
  expect_identical(count_mapped(), 3L)
  unmapSharedMemory(id)
  expect_identical(count_mapped(), 3L)
  rm(x, y)
  gc()
  expect_identical(count_mapped(), 1L)
  expect_identical(z[1:2], c(3, 2))
  rm(z)
  gc()
  expect_identical(count_mapped(), 0L)
  # A view that is not made leaves nothing.
  for (i in 1:10) try(viewSharedMemory(id, length = 1e9), silent = TRUE)
  expect_identical(count_mapped(), 0L)
  # Nor do many, while R has no need to look for garbage.
  before <- count_open()
  for (i in 1:500) viewSharedMemory(id)
  expect_identical(count_open(), before)
  gc()
  expect_identical(count_mapped(), 0L)
})

test_that("more views than a process may have mappings are not a problem", {
  skip_on_cran()
  local_clean_shm()
  id <- local_sealed(as.double(1:100))
  sum <- run_in(local_session(), function(id) {
    # R would look for garbage only later.
    ballast <- as.list(seq_len(3e6))
    sum <- 0
    for (i in seq_len(70000)) sum <- sum + viewSharedMemory(id)[1]
    sum
  }, id)
  expect_identical(sum, 70000)
})

# ---- fork ----------------------------------------------------------------------------

test_that("children share views, and keep what they change to themselves", {
  local_clean_shm()
  skip_if_no_fork()
  values <- as.double(1:1e5)
  id <- local_sealed(values)
  common <- local_segment(numeric(4))
  answer <- run_in(local_session(), function(id, common) {
    x <- viewSharedMemory(id)
    w <- viewSharedMemory(common, live = TRUE)
    sums <- parallel::mclapply(1:4, function(i) {
      total <- sum(x[seq(i, length(x), by = 4)])
      x[i] <- -1
      writeSharedMemory(common, as.double(-i), 8 * (i - 1))
      changed <- x[i]
      rm(x)
      gc()
      c(total, changed)
    }, mc.cores = 2)
    gc()
    list(sums, x[], w[])
  }, id, common)
  expect_identical(sum(vapply(answer[[1]], `[`, 0, 1)), sum(values))
  expect_identical(vapply(answer[[1]], `[`, 0, 2), rep(-1, 4))
  # The private changes are the children's; what is written is everybody's.
  expect_identical(answer[[2]], values)
  expect_identical(answer[[3]], -c(1, 2, 3, 4))
})

test_that("a finalizer may use a view that became unreachable with its object", {
  local_clean_shm()
  id <- local_sealed(c(1, 2, 3))
  seen <- new.env()
  make <- function() {
    object <- new.env()
    # Registered before the view is made, so it runs after the view's own.
    reg.finalizer(object, function(object) {
      seen$sum <- sum(object$view)
      seen$id <- sharedMemoryId(object$view)
    })
    object$view <- viewSharedMemory(id)
  }
  make()
  gc()
  expect_identical(seen$sum, 6)
  expect_identical(seen$id, id)
})

test_that("R's own look into an object names the segment behind a view", {
  local_clean_shm()
  look <- function(x) {
    paste(utils::capture.output(.Internal(inspect(x))), collapse = "\n")
  }
  id <- allocateSharedMemory(80, "caf\u00e9")
  expect_match(look(viewSharedMemory(id, live = TRUE)), "'caf\u00e9', live$")
  sealSharedMemory(id)
  x <- viewSharedMemory(id)
  expect_match(look(x), "view of shared memory 'caf\u00e9'$")
  state <- serialize(x, NULL)
  freeSharedMemory(id)
  expect_match(look(unserialize(state)), "(not there)", fixed = TRUE)
})
