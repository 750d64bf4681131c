# The C interface for other packages, where it meets R: pointers, views, interrupts.

# ---- R's pointers --------------------------------------------------------------------

test_that("a free in C leaves R's pointers until the next call of the package", {
  local_clean_shm()
  use_api()
  use_native()
  calls <- list(
    hasSharedMemory, getSharedMemorySize, inspectSharedMemory,
    readSharedMemory, viewSharedMemory, mapSharedMemory, unmapSharedMemory,
    freeSharedMemory, sharedMemoryId, is.shared,
    function(id) allocateSharedMemory(1, "other"),
    function(id) writeSharedMemory(id, 1), function(id) getLastIndex(),
    function(id) listSharedObjects(), function(id) sharedMemoryStatus(),
    function(id) reclaimSharedMemory(),
    function(id) initialSharedObjectPackageData(),
    function(id) releaseSharedObjectPackageData()
  )
  for (call in calls) for (free in c("api_free", "api_free_on_thread")) {
    id <- allocateSharedMemory(100)
    pointers <- list(mapSharedMemory(id), mapSharedMemory(id, readonly = TRUE))
    poke(pointers[[1]], charToRaw("good"))
    expect_ok(.Call(free, id))
    expect_identical(expect_ok(api$exists(id)), 0L)
    for (pointer in pointers) {
      expect_identical(peek(pointer, 4), charToRaw("good"))
    }
    try(call(id), silent = TRUE)
    for (pointer in pointers) expect_true(is_null(pointer))
  }
  freeSharedMemory("other")
  expect_identical(count_mapped(), 0L)
})

test_that("a segment freed in C can be had again by the same name", {
  local_clean_shm()
  use_api()
  use_native()
  for (i in 1:3) {
    allocateSharedMemory(100, "again")
    pointer <- mapSharedMemory("again")
    expect_identical(peek(pointer, 1), as.raw(0))
    poke(pointer, as.raw(i))
    expect_ok(.Call("api_free_on_thread", "again"))
  }
  expect_identical(peek(pointer, 1), as.raw(3))
  allocateSharedMemory(100, "again")
  expect_true(is_null(pointer))
  freeSharedMemory("again")
})

# ---- views ---------------------------------------------------------------------------

test_that("views are made of a handle, which may go", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(64))
  handle <- expect_ok(api$open(id, 0))
  writeSharedMemory(id, c(1.5, 2.5, 0, 0))
  expect_code(api$view(handle), "unsealed", id, "sealSharedMemory")
  expect_code(api$view(handle, 1, live = 1), "argument", id, "logical")
  live <- expect_ok(api$view(handle, 3, 8, 3, live = 1))
  expect_identical(live[1], 2.5)
  writeSharedMemory(id, -1, offset = 8)
  expect_identical(live[1], -1)
  expect_ok(api$seal(id))
  expect_ok(api$seal(id))
  expect_code(api$write(id, raw(1)), "sealed", id)
  expect_code(api$open(id, 0), "sealed", id)
  types <- c("raw", "logical", "integer", "double", "complex")
  for (type in seq_along(types)) {
    x <- expect_ok(api$view(handle, type - 1, 16, 2))
    expect_identical(x, viewSharedMemory(id, types[type], 2, 16))
    expect_identical(sharedMemoryId(x), id)
  }
  value <- expect_ok(api$view(handle, 3, 8, 3))
  changed <- value
  changed[1] <- 7
  expect_identical(value[1], -1)
  whole <- expect_ok(api$view(handle, 3, 0, api$sizes(handle)[1] / 8))
  expect_length(whole, getSharedMemorySize(id) / 8)
  none <- expect_ok(api$view(handle, 3, api$sizes(handle)[1], 0))
  expect_length(none, 0)
  # They have mappings of their own, which the garbage collector takes away.
  api$close(handle)
  expect_ok(api$free(id))
  gc()
  expect_identical(value[1], -1)
  expect_identical(whole[2], -1)
  rm(x, live, value, changed, whole, none)
  gc()
  expect_identical(count_mapped(), 0L)
})

test_that("views that cannot be are refused", {
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(64, "viewed"))
  expect_ok(api$write(id, as.raw(c(1, 0, 0, 0, 2))))
  expect_code(api$seal("absent"), "not_found", "absent")
  expect_code(api$seal("/raw"), "argument", "/raw")
  expect_ok(api$seal(id))
  handle <- expect_ok(api$open(id))
  expect_ok(api$view(handle, 1, 0, 1))
  expect_code(api$view(handle, 1, 0, 2), "argument", id, "element 2 is 2")
  capacity <- api$sizes(handle)[1]
  for (type in c(-1, 5, 1e6)) {
    expect_code(api$view(handle, type), "argument", id, "type")
  }
  expect_code(api$view(handle, 3, 4, 1), "argument", id, "multiple")
  expect_code(api$view(handle, 4, 8, 1), "argument", id, "multiple")
  for (range in list(
    c(0, capacity / 8 + 1), c(capacity, 1), c(capacity + 8, 0),
    c(2^52, 1), c(8, 2^61), c(0, 2^63)
  )) {
    expect_code(api$view(handle, 3, range[1], range[2]), "bounds", id, "go beyond")
  }
  expect_code(.Call("api_view_on_thread", handle), "argument", message = "thread")
  expect_ok(api$free(id))
  expect_code(api$view(handle), "not_found", id)
  expect_ok(api$allocate(64, "viewed"))
  expect_code(api$view(handle), "replaced", id)
  expect_ok(api$free(id))
  api$close(handle)
  gc()
  expect_identical(count_mapped(), 0L)
})

# ---- interrupts, forks ---------------------------------------------------------------

test_that("Ctrl-C in C comes back as a code, and R goes on", {
  skip_on_cran()
  skip_if_less_room(2^30)
  local_clean_shm()
  use_api()
  size <- min(room_for_tests(), 4 * 2^30) %/% 1
  process <- start_r(function(size, built, api) {
    library(sharedmemory)
    dyn.load(built)
    handled <- 0
    # Calling handlers are told, jumps do not take place.
    first <- tryCatch(
      withCallingHandlers(
        api$allocate(size, "large"),
        interrupt = function(e) handled <<- handled + 1
      ),
      interrupt = function(e) "jumped"
    )
    second <- tryCatch(
      api$allocate(size, "larger"),
      interrupt = function(e) "jumped"
    )
    left <- listSharedObjects()$Id
    id <- allocateSharedMemory(10)
    sealSharedMemory(id)
    result <- list(first = first, second = second, handled = handled, left = left,
                   sum = sum(viewSharedMemory(id, "raw") == 0))
    freeSharedMemory(id)
    result
  }, size, native_library("api"), api)
  for (name in c("large", "larger")) {
    there <- function() {
      file.exists(segment_file(name)) || !process$is_alive()
    }
    expect_true(eventually(there), label = name)
    process$interrupt()
  }
  answer <- result_of(process)
  expect_code(answer$first, "interrupted", "large")
  expect_code(answer$second, "interrupted", "larger")
  expect_identical(answer$handled, 1)
  expect_identical(answer$left, character())
  expect_identical(answer$sum, 10L)
})

test_that("a forked child has its own handles, and segments of its own", {
  skip_if_no_fork()
  local_clean_shm()
  session <- local_session()
  use_api(session)
  answer <- run_in(session, function() {
    id <- api$allocate(100, "parents", lifetime = 1)$value
    handle <- api$open(id, 0)$value
    api$poke(handle, as.raw(1))
    child <- parallel::mcparallel({
      seen <- api$peek(handle, 1)
      api$poke(handle, as.raw(2))
      own <- api$allocate(100, "childs", lifetime = 1)
      info <- api$inspect("childs")$value
      again <- api$open(id)
      api$close(handle)
      api$close(again$value)
      api$free("childs")
      list(seen = seen, codes = c(own$code, again$code), pid = info$pid)
    })
    answer <- parallel::mccollect(child)[[1]]
    answer$child <- child$pid
    answer$seen <- c(answer$seen, api$peek(handle, 1))
    answer$left <- listSharedObjects()$Id
    api$close(handle)
    api$free(id)
    answer
  })
  expect_identical(answer$seen, as.raw(1:2))
  expect_identical(answer$codes, c(0L, 0L))
  expect_identical(answer$pid, as.numeric(answer$child))
  expect_identical(answer$left, "parents")
})
