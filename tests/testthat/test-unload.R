# Views after their package was unloaded, and loaded again.

# All that R does with a vector, on a view of 1, 2, ... 100, against the ordinary one.
use_view <- function(x) {
  y <- as.double(1:100)
  copied <- x
  copied[2] <- -1
  named <- x
  names(named) <- y
  c(
    length = length(x) == 100, element = x[3] == 3, sum = sum(x) == 5050,
    identical = identical(x + 0, y), sorted = identical(order(x), 1:100),
    assigned = identical(c(copied[2], copied[3], x[2]), c(-1, 3, 2)),
    named = identical(named[["7"]], 7), printed = nchar(toString(x)) > 100,
    travels = identical(unserialize(serialize(x, NULL))[100:1], rev(y)),
    by_reference = length(serialize(x, NULL)) < 600,
    looked_at = any(grepl(
      "view of shared", utils::capture.output(.Internal(inspect(x)))
    ))
  )
}

test_that("views outlive an unload, and a reload, as often as one likes", {
  local_clean_shm()
  id <- local_sealed(as.double(1:100))
  answer <- run_in(local_session(), function(id, use) {
    environment(use) <- globalenv()
    views <- list(viewSharedMemory(id))
    used <- list(use(views[[1]]))
    for (i in 1:3) {
      unloadNamespace("sharedmemory")
      gc()
      used <- c(used, lapply(views, use))
      loadNamespace("sharedmemory")
      gc()
      views[[i + 1]] <- sharedmemory::viewSharedMemory(id)
      used <- c(used, lapply(views, use))
    }
    are_views <- vapply(views, sharedmemory::is.shared, NA)
    ids <- vapply(views, sharedmemory::sharedMemoryId, "")
    rm(views)
    gc()
    list(used, are_views, ids)
  }, id, use_view)
  for (used in answer[[1]]) expect_identical(names(used)[!used], character())
  expect_length(answer[[1]], 1 + 1 + 2 + 2 + 3 + 3 + 4)
  expect_identical(answer[[2]], rep(TRUE, 4))
  expect_identical(answer[[3]], rep(id, 4))
})

test_that("what is read in without the package is a view, and maps go in the end", {
  local_clean_shm()
  skip_if_not_linux()
  id <- local_sealed(as.double(1:100))
  answer <- run_in(local_session(), function(id, file, use) {
    environment(use) <- globalenv()
    mapped <- function() sum(endsWith(readLines("/proc/self/maps"), file))
    state <- serialize(viewSharedMemory(id), NULL)
    unloadNamespace("sharedmemory")
    gc()
    before <- mapped()
    x <- unserialize(state)
    used <- use(x)
    during <- mapped()
    # R looks for the package of a view, and may have loaded it.
    if (isNamespaceLoaded("sharedmemory")) unloadNamespace("sharedmemory")
    used <- c(used, use(x))
    rm(x)
    gc()
    list(used, c(before, during > 0, mapped()))
  }, id, segment_file(id), use_view)
  expect_identical(names(answer[[1]])[!answer[[1]]], character())
  expect_equal(answer[[2]], c(0, 1, 0))
})

test_that("a workspace with a view is saved while its package is away", {
  local_clean_shm()
  id <- local_sealed(as.double(1:100))
  image <- tempfile("image")
  withr::defer(unlink(image))
  run_in(local_session(), function(id, image) {
    assign("x", viewSharedMemory(id), envir = globalenv())
    assign("other", "of the workspace", envir = globalenv())
    unloadNamespace("sharedmemory")
    save.image(image)
  }, id, image)
  expect_lt(file.size(image), 2000)
  answer <- run_in(local_session(), function(image) {
    load(image, envir = globalenv())
    list(is.shared(x), sum(x), other)
  }, image)
  expect_identical(answer, list(TRUE, 5050, "of the workspace"))
})

test_that("an error of a view whose package is away is that of the package", {
  local_clean_shm()
  id <- local_sealed(as.double(1:100))
  answer <- run_in(local_session(), function(id) {
    state <- serialize(viewSharedMemory(id), NULL)
    freeSharedMemory(id)
    unloadNamespace("sharedmemory")
    x <- unserialize(state)
    kind <- function() tryCatch(sum(x), error = function(e) class(e)[1])
    if (isNamespaceLoaded("sharedmemory")) unloadNamespace("sharedmemory")
    away <- kind()
    loadNamespace("sharedmemory")
    c(away, kind())
  }, id)
  expect_identical(answer, rep("sharedmemory_error_not_found", 2))
})
