# What is in shared memory already is held by objects that have it inside, not copied.

# Where lists are ordinary ones, each vector is held by itself, and what it was found
# in is neither there nor sent.
one_reference <- getRversion() >= "4.3"

size_of <- function(x) {
  listed <- listSharedObjects()
  listed$size[listed$Id == sharedMemoryId(x)]
}

test_that("shared objects inside others are not copied", {
  local_objects()
  values <- stats::runif(1e5)
  strings <- rep(c("a", NA, "\u00e9"), 1e4)
  a <- share(values)
  b <- share(list(s = strings, few = 1:3, none = NULL))
  both <- share(list(a = a, b = b, own = 1:10, named = structure(a, note = "n")))
  expect_lt(size_of(both), 10000)
  expected <- list(a = values, b = list(s = strings, few = 1:3, none = NULL),
                   own = 1:10, named = structure(values, note = "n"))
  expect_identical(both, expected)
  expect_identical(both, expected) # of what the first look has made
  expect_identical(sharedMemoryId(both$a), sharedMemoryId(a))
  received <- unserialize(serialize(both, NULL))
  expect_identical(received, expected)
  session <- local_worker()
  answer <- run_in(session, function(x, expected) {
    same <- identical(x, expected)
    x$a[2] <- 0
    list(same, x, sharedMemoryId(x$named))
  }, both, expected)
  expect_true(answer[[1]])
  expect_identical(answer[[3]], sharedMemoryId(a))
  expected$a[2] <- 0
  expect_identical(answer[[2]], expected)
  expect_identical(both$a, values)
  expect_identical(unshare(received)$a, values)
  run_in(session, function() {
    gc()
    NULL
  })
  rm(a, b, both, received, answer)
  gc()
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("they stay as long as what holds them, and no longer", {
  local_objects()
  values <- stats::runif(1e5)
  a <- share(values)
  id <- sharedMemoryId(a)
  inner <- share(list(a = a))
  outer <- share(list(inner = inner, text = rep("b", 1000)))
  rm(a, inner)
  gc()
  expect_true(hasSharedMemory(id))
  expect_identical(outer$inner$a, values)
  part <- outer$inner$a
  rm(outer)
  gc()
  expect_identical(part, values)
  rm(part)
  gc()
  gc()
  expect_identical(listSharedObjects()$Id, character())
})

test_that("who opens an object has its parts, however late it looks at them", {
  local_clean_shm()
  withr::local_options(sharedmemory.handoff = 100)
  session <- local_worker()
  values <- stats::runif(1e5)
  outer <- share(list(share(list(share(values)))))
  gc()
  expect_identical(nrow(listSharedObjects()), if (one_reference) 3L else 2L)
  run_in(session, function(x) {
    kept <<- x
    NULL
  }, outer)
  rm(outer)
  run_in(session, function() NULL) # what was sent last is kept until then
  gc()
  expect_identical(listSharedObjects()$Id, character())
  expect_identical(run_in(session, function() kept[[1]][[1]]), values)
  # Sent and not opened: all of them wait.
  outer <- share(list(share(list(share(values)))))
  bytes <- serialize(outer, NULL)
  rm(outer)
  gc()
  expect_identical(nrow(listSharedObjects()), if (one_reference) 3L else 1L)
  x <- unserialize(bytes)
  expect_identical(x[[1]][[1]], values)
  rm(x)
  gc()
  gc()
  expect_identical(listSharedObjects()$Id, character())
})

test_that("a process that ends hands over what is held as well", {
  local_clean_shm()
  for (end in list(end_session, kill_hard)) {
    session <- local_session()
    bytes <- run_in(session, function() {
      a <- share(seq(0, 1, length.out = 1e5))
      x <- share(list(a = a, b = share(list(a, 1:3))))
      rm(a)
      sent <- serialize(x, NULL)
      rm(x)
      gc()
      sent
    })
    end(session)
    reclaimSharedMemory()
    sent <- if (one_reference) 3L else 1L
    expect_identical(nrow(listSharedObjects()), sent)
    x <- unserialize(bytes)
    expect_identical(x$b, list(seq(0, 1, length.out = 1e5), 1:3))
    # This process is responsible now, also for what it sends on.
    withr::local_options(sharedmemory.handoff = 100)
    again <- serialize(x, NULL)
    rm(x)
    gc()
    expect_identical(nrow(listSharedObjects()), sent)
    y <- unserialize(again)
    expect_identical(y$a[1e5], 1)
    rm(y)
    gc()
    gc()
    expect_identical(listSharedObjects()$Id, character())
  }
})

test_that("only what stays at least as long is held; the rest is copied", {
  local_objects()
  values <- stats::runif(1e4)
  lifetimes <- c("object", "process", "freed")
  for (inner in lifetimes) {
    a <- share(values, "inner", inner)
    for (outer in lifetimes) {
      x <- share(list(a), "outer", outer)
      held <- inner == "freed" || inner == outer && inner != "freed"
      expect_identical(listSharedObjects()$size[2] < 8e4, held,
                       info = paste(inner, "in", outer))
      expect_identical(x[[1]], values)
      freeSharedMemory("outer")
    }
    # Of which the name is gone there is no reference.
    freeSharedMemory("inner")
    x <- share(list(a))
    expect_gt(size_of(x), 8e4)
    expect_identical(x[[1]], values)
    rm(a, x)
    gc()
  }
  # Another process's, which may let it go at any time.
  session <- local_worker()
  theirs <- run_in(session, function() {
    kept <<- share(seq(0, 1, length.out = 1e4))
    kept
  })
  x <- share(list(theirs))
  expect_gt(size_of(x), 8e4)
  expect_true(end_session(session))
  expect_identical(x[[1]], seq(0, 1, length.out = 1e4))
  rm(x, theirs)
  gc()
})

test_that("views of sealed segments are held; others are copied", {
  local_objects()
  values <- stats::runif(1e4)
  id <- allocateSharedMemory(8e4)
  writeSharedMemory(id, values)
  live <- viewSharedMemory(id, "double", live = TRUE)
  x <- share(list(live))
  expect_gt(size_of(x), 8e4)
  writeSharedMemory(id, 0)
  expect_identical(x[[1]], values)
  writeSharedMemory(id, values)
  sealSharedMemory(id)
  view <- viewSharedMemory(id, "double", length = 1e4)
  part <- structure(viewSharedMemory(id, "double", 5000, 16000), class = "Date")
  x <- share(list(view, part, view), "x")
  expect_identical(size_of(x) < 5000, one_reference)
  dates <- structure(values[2001:7000], class = "Date")
  expect_identical(x, list(values, dates, values))
  expect_identical(sharedMemoryId(x[[1]]), if (one_reference) id else "x")
  changed <- view
  changed[5] <- 0
  y <- share(list(changed, view))
  expect_gt(size_of(y), 8e4)
  expect_identical(y[[1]], replace(values, 5, 0))
  session <- local_worker()
  expect_identical(run_in(session, function() openShared("x")[[2]][3]), x[[2]][3])
  # Whoever frees it tells all who come later.
  freeSharedMemory(id)
  expect_identical(x[[1]], values)
  expect_identical(run_in(session, function() {
    class(tryCatch(openShared("x")[[1]][3], error = identity))[1]
  }), if (one_reference) "sharedmemory_error_not_found" else "numeric")
  run_in(session, function() {
    gc()
    NULL
  })
  rm(x, y)
  gc()
})

test_that("what was changed is copied, what was not is held", {
  local_objects()
  x <- share(list(a = stats::runif(1e4), b = stats::runif(1e4)))
  changed <- x
  changed$a[3] <- 0
  again <- share(changed)
  expect_identical(again, changed)
  expect_gt(size_of(again), 8e4)
  expect_lt(size_of(again), 1e5)
  expect_identical(x$a[4], again$a[4])
  # A reference that leads nowhere stays one.
  bytes <- serialize(x, NULL)
  ids <- listSharedObjects()$Id
  rm(x, changed, again)
  gc()
  stub <- unserialize(bytes)
  expect_identical(kind_of(share(list(stub))), "not_found")
  rm(stub)
  gc()
})

test_that("in environments and functions all is there by value", {
  local_objects()
  id <- allocateSharedMemory(8e4)
  sealSharedMemory(id)
  e <- new.env()
  e$a <- share(stats::runif(1e4))
  e$view <- viewSharedMemory(id, "double")
  values <- e$a + 0
  x <- share(list(e, 1:2000 / 2))
  expect_gt(size_of(x), 16e4)
  freeSharedMemory(c(id, sharedMemoryId(e$a)))
  session <- local_worker()
  there <- run_in(session, function(x) list(x[[1]]$a, x[[1]]$view[2]), x)
  expect_identical(there, list(values, 0))
  run_in(session, function() {
    gc()
    NULL
  })
  rm(x, e)
  gc()
})

test_that("an element of a shared object is shared already", {
  local_objects()
  x <- share(list(a = 1:2000 / 2, b = list(rep("b", 600), 1), c = 1:3))
  for (part in c("a", if (one_reference) "b")) {
    y <- share(x[[part]])
    expect_identical(sharedMemoryId(y), sharedMemoryId(x))
    expect_identical(y, unshare(x)[[part]])
    changed <- x[[part]]
    changed[[1]] <- 5
    expect_false(sharedMemoryId(share(changed)) == sharedMemoryId(x))
    named <- share(structure(x[[part]], n = 1))
    expect_false(sharedMemoryId(named) == sharedMemoryId(x))
  }
  rm(x, y, changed, named)
  gc()
})

test_that("objects inside of objects, as deep as one likes", {
  local_objects()
  x <- plain <- list(stats::runif(1000))
  for (i in 1:1100) x <- share(list(x, i))
  for (i in 1:1100) plain <- list(plain, i)
  depth <- 0
  y <- if (one_reference) unserialize(serialize(x, NULL)) else x
  while (length(y) == 2) {
    if (depth %% 100 == 0) expect_identical(y[[2]], 1100L - as.integer(depth))
    y <- y[[1]]
    depth <- depth + 1
  }
  expect_identical(depth, 1100)
  while (length(plain) == 2) plain <- plain[[1]]
  expect_identical(y[[1]], plain[[1]])
  rm(x, y)
  gc()
  gc()
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("of very many, the first 1000 are held", {
  local_objects()
  x <- lapply(1:1010, function(i) share(rep(i + 0, 512)))
  all <- share(x)
  expect_identical(all, x)
  expect_identical(unserialize(serialize(all, NULL))[[1010]], rep(1010, 512))
  expect_gt(size_of(all), 1000 * 480 + 10 * 4096)
  expect_lt(size_of(all), 1000 * 480 + 12 * 4096 + 1010 * 32)
  rm(all, x)
  gc()
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("sharing once more what is shared as a whole makes nothing", {
  local_objects()
  kinds <- object_kinds()
  # Functions and the like alone are given back; 300 KiB of kinds are enough.
  for (kind in setdiff(names(kinds), c("nulls", "language", "lengths", "sequence"))) {
    shared <- share(kinds[[kind]])
    received <- unserialize(serialize(shared, NULL))
    # Environments that came one by one are others than those of the object.
    found <- list(shared, received)
    if (kind == "model" && !one_reference) found <- list(shared)
    for (x in found) {
      again <- share(x)
      expect_identical(nrow(listSharedObjects()), 1L, info = kind)
      expect_identical(sharedMemoryId(again), sharedMemoryId(x), info = kind)
    }
    rm(shared, received, found, x, again)
    gc()
  }
  holder <- share(list(share(1:2000 / 2), share(rep("a", 600)), 1:3))
  share(holder)
  before <- sum(listSharedObjects()$size)
  received <- share(unserialize(serialize(holder, NULL)))
  expect_lt(sum(listSharedObjects()$size) - before, if (one_reference) 1 else 4000)
  rm(received)
  gc()
  # What differs in one small thing is another object.
  x <- share(list(a = 1:2000 / 2, b = "small", c = structure(1:3, n = "o")))
  id <- sharedMemoryId(x)
  changes <- list(
    function(x) replace(x, "b", "other"), function(x) x[3:1], function(x) x[1:2],
    function(x) stats::setNames(x, c("a", "b", "d")), function(x) structure(x, k = 1),
    function(x) { attr(x$c, "n") <- NULL; x }, function(x) { x$a[1] <- 0; x },
    function(x) { x$b <- NULL; x }, function(x) list(x)
  )
  for (change in changes) {
    other <- share(change(x), "other")
    expect_identical(other, change(unshare(x)))
    again <- share(change(x))
    expect_false(sharedMemoryId(again) == id)
    expect_identical(again, change(unshare(x)))
    rm(other, again)
    gc()
  }
  rm(x, holder)
  gc()
})

test_that("a forked child holds nothing of its parent's", {
  skip_if_no_fork()
  local_objects()
  values <- stats::runif(1e4)
  a <- share(values)
  outer <- share(list(a))
  job <- parallel::mcparallel({
    mine <- share(list(a, outer)) # a is the parent's: it is copied
    back <- list(mine[[1]][1], listSharedObjects()$size[3] > 16e4)
    rm(outer, a, mine)
    gc()
    back
  })
  expect_identical(parallel::mccollect(job)[[1]], list(values[1], TRUE))
  rm(a)
  gc()
  expect_identical(outer[[1]], values)
  expect_identical(nrow(listSharedObjects()), 2L)
  rm(outer)
  gc()
})
