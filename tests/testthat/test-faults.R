# What others, and bad luck, have put into our way.

# ---- things that are no segments ---------------------------------------------

plant <- list(
  link = function(file) file.symlink(planted_target(), file),
  dangling = function(file) file.symlink(tempfile("nowhere"), file),
  directory = function(file) dir.create(file),
  text = function(file) writeLines("no segment", file),
  page = function(file) writeBin(raw(4096), file),
  noise = function(file) {
    writeBin(as.raw((seq_len(8192) * 167) %% 251), file)
  }
)

planted_target <- function() file.path(tempdir(), "planted-target")

test_that("what is planted in the place of a segment is never followed", {
  local_clean_shm()
  skip_if_not_linux()
  writeLines("precious", planted_target())
  withr::defer(unlink(planted_target()))
  initialSharedObjectPackageData()
  for (kind in names(plant)) {
    file <- segment_file(kind)
    plant[[kind]](file)
    for (use in list(
      hasSharedMemory, getSharedMemorySize, mapSharedMemory,
      function(id) mapSharedMemory(id, readonly = TRUE),
      function(id) allocateSharedMemory(10, id)
    )) {
      expect_refused(use(kind), "corrupt", info = kind)
    }
    expect_null(unmapSharedMemory(kind))
    # An explicit free removes it; but not what may be full of something.
    if (kind == "directory") {
      expect_refused(freeSharedMemory(kind), "corrupt", info = kind)
      unlink(file, recursive = TRUE)
    } else {
      expect_null(freeSharedMemory(kind))
    }
    expect_false(hasSharedMemory(kind))
    expect_identical(allocateSharedMemory(10, kind), kind)
    freeSharedMemory(kind)
  }
  expect_identical(readLines(planted_target()), "precious")
})

test_that("a planted FIFO does not hang anybody", {
  local_clean_shm()
  skip_if_not_linux()
  skip_if_not(has_tool("mkfifo"), "no mkfifo")
  system2("mkfifo", shQuote(segment_file("fifo")))
  # In another process, for a call that hangs would hang the tests.
  session <- local_session()
  kinds <- run_in(session, function() {
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    c(
      kind(hasSharedMemory("fifo")), kind(getSharedMemorySize("fifo")),
      kind(mapSharedMemory("fifo")), kind(allocateSharedMemory(10, "fifo"))
    )
  })
  expect_identical(kinds, rep("sharedmemory_error_corrupt", 4))
  listed <- run_in(session, function() listSharedObjects())
  expect_identical(listed, listSharedObjects())
  expect_identical(listed$size, NA_real_)
  expect_null(run_in(session, function() freeSharedMemory("fifo")))
  expect_false(hasSharedMemory("fifo"))
})

# ---- damaged segments --------------------------------------------------------

change_byte <- function(file, offset) {
  con <- file(file, "r+b")
  on.exit(close(con))
  seek(con, offset, rw = "read")
  byte <- readBin(con, "raw", 1)
  seek(con, offset, rw = "write")
  writeBin(xor(byte, as.raw(1)), con)
}

truncate_to <- function(file, size) {
  bytes <- readBin(file, "raw", size)
  con <- file(file, "wb")
  on.exit(close(con))
  writeBin(bytes, con)
}

damage <- list(
  "truncated by a byte" = function(file) truncate_to(file, 12288 - 1),
  "truncated by a page" = function(file) truncate_to(file, 8192),
  "truncated within the footer" = function(file) truncate_to(file, 12288 - 100),
  "longer by a page" = function(file) {
    cat(strrep("x", 4096), file = file, append = TRUE)
  },
  "first byte of the footer" = function(file) change_byte(file, 12288 - 1024),
  "version" = function(file) change_byte(file, 12288 - 1024 + 8),
  "a size in the footer" = function(file) change_byte(file, 12288 - 1024 + 18),
  "middle of the footer" = function(file) change_byte(file, 12288 - 512),
  "last byte of the footer" = function(file) change_byte(file, 12288 - 1)
)

test_that("a damaged segment is corrupt, and can still be freed", {
  local_clean_shm()
  skip_if_not_linux()
  for (what in names(damage)) {
    allocateSharedMemory(10000, "a")
    expect_identical(file.size(segment_file("a")), 12288)
    damage[[what]](segment_file("a"))
    expect_refused(hasSharedMemory("a"), "corrupt", info = what)
    expect_refused(getSharedMemorySize("a"), "corrupt", info = what)
    expect_refused(mapSharedMemory("a"), "corrupt", info = what)
    expect_refused(allocateSharedMemory(10, "a"), "corrupt", info = what)
    expect_identical(listSharedObjects()$size, NA_real_, info = what)
    expect_null(freeSharedMemory("a"))
    expect_false(hasSharedMemory("a"))
  }
})

test_that("the payload is the user's own business", {
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10000, "a")
  change_byte(segment_file("a"), 0)
  change_byte(segment_file("a"), 12288 - 1025)
  expect_true(hasSharedMemory("a"))
  expect_gte(getSharedMemorySize("a"), 10000)
  freeSharedMemory("a")
})

test_that("a segment under another one's name is corrupt", {
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10, "a")
  file.rename(segment_file("a"), segment_file("b"))
  expect_false(hasSharedMemory("a"))
  expect_refused(hasSharedMemory("b"), "corrupt")
  freeSharedMemory("b")
  # Nor is a copy another segment: its footer has the id of the original.
  allocateSharedMemory(10, "a")
  file.copy(segment_file("a"), segment_file("c"))
  expect_refused(mapSharedMemory("c"), "corrupt")
  freeSharedMemory(c("a", "c"))
})

test_that("a segment that is damaged while it is mapped stays mapped", {
  local_clean_shm()
  skip_if_not_linux()
  use_native()
  allocateSharedMemory(10, "a")
  pointer <- mapSharedMemory("a")
  poke(pointer, as.raw(3))
  change_byte(segment_file("a"), 4095)
  expect_refused(mapSharedMemory("a", readonly = TRUE), "corrupt")
  expect_identical(peek(pointer, 1), as.raw(3))
  freeSharedMemory("a")
  expect_true(is_null(pointer))
})

# ---- other users -------------------------------------------------------------

test_that("another user's segment is left alone, also by root", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, c("a", "b"))
  system2("chown", c("65534", shQuote(segment_file("a"))))
  calls <- list(
    function() hasSharedMemory("a"), function() getSharedMemorySize("a"),
    function() mapSharedMemory("a"), function() allocateSharedMemory(10, "a"),
    function() freeSharedMemory("a"), function() freeSharedMemory(c("b", "a"))
  )
  for (call in calls) {
    error <- expect_refused(call(), "permission", info = deparse(body(call)))
    expect_match(conditionMessage(error), "65534")
    expect_match(conditionMessage(error), "SHAREDMEMORY_NAMESPACE")
  }
  listed <- listSharedObjects()
  expect_identical(listed$Id, c("a", "b"))
  expect_identical(is.na(listed$size), c(TRUE, FALSE))
  system2("chown", c("0", shQuote(segment_file("a"))))
  freeSharedMemory(c("a", "b"))
})

test_that("a second user is told whose the namespace is, and what to do", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, "ours")
  kinds <- function() {
    ask <- function(code) {
      tryCatch(
        {
          code
          "none"
        },
        error = function(e) c(class(e)[1], conditionMessage(e))
      )
    }
    list(
      has = ask(hasSharedMemory("ours")),
      map = ask(mapSharedMemory("ours")),
      free = ask(freeSharedMemory("ours")),
      join = ask(initialSharedObjectPackageData()),
      allocate = ask(allocateSharedMemory(10)),
      named = ask(allocateSharedMemory(10, "ours")),
      count = ask(getLastIndex()),
      listed = listSharedObjects()$size
    )
  }
  answers <- as_other_user(kinds)
  expect_identical(answers$listed, NA_real_)
  for (what in setdiff(names(answers), "listed")) {
    expect_identical(
      answers[[what]][1], "sharedmemory_error_permission",
      info = what
    )
    expect_match(answers[[what]][2], "SHAREDMEMORY_NAMESPACE", info = what)
    expect_match(answers[[what]][2], "uid 0", info = what)
  }
  expect_true(hasSharedMemory("ours"))
  freeSharedMemory("ours")
})

test_that("root does not get into another user's namespace", {
  skip_if_no_other_user()
  namespace <- local_namespace()
  as_other_user(function() {
    allocateSharedMemory(10, "theirs")
  }, namespace = namespace)
  before <- objects_in(namespace)
  expect_length(before, 2)
  session <- local_session(namespace)
  answers <- run_in(session, function() {
    kind <- function(code) {
      tryCatch(
        {
          code
          "none"
        },
        error = function(e) class(e)[1]
      )
    }
    c(
      kind(initialSharedObjectPackageData()), kind(allocateSharedMemory(10)),
      kind(allocateSharedMemory(10, "theirs")), kind(hasSharedMemory("theirs")),
      kind(freeSharedMemory("theirs")), kind(getLastIndex())
    )
  })
  expect_identical(answers, rep("sharedmemory_error_permission", 6))
  # What it needs no control object for goes on working.
  expect_identical(
    run_in(session, function() listSharedObjects()$size), NA_real_
  )
  expect_true(end_session(session))
  expect_identical(objects_in(namespace), before)
  as_other_user(function() freeSharedMemory("theirs"), namespace = namespace)
  as_other_user(
    function() {
      initialSharedObjectPackageData()
      releaseSharedObjectPackageData()
    },
    namespace = namespace
  )
})

test_that("each user has a namespace without being told", {
  skip_if_no_other_user()
  answer <- as_other_user(function() {
    # Not the one of somebody who really works as this user.
    id <- allocateSharedMemory(10)
    pointer <- mapSharedMemory(id)
    mode <- file.info(list.files(
      "/dev/shm", Sys.getenv("SHAREDMEMORY_NAMESPACE"),
      full.names = TRUE
    ))$mode
    freeSharedMemory(id)
    format(mode)
  }, namespace = local_namespace())
  expect_identical(answer, c("600", "600"))
})

# ---- the control object ------------------------------------------------------

# The process that looks must not be the one that runs the tests: a fault here
# could be its end.
test_that("a control object that is cut short is no SIGBUS", {
  skip_if_not_linux()
  namespace <- local_namespace()
  session <- local_session(namespace)
  for (size in c(0, 1, 100)) {
    run_in(session, function() allocateSharedMemory(10, "a"))
    truncate_to(control_file(namespace), size)
    answers <- run_in(session, function() {
      last <- tryCatch(getLastIndex(), error = function(e) class(e)[1])
      id <- allocateSharedMemory(10)
      has <- hasSharedMemory(c("a", id))
      freeSharedMemory(c("a", id))
      list(last, has)
    })
    expect_true(
      identical(answers[[1]], "sharedmemory_error_control") ||
        is.numeric(answers[[1]]),
      info = size
    )
    expect_identical(answers[[2]], c(TRUE, TRUE), info = size)
    run_in(session, function() releaseSharedObjectPackageData())
    expect_identical(objects_in(namespace), character(), info = size)
  }
  run_in(session, function() initialSharedObjectPackageData())
  truncate_to(control_file(namespace), 0)
  expect_true(end_session(session))
  expect_identical(session$get_exit_status(), 0L)
  other <- local_session(namespace)
  run_in(other, function() {
    initialSharedObjectPackageData()
    releaseSharedObjectPackageData()
  })
  expect_identical(objects_in(namespace), character())
})

test_that("a damaged control object that nobody uses is made anew", {
  local_clean_shm()
  skip_if_not_linux()
  for (content in list(raw(0), raw(100), raw(4096), as.raw(rep(90, 4096)),
                       as.raw(rep(255, 5000)))) {
    id <- allocateSharedMemory(10, "5")
    # Only for numbers to start above it again; this process must not use it.
    expect_true(nzchar(id))
    unlink(control_file())
    releaseSharedObjectPackageData()
    session <- local_session()
    writeBin(content, control_file())
    expect_identical(
      run_in(session, function() allocateSharedMemory(10)), "6",
      info = length(content)
    )
    run_in(session, function() freeSharedMemory(c("5", "6")))
    expect_true(end_session(session))
    expect_identical(objects_in(), character())
  }
})

test_that("a damaged control object in use is an error and tells the way out", {
  skip_if_not_linux()
  namespace <- local_namespace()
  user <- local_session(namespace)
  run_in(user, function() allocateSharedMemory(10, "a"))
  good <- readBin(control_file(namespace), "raw", 4096)
  con <- file(control_file(namespace), "r+b")
  writeBin(as.raw(rep(90, 4096)), con)
  close(con)
  newcomer <- local_session(namespace)
  answers <- run_in(newcomer, function() {
    ask <- function(code) {
      tryCatch(
        {
          code
          "none"
        },
        error = function(e) c(class(e)[1], conditionMessage(e))
      )
    }
    list(
      refused = list(
        ask(allocateSharedMemory(10)), ask(initialSharedObjectPackageData()),
        ask(getLastIndex())
      ),
      works = list(
        hasSharedMemory(c("a", "b")), getSharedMemorySize("a") >= 10,
        listSharedObjects()$Id, typeof(mapSharedMemory("a")),
        unmapSharedMemory("a"), releaseSharedObjectPackageData()
      )
    )
  })
  for (answer in answers$refused) {
    expect_identical(answer[1], "sharedmemory_error_control")
    expect_match(answer[2], "SHAREDMEMORY_NAMESPACE")
  }
  expect_identical(
    answers$works,
    list(c(TRUE, FALSE), TRUE, "a", "externalptr", NULL, NULL)
  )
  con <- file(control_file(namespace), "r+b")
  writeBin(good, con)
  close(con)
  expect_null(run_in(newcomer, function() freeSharedMemory("a")))
  expect_true(end_session(newcomer))
  expect_true(end_session(user))
  expect_identical(objects_in(namespace), character())
})

test_that("something else in the place of the control object is an error", {
  skip_if_not_linux()
  namespace <- local_namespace()
  file <- control_file(namespace)
  target <- tempfile("target")
  withr::defer(unlink(target))
  writeLines("precious", target)
  plants <- list(
    link = function() file.symlink(target, file),
    dangling = function() file.symlink(tempfile("nowhere"), file),
    directory = function() dir.create(file),
    fifo = function() system2("mkfifo", shQuote(file))
  )
  for (kind in names(plants)) {
    plants[[kind]]()
    # Loading the package is part of it.
    session <- local_session(namespace)
    answers <- run_in(session, function() {
      ask <- function(code) {
        tryCatch(
          {
            code
            "none"
          },
          error = function(e) c(class(e)[1], conditionMessage(e))
        )
      }
      list(
        refused = list(
          ask(allocateSharedMemory(10)), ask(allocateSharedMemory(10, "a")),
          ask(initialSharedObjectPackageData()), ask(getLastIndex())
        ),
        works = list(
          hasSharedMemory("a"), nrow(listSharedObjects()),
          freeSharedMemory("a"), releaseSharedObjectPackageData()
        )
      )
    })
    for (answer in answers$refused) {
      expect_identical(answer[1], "sharedmemory_error_control", info = kind)
      expect_match(answer[2], "SHAREDMEMORY_NAMESPACE", info = kind)
    }
    expect_identical(answers$works, list(FALSE, 0L, NULL, NULL), info = kind)
    expect_true(end_session(session))
    # Nobody took it away, or followed it.
    expect_length(objects_in(namespace), 1)
    unlink(file, recursive = TRUE)
  }
  expect_identical(readLines(target), "precious")
})

test_that("another user's control object is an error that names the user", {
  skip_if_no_other_user()
  local_clean_shm()
  file.create(control_file())
  system2("chown", c("65534", shQuote(control_file())))
  Sys.chmod(control_file(), "0666", use_umask = FALSE)
  for (call in list(
    function() allocateSharedMemory(10), function() getLastIndex(),
    function() initialSharedObjectPackageData()
  )) {
    error <- expect_refused(call(), "permission")
    expect_match(conditionMessage(error), "65534")
    expect_match(conditionMessage(error), "SHAREDMEMORY_NAMESPACE")
  }
  expect_false(hasSharedMemory("a"))
  expect_identical(nrow(listSharedObjects()), 0L)
  unlink(control_file())
})

test_that("a control object that was removed under its users is made anew", {
  local_clean_shm()
  skip_if_not_linux()
  session <- local_session()
  ids <- allocateSharedMemory(rep(10, 3))
  theirs <- run_in(session, function() allocateSharedMemory(rep(10, 3)))
  unlink(control_file())
  # Both notice, and meet again in the new one.
  more <- allocateSharedMemory(rep(10, 3))
  others <- run_in(session, function() allocateSharedMemory(rep(10, 3)))
  all <- c(ids, theirs, more, others)
  expect_identical(anyDuplicated(all), 0L)
  expect_true(all(hasSharedMemory(all)))
  expect_identical(
    run_in(session, function() getLastIndex()), getLastIndex()
  )
  if (file.exists("/proc/locks")) expect_locks(2, this_namespace())
  freeSharedMemory(all)
})

test_that("a counter at its end is an error, not a number used twice", {
  local_clean_shm()
  skip_if_not_linux()
  # Where the counter is: in a new control object it is this number.
  number <- 1234567890123
  allocateSharedMemory(10, number)
  unlink(control_file())
  expect_identical(getLastIndex(), number)
  initialSharedObjectPackageData()
  little <- as.raw(number %/% 256^(0:7) %% 256)
  page <- readBin(control_file(), "raw", 4096)
  at <- Filter(
    function(i) identical(page[i + 0:7], little), seq(1, 4089, by = 8)
  )
  freeSharedMemory(number)
  skip_if_not(length(at) == 1, "no little-endian machine")
  set_counter <- function(value) {
    con <- file(control_file(), "r+b")
    on.exit(close(con))
    seek(con, at - 1, rw = "write")
    writeBin(as.raw(value %/% 256^(0:7) %% 256), con)
  }
  set_counter(2^53 - 2)
  expect_identical(getLastIndex(), 2^53 - 2)
  expect_refused(allocateSharedMemory(rep(10, 5)), "control")
  expect_refused(allocateSharedMemory(rep(10, 5)), "control")
  expect_identical(getLastIndex(), 2^53 - 2)
  # What is left of the numbers can be had, and no more than that.
  repeat {
    last <- getLastIndex()
    if (kind_of(allocateSharedMemory(10)) != "none") break
    expect_identical(getLastIndex(), last + 1)
  }
  error <- expect_refused(allocateSharedMemory(10), "control")
  expect_match(conditionMessage(error), "SHAREDMEMORY_NAMESPACE")
  expect_identical(allocateSharedMemory(10, "named"), "named")
  freeSharedMemory(listSharedObjects()$Id)
  # It starts anew with the next control object, when nobody remembers this one.
  releaseSharedObjectPackageData()
  expect_identical(objects_in(), character())
  expect_identical(allocateSharedMemory(10), "1")
  freeSharedMemory("1")
})

# ---- a full file system ------------------------------------------------------

test_that("a segment larger than /dev/shm is an error that tells both sizes", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    e <- tryCatch(allocateSharedMemory(5e6), error = identity)
    named <- tryCatch(allocateSharedMemory(2e6, "a"), error = identity)
    left <- setdiff(
      list.files("/dev/shm"),
      paste0("smem-control.", Sys.getenv("SHAREDMEMORY_NAMESPACE"))
    )
    list(
      kinds = c(class(e)[1], class(named)[1]), message = conditionMessage(e),
      has = hasSharedMemory("a"), left = left,
      goes_on = allocateSharedMemory(10)
    )
  })
  expect_identical(answers$kinds, rep("sharedmemory_error_no_space", 2))
  expect_match(answers$message, "5000000 bytes were asked for")
  free <- as.numeric(sub(
    ".* ([0-9]+) bytes of shared memory are left.*", "\\1", answers$message
  ))
  expect_gt(free, 2^19)
  expect_lte(free, 2^20)
  expect_match(answers$message, "--shm-size")
  expect_match(answers$message, "remount")
  expect_false(answers$has)
  expect_identical(answers$left, character())
  expect_type(answers$goes_on, "character")
})

test_that("/dev/shm can be filled to the last byte without a SIGBUS", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function(library, functions) {
    dyn.load(library)
    list2env(functions, globalenv())
    fits <- function(size) {
      tryCatch(
        {
          freeSharedMemory(allocateSharedMemory(size))
          TRUE
        },
        sharedmemory_error_no_space = function(e) FALSE
      )
    }
    # The largest that fits, to the byte.
    good <- 1
    bad <- 2^21
    while (bad - good > 1) {
      middle <- (good + bad) %/% 2
      if (fits(middle)) good <- middle else bad <- middle
    }
    id <- allocateSharedMemory(good)
    pointer <- mapSharedMemory(id)
    size <- getSharedMemorySize(id)
    fill(pointer, size, 170)
    intact <- identical(peek(pointer, size), as.raw(rep(170, size)))
    full <- class(tryCatch(allocateSharedMemory(1), error = identity))[1]
    footer <- hasSharedMemory(id)
    freeSharedMemory(id)

    # Many small ones, until the last one fails.
    ids <- character()
    repeat {
      id <- tryCatch(
        allocateSharedMemory(5000),
        sharedmemory_error_no_space = function(e) NULL
      )
      if (is.null(id)) break
      ids <- c(ids, id)
    }
    for (pointer in mapSharedMemory(ids)) fill(pointer, 5000, 85)
    all <- all(hasSharedMemory(ids))
    # A batch that does not fit leaves all the room that there was.
    freeSharedMemory(ids[1:10])
    batch <- class(tryCatch(
      allocateSharedMemory(rep(5000, 11)),
      error = identity
    ))
    again <- length(allocateSharedMemory(rep(5000, 10)))
    list(
      good = good, size = size, intact = intact, full = full, footer = footer,
      count = length(ids), all = all, batch = batch[1], again = again
    )
  }, native_library("bytes"), native_functions)
  no_space <- "sharedmemory_error_no_space"
  expect_gt(answers$good, 2^20 - 3 * 4096)
  expect_gte(answers$size, answers$good)
  expect_true(answers$intact)
  expect_identical(answers$full, no_space)
  expect_true(answers$footer)
  expect_gt(answers$count, 100)
  expect_true(answers$all)
  expect_identical(answers$batch, no_space)
  expect_identical(answers$again, 10L)
})

test_that("with /dev/shm full to begin with, loading and looking work", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    system("cat /dev/zero > /dev/shm/full 2> /dev/null")
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    unloadNamespace("sharedmemory")
    library(sharedmemory)
    list(
      kind(allocateSharedMemory(1)), kind(allocateSharedMemory(1, "a")),
      kind(initialSharedObjectPackageData()), hasSharedMemory("a"),
      nrow(listSharedObjects()), getLastIndex(), freeSharedMemory("a"),
      releaseSharedObjectPackageData(), list.files("/dev/shm")
    )
  })
  no_space <- "sharedmemory_error_no_space"
  expect_identical(
    answers,
    list(no_space, no_space, no_space, FALSE, 0L, 0L, NULL, NULL, "full")
  )
})

test_that("where nothing can be made, nothing fails but making", {
  skip_if_cannot_unshare()
  answers <- in_small_shm(function() {
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    list(
      kind(allocateSharedMemory(1)), kind(allocateSharedMemory(1, "a")),
      kind(initialSharedObjectPackageData()), hasSharedMemory("a"),
      nrow(listSharedObjects()), getLastIndex(), freeSharedMemory("a"),
      releaseSharedObjectPackageData()
    )
  }, size = "1m,ro")
  for (answer in answers[1:3]) {
    expect_match(answer, "^sharedmemory_error_(system|permission|control)$")
  }
  expect_identical(answers[-(1:3)], list(FALSE, 0L, 0L, NULL, NULL))
})

# ---- creators that are stopped or die half-way -------------------------------

local_stoppable <- function(frame = parent.frame()) {
  skip_if_not_linux()
  local_session(
    environment = c(LD_PRELOAD = native_library("stop")), frame = frame
  )
}

# Start allocating, and be stopped, or killed, at this system call.
allocate_until <- function(session, call, name, signal = tools::SIGSTOP) {
  run_in(session, function() initialSharedObjectPackageData())
  session$call(function(call, name, signal) {
    Sys.setenv(SIGNAL_AT = call, SIGNAL_NUMBER = signal)
    allocateSharedMemory(10, name)
  }, list(call, name, signal))
}

state_of <- function(session) {
  file <- file.path("/proc", session$get_pid(), "stat")
  line <- suppressWarnings(tryCatch(readLines(file), error = function(e) ""))
  sub("^.*[)] (.).*$", "\\1", line)
}

expect_stopped <- function(session) {
  is_stopped <- function() state_of(session) == "T"
  expect_true(eventually(is_stopped), label = "stopped")
}

test_that("a stopped creator makes who wants to create wait, but not for ever", {
  local_clean_shm()
  session <- local_stoppable()
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "0.2")
  for (call in c("fallocate", "pwrite")) {
    allocate_until(session, call, "slow")
    expect_stopped(session)
    # Nothing half-made is visible, ...
    expect_true(file.exists(segment_file("slow")))
    expect_identical(nrow(listSharedObjects()), 0L)
    expect_false(hasSharedMemory("slow"))
    for (use in list(getSharedMemorySize, mapSharedMemory)) {
      expect_refused(use("slow"), "not_found", info = call)
    }
    expect_null(freeSharedMemory("slow"))
    for (use in list(
      function(id) allocateSharedMemory(10, id),
      function(id) allocateSharedMemory(10, c("other", id))
    )) {
      error <- expect_refused(use("slow"), "busy", info = call)
      expect_match(conditionMessage(error), "SHAREDMEMORY_TIMEOUT")
      expect_identical(error$id, "slow")
    }
    # ... and nobody else is kept from working.
    ids <- allocateSharedMemory(10, c("", "other"))
    expect_identical(hasSharedMemory(ids), c(TRUE, TRUE))
    freeSharedMemory(ids)
    tools::pskill(session$get_pid(), tools::SIGCONT)
    expect_identical(answer_of(session), "slow")
    expect_true(hasSharedMemory("slow"))
    expect_identical(listSharedObjects()$Id, "slow")
    freeSharedMemory("slow")
  }
})

test_that("who waits gets it as soon as the creator goes on", {
  local_clean_shm()
  session <- local_stoppable()
  allocate_until(session, "fallocate", "slow")
  expect_stopped(session)
  other <- local_session(environment = c(SHAREDMEMORY_TIMEOUT = "600"))
  other$call(function() allocateSharedMemory(10, "slow"))
  expect_identical(other$poll_process(300), "timeout")
  tools::pskill(session$get_pid(), tools::SIGCONT)
  expect_identical(answer_of(other), "slow")
  expect_identical(answer_of(session), "slow")
  expect_identical(listSharedObjects()$Id, "slow")
  freeSharedMemory("slow")
})

test_that("Ctrl-C ends the waiting", {
  local_clean_shm()
  session <- local_stoppable()
  allocate_until(session, "fallocate", "slow")
  expect_stopped(session)
  for (use in list(
    function() allocateSharedMemory(10, "slow"),
    function() allocateSharedMemory(10, c("other", "slow"))
  )) {
    flag <- local_flag()
    waiting <- start_r(function(use, flag) {
      library(sharedmemory)
      environment(use) <- globalenv()
      answer <- tryCatch(
        {
          file.create(flag)
          use()
          "done"
        },
        interrupt = function(e) class(e)[1],
        error = function(e) class(e)[1]
      )
      list(
        answer, hasSharedMemory("other"),
        hasSharedMemory(allocateSharedMemory(10, lifetime = "process"))
      )
    }, use, flag, environment = c(SHAREDMEMORY_TIMEOUT = "600"))
    wait_for_file(flag)
    Sys.sleep(0.2)
    waiting$interrupt()
    expect_identical(result_of(waiting), list("interrupt", FALSE, TRUE))
  }
  tools::pskill(session$get_pid(), tools::SIGCONT)
  expect_identical(answer_of(session), "slow")
  expect_identical(listSharedObjects()$Id, "slow")
  freeSharedMemory("slow")
})

test_that("R's own time limit ends the waiting, too", {
  local_clean_shm()
  session <- local_stoppable()
  allocate_until(session, "fallocate", "slow")
  expect_stopped(session)
  other <- local_session(environment = c(SHAREDMEMORY_TIMEOUT = "600"))
  answer <- run_in(other, function() {
    message <- tryCatch(
      {
        setTimeLimit(elapsed = 0.3, transient = TRUE)
        allocateSharedMemory(10, c("other", "slow"))
      },
      error = conditionMessage
    )
    setTimeLimit()
    list(message, hasSharedMemory("other"), listSharedObjects()$Id)
  })
  expect_match(answer[[1]], "time limit")
  expect_identical(answer[-1], list(FALSE, character()))
  tools::pskill(session$get_pid(), tools::SIGCONT)
  expect_identical(answer_of(session), "slow")
  expect_true(run_in(other, function() hasSharedMemory("slow")))
  freeSharedMemory("slow")
})

test_that("free does not wait for a stopped creator", {
  local_clean_shm()
  session <- local_stoppable()
  for (call in c("fallocate", "pwrite")) {
    allocate_until(session, call, "slow")
    expect_stopped(session)
    # What is being made is not there yet.
    expect_null(freeSharedMemory("slow"))
    expect_true(file.exists(segment_file("slow")))
    tools::pskill(session$get_pid(), tools::SIGCONT)
    expect_identical(answer_of(session), "slow")
    expect_true(hasSharedMemory("slow"))
    freeSharedMemory("slow")
    expect_false(file.exists(segment_file("slow")))
  }
})

test_that("what a creator that was killed half-way left is cleaned up", {
  skip_if_no_fork()
  skip_if_not_installed("parallel")
  local_clean_shm()
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "20")
  session <- local_stoppable()
  run_in(session, function() initialSharedObjectPackageData())
  meetings <- list(
    allocate = function(id) allocateSharedMemory(5000, id),
    has = function(id) hasSharedMemory(id),
    map = function(id) kind_of(mapSharedMemory(id)),
    free = function(id) freeSharedMemory(id)
  )
  for (call in c("fallocate", "pwrite")) {
    for (meeting in names(meetings)) {
      run_in(session, function(call) {
        suppressWarnings(parallel::mccollect(parallel::mcparallel({
          initialSharedObjectPackageData()
          Sys.setenv(SIGNAL_AT = call, SIGNAL_NUMBER = tools::SIGKILL)
          allocateSharedMemory(10, "dead")
        })))
      }, call)
      info <- paste(call, meeting)
      expect_true(file.exists(segment_file("dead")), info = info)
      # The child has closed its pipe, but perhaps not given up its locks yet.
      expect_true(
        eventually(function() identical(listSharedObjects()$state, "incomplete")),
        info = info
      )
      meetings[[meeting]]("dead")
      # Removed by a free, made new by who creates it; for the others it is not there.
      made <- meeting == "allocate"
      expect_identical(hasSharedMemory("dead"), made, info = info)
      expect_identical(file.exists(segment_file("dead")), meeting != "free",
                       info = info)
      if (made) expect_gte(getSharedMemorySize("dead"), 5000)
      freeSharedMemory("dead")
      expect_false(file.exists(segment_file("dead")), info = info)
    }
  }
})

test_that("a process stopped or killed in creating the control object", {
  skip_if_not_linux()
  namespace <- local_namespace()
  for (how in c("stopped", "killed")) {
    first <- local_session(
      namespace, c(LD_PRELOAD = native_library("stop"))
    )
    first$call(function(signal) {
      Sys.setenv(SIGNAL_AT = "fallocate", SIGNAL_NUMBER = signal)
      initialSharedObjectPackageData()
    }, list(if (how == "stopped") tools::SIGSTOP else tools::SIGKILL))
    if (how == "stopped") expect_stopped(first) else first$wait(deadline * 1000)
    expect_length(objects_in(namespace), 1)
    second <- local_session(namespace, c(SHAREDMEMORY_TIMEOUT = "1"))
    answer <- run_in(second, function() {
      # The first allocation of a process joins twice, and waits once.
      took <- system.time(
        id <- tryCatch(allocateSharedMemory(10), error = function(e) {
          stopifnot(e$op == "allocate")
          class(e)[1]
        })
      )[["elapsed"]]
      stopifnot(took < 1.9)
      list(id, hasSharedMemory("a"), nrow(listSharedObjects()))
    })
    if (how == "stopped") {
      expect_identical(answer, list("sharedmemory_error_busy", FALSE, 0L))
      tools::pskill(first$get_pid(), tools::SIGCONT)
      answer_of(first)
      expect_identical(run_in(second, function() allocateSharedMemory(10)), "1")
    } else {
      expect_identical(answer, list("1", FALSE, 1L))
    }
    run_in(second, function() freeSharedMemory("1"))
    expect_true(end_session(first))
    expect_true(end_session(second))
    expect_identical(objects_in(namespace), character())
  }
})
