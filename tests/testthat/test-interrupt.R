# Ctrl-C, and other signals, in the middle of long work.

test_that("Ctrl-C during a large allocation leaves nothing behind", {
  skip_on_cran()
  skip_if_less_room(2^30)
  local_clean_shm()
  size <- min(room_for_tests(), 4 * 2^30) %/% 1
  answer <- interrupt_in(
    function(size) {
      # Cleaning up in R uses the package again, and meets no remains.
      on.exit(at_exit <<- hasSharedMemory("large"))
      allocateSharedMemory(size, "large")
    }, size,
    ready = function() file.exists(segment_file("large")),
    after = function() {
      list(at_exit, list.files("/dev/shm", paste0(
        "^smem[.]", Sys.getenv("SHAREDMEMORY_NAMESPACE"), "[.]"
      )))
    }
  )
  expect_interrupted(answer)
  expect_identical(answer$seen, list(FALSE, character()))
})

test_that("Ctrl-C in a large batch undoes it", {
  skip_on_cran()
  skip_if_less_room(2^29)
  local_clean_shm()
  answer <- interrupt_in(
    function() allocateSharedMemory(rep(10, 60000)),
    ready = function() length(objects_in()) > 500
  )
  expect_interrupted(answer)
})

test_that("a handler of the interrupt may use the package", {
  skip_on_cran()
  skip_if_less_room(2^30)
  local_clean_shm()
  size <- min(room_for_tests(), 4 * 2^30) %/% 1
  # A calling handler runs while the allocation is still under way.
  answer <- interrupt_in(
    function(size) {
      withCallingHandlers(
        allocateSharedMemory(size, "large"),
        interrupt = function(e) {
          during <<- try(hasSharedMemory(allocateSharedMemory(10, "small")))
        }
      )
    }, size,
    ready = function() file.exists(segment_file("large")),
    after = function() during
  )
  expect_interrupted(answer, "small")
  expect_true(answer$seen)
  freeSharedMemory("small")
})

test_that("Ctrl-C in a large mapping undoes it", {
  skip_on_cran()
  skip_if_not_linux()
  local_clean_shm()
  ids <- allocateSharedMemory(10, c("held", "new"))
  flag <- local_flag()
  answer <- interrupt_in(
    function(ids, flag) {
      held <<- mapSharedMemory("held")
      many <- rep(ids, 3e6)
      file.create(flag)
      mapSharedMemory(many)
    },
    ids, flag,
    ready = function() file.exists(flag),
    after = function() {
      maps <- readLines("/proc/self/maps")
      new <- any(grepl("/dev/shm/smem[.].*[.]new$", maps))
      null <- methods::new("externalptr")
      before <- identical(held, null)
      # Its count is the one that it had.
      unmapSharedMemory("held")
      c(new, before, identical(held, null))
    }
  )
  expect_interrupted(answer, ids)
  expect_identical(answer$seen, c(FALSE, FALSE, TRUE))
  freeSharedMemory(ids)
})

test_that("Ctrl-C in a long look at ids is obeyed", {
  skip_if_not_linux()
  local_clean_shm()
  id <- allocateSharedMemory(10)
  for (look in list(
    function(flag, id) {
      ids <- rep(id, 1e5)
      file.create(flag)
      repeat hasSharedMemory(ids)
    },
    function(flag, id) {
      ids <- rep(id, 1e5)
      file.create(flag)
      repeat getSharedMemorySize(ids)
    }
  )) {
    flag <- local_flag()
    answer <- interrupt_in(
      look, flag, id,
      ready = function() file.exists(flag)
    )
    expect_interrupted(answer, id)
  }
  freeSharedMemory(id)
})

test_that("a profiler's timer does not keep an allocation from its end", {
  skip_on_cran()
  skip_if_less_room(2^30)
  local_clean_shm()
  session <- local_session()
  answer <- run_in(session, function() {
    profile <- tempfile()
    Rprof(profile, interval = 0.001)
    on.exit({
      Rprof(NULL)
      unlink(profile)
    })
    id <- allocateSharedMemory(2^30)
    size <- getSharedMemorySize(id)
    freeSharedMemory(id)
    size
  })
  expect_gte(answer, 2^30)
})
