# Values that one process makes for all.

test_that("the first evaluates, the others open", {
  skip_if_not_linux()
  local_clean_shm()
  id <- allocateSharedMemory(8)
  count <- sharedArray(id)
  make <- function(count) {
    shareOnce("once", {
      fetchAdd(count, 1)
      Sys.sleep(0.3)
      data.frame(x = sqrt(1:5000))
    }, lifetime = "freed")
  }
  sessions <- list(local_session(), local_session(), local_session())
  for (session in sessions) session$call(make, list(count))
  values <- c(lapply(sessions, answer_of), list(make(count)))
  for (value in values) {
    expect_identical(value, data.frame(x = sqrt(1:5000)))
    expect_identical(sharedMemoryId(value), "once")
  }
  expect_identical(count[1], 1)
  expect_identical(shareOnce("once", stop("not evaluated")), values[[1]])
  expect_identical(sort(listSharedObjects()$Id), sort(c(id, "once")))
  freeSharedMemory(c(id, "once"))
})

test_that("every value can be made, also NULL and functions", {
  skip_if_not_linux()
  local_clean_shm()
  for (value in list(NULL, 1L, "a", list(), mean, quote(x + y), c(a = 1), letters)) {
    expect_identical(shareOnce("value", value), value)
    expect_identical(shareOnce("value", stop("no")), value)
    freeSharedMemory("value")
    gc()
  }
})

test_that("an error is one's own, and the next takes over", {
  skip_if_not_linux()
  local_clean_shm()
  session <- local_session()
  flag <- local_flag()
  session$call(function(flag) {
    tryCatch(shareOnce("once", {
      file.create(flag)
      Sys.sleep(0.3)
      stop("of this one")
    }), error = conditionMessage)
  }, list(flag))
  wait_for_file(flag)
  expect_identical(shareOnce("once", "of the next"), "of the next")
  expect_identical(answer_of(session), "of this one")
  expect_identical(listSharedObjects()$Id, "once")
  expect_error(shareOnce("other", stop("alone")), "^alone$")
  expect_identical(listSharedObjects()$Id, "once")
  freeSharedMemory("once")
})

test_that("who dies is followed by the next, without a warning", {
  skip_on_os("windows")
  skip_if_not_linux()
  local_clean_shm()
  session <- local_session()
  flag <- local_flag()
  dies <- function(flag) {
    shareOnce("once", {
      file.create(flag)
      Sys.sleep(600)
    })
  }
  session$call(dies, list(flag))
  wait_for_file(flag)
  waiter <- local_session()
  waiter$call(function() {
    warned <- FALSE
    value <- withCallingHandlers(
      shareOnce("once", "taken over", lifetime = "freed"),
      warning = function(w) warned <<- TRUE
    )
    list(value, warned)
  })
  wait_until_waiting("once.once")
  kill_hard(session)
  expect_identical(answer_of(waiter), list("taken over", FALSE))
  expect_identical(listSharedObjects()$Id, "once")
  freeSharedMemory("once")

  # nobody waits: the next one that comes
  session <- local_session()
  unlink(flag)
  session$call(dies, list(flag))
  wait_for_file(flag)
  kill_hard(session)
  expect_silent(value <- shareOnce("once", "later"))
  expect_identical(value, "later")
  expect_identical(listSharedObjects()$Id, "once")
  freeSharedMemory("once")
})

test_that("waiting has an end, and can be interrupted", {
  skip_on_os("windows")
  skip_if_not_linux()
  local_clean_shm()
  session <- local_session()
  flag <- local_flag()
  done <- local_flag()
  session$call(function(flag, done) {
    shareOnce("once", {
      file.create(flag)
      while (!file.exists(done)) Sys.sleep(0.01)
      "made"
    }, lifetime = "freed")
  }, list(flag, done))
  wait_for_file(flag)
  expect_refused(shareOnce("once", stop("never"), timeout = 0), "timeout")
  expect_refused(shareOnce("once", stop("never"), timeout = 0.1), "timeout")
  answer <- interrupt_in(
    function() shareOnce("once", stop("never")),
    ready = function() count_waiting("once.once") > 0
  )
  expect_interrupted(answer, "once.once")
  file.create(done)
  expect_identical(answer_of(session), "made")
  expect_identical(shareOnce("once", stop("never"), timeout = 0), "made")
  freeSharedMemory("once")
})

test_that("Ctrl-C in the code gives way to the next", {
  skip_on_os("windows")
  skip_if_not_linux()
  local_clean_shm()
  flag <- local_flag()
  answer <- interrupt_in(
    function(flag) {
      shareOnce("once", {
        file.create(flag)
        Sys.sleep(600)
      })
    }, flag,
    ready = function() file.exists(flag)
  )
  expect_interrupted(answer)
  expect_identical(shareOnce("once", 1), 1)
  freeSharedMemory("once")
})

test_that("names and arguments are checked, and nothing is evaluated", {
  skip_if_not_linux()
  local_clean_shm()
  allocateSharedMemory(10, "segment")
  for (bad in list(NA, NULL, "", "a/b", c("a", "b"), character(), strrep("a", 196),
                   strrep("a", 201), list("a"), "segment", "/raw", -1)) {
    expect_true(
      kind_of(shareOnce(bad, stop("evaluated"))) %in% c("argument", "not_found"),
      info = deparse(bad)
    )
  }
  for (bad in list(NA, -1, "1", NULL, c(1, 2), numeric())) {
    expect_refused(shareOnce("once", stop("evaluated"), timeout = bad))
  }
  expect_refused(shareOnce("once", 1, lifetime = "forever"))
  expect_identical(listSharedObjects()$Id, "segment")
  for (good in list("gr\u00fc\u00df", strrep("a", 195), 1e6)) {
    expect_identical(shareOnce(good, "value"), "value")
    expect_identical(shareOnce(good, stop("evaluated")), "value")
    freeSharedMemory(good)
  }
  freeSharedMemory("segment")
})

test_that("whatever stands for one id passes one gate", {
  skip_if_not_linux()
  local_clean_shm()
  gate <- NULL
  named <- function(name) {
    shareOnce(name, gate <<- grep("^once\\.", listSharedObjects()$Id, value = TRUE))
    gate
  }
  methods <- list(once_other = function(x, ...) "else",
                  once_several = function(x, ...) 1:3)
  for (class in names(methods))
    registerS3method("as.character", class, methods[[class]], envir = baseenv())
  names_of_one_id <- list(
    "18262" = list(18262, 18262L, "18262", as.Date("2020-01-01"), factor("18262"),
                   structure(18262, class = "once_other"), c(x = "18262")),
    a = list("a", factor("a"), structure("a", class = "once_other"),
             structure("a", class = "once_several"),
             structure(factor("a"), class = c("once_other", "factor")))
  )
  for (id in names(names_of_one_id)) {
    for (name in names_of_one_id[[id]]) {
      expect_identical(named(name), paste0("once.", id))
      freeSharedMemory(id)
    }
  }
})

test_that("within itself it is an error, not a deadlock", {
  skip_if_not_linux()
  local_clean_shm()
  expect_identical(kind_of(shareOnce("once", shareOnce("once", 1))), "deadlock")
  expect_identical(shareOnce("once", shareOnce("inner", 1) + 1), 2)
  freeSharedMemory(c("once", "inner"))
})
