# The id of what is shared: sharedMemoryId() never names a stranger's segment.

makers <- list(
  view = function(id) viewSharedMemory(id, live = TRUE), array = sharedArray
)

test_that("the id is that of the segment, or of nothing", {
  local_clean_shm()
  for (make in makers) {
    id <- allocateSharedMemory(80)
    x <- make(id)
    expect_identical(sharedMemoryId(x), id)
    expect_identical(sharedMemoryId(x, full = TRUE), paste0(this_namespace(), ":", id))
    freeSharedMemory(id)
    expect_identical(sharedMemoryId(x), id)
    rm(x)
    gc()
  }
  expect_identical(sharedMemoryId(1, full = TRUE), NA_character_)
  expect_refused(sharedMemoryId(1, full = NA))
})

test_that("a name that another segment has taken is NA", {
  local_clean_shm()
  for (make in makers) {
    allocateSharedMemory(80, "a")
    x <- make("a")
    sent <- serialize(x, NULL)
    freeSharedMemory("a")
    allocateSharedMemory(80, "a")
    for (each in list(x, unserialize(sent))) {
      expect_identical(sharedMemoryId(each), NA_character_)
      expect_match(sharedMemoryId(each, full = TRUE), ":a$")
    }
    freeSharedMemory("a")
    expect_identical(sharedMemoryId(x), "a")
    rm(x, each)
    gc()
  }
})

test_that("an id of another namespace is NA, with a way to see it in full", {
  local_clean_shm()
  other <- local_namespace()
  session <- local_session(other)
  for (make in makers) {
    id <- allocateSharedMemory(80)
    answer <- run_in(session, function(x) {
      # A stranger's of the same number, which a free must not hit.
      allocateSharedMemory(80)
      there <- listSharedObjects()$Id
      id <- sharedMemoryId(x)
      full <- sharedMemoryId(x, full = TRUE)
      rm(x)
      gc()
      freeSharedMemory(there)
      list(there, id, full)
    }, make(id))
    expect_identical(answer[[2]], NA_character_)
    expect_identical(answer[[3]], paste0(this_namespace(), ":", id))
    freeSharedMemory(id)
    gc()
  }
})

test_that("who holds a view or an array keeps its number from coming back", {
  skip_if_not_linux()
  for (make in makers) {
    namespace <- local_namespace()
    owner <- local_session(namespace)
    holder <- local_session(namespace)
    sent <- run_in(owner, function(make) {
      id <- allocateSharedMemory(80)
      serialize(make(id), NULL)
    }, make)
    run_in(holder, function(sent) {
      x <<- unserialize(sent)
      x[1]
    }, sent)
    run_in(owner, function() {
      freeSharedMemory("1")
      gc()
      releaseSharedObjectPackageData()
    })
    owner$close()
    third <- local_session(namespace)
    made <- run_in(third, function() {
      id <- allocateSharedMemory(80)
      releaseSharedObjectPackageData()
      id
    })
    expect_identical(made, "2")
    left <- run_in(holder, function() {
      id <- sharedMemoryId(x)
      freeSharedMemory(id)
      rm(x, envir = globalenv())
      gc()
      there <- hasSharedMemory("2")
      freeSharedMemory("2")
      releaseSharedObjectPackageData()
      list(id, there)
    })
    expect_identical(left, list("1", TRUE))
  }
})
