# The C interface for other packages.

# ---- the example packages ------------------------------------------------------------

for (package in c("clientc", "clientcpp")) {
  test_that(paste(package, "and R see the same segments"), {
    local_clean_shm()
    session <- local_client(package)
    # From C to R, ...
    id <- run_in(session, function() client$store(c(3, 1, 4, 1, 5)))
    listed <- listSharedObjects()
    expect_identical(listed$Id, id)
    expect_equal(listed$pid, session$get_pid())
    expect_identical(readSharedMemory(id), c(3, 1, 4, 1, 5))
    sealSharedMemory(id)
    view <- viewSharedMemory(id)
    expect_identical(run_in(session, function(id) client$count(id), id), 5)
    freeSharedMemory(id)
    expect_identical(run_in(session, function(id) client$count(id), id), NA_real_)
    expect_identical(view[], c(3, 1, 4, 1, 5))
    # ... and from R to C.
    id <- allocateSharedMemory(3 * 8, "from R")
    writeSharedMemory(id, c(10, 20, 30))
    answer <- run_in(session, function(id) {
      held <- client$window(id)
      answer <- list(
        total = client$total(id), count = client$count(id),
        window = held[], is_view = isSharedMemoryView(held),
        described = client$describe(id)
      )
      client$release(id)
      c(answer, list(left = hasSharedMemory(id), held = held[]))
    }, id)
    expect_identical(answer[c("total", "count")], list(total = 60, count = 3))
    expect_identical(answer$window, c(10, 20, 30))
    expect_true(answer$is_view)
    expect_identical(unlist(answer$described)[[1]], 24)
    expect_false(answer$left)
    expect_identical(answer$held, c(10, 20, 30))
    expect_identical(objects_in(), basename(control_file()))
  })
}

test_that("the errors of clientc are conditions as of the R functions", {
  local_clean_shm()
  session <- local_client("clientc")
  answer <- run_in(session, function() {
    id <- client$store(1:3, "named")
    client$put(id, 2, 20)
    error_of <- function(code) tryCatch(code, error = identity)
    list(
      value = readSharedMemory(id),
      taken = error_of(client$store(1:3, "named")),
      behind = error_of(client$put(id, 1e4, 1)),
      missing = error_of(client$total("missing")),
      empty = error_of(client$store(numeric()))
    )
  })
  expect_identical(answer$value, c(1, 20, 3))
  kinds <- c(taken = "exists", behind = "bounds", missing = "not_found",
             empty = "argument")
  for (name in names(kinds)) {
    expect_s3_class(answer[[name]], paste0("sharedmemory_error_", kinds[[name]]))
    expect_s3_class(answer[[name]], "clientc_error")
  }
  expect_identical(answer$missing$id, "missing")
  freeSharedMemory("named")
})

test_that("the lifetime of a process is obeyed in C as well", {
  local_clean_shm()
  session <- local_client("clientc")
  run_in(session, function() client$store(1:3, "mortal"))
  expect_true(hasSharedMemory("mortal"))
  expect_true(end_session(session))
  expect_false(hasSharedMemory("mortal"))
})

test_that("four threads work with it while R does too", {
  local_clean_shm()
  session <- local_client("clientcpp")
  answer <- run_in(session, function() {
    crew <- client$start(4)
    end <- Sys.time() + 3
    rounds <- 0
    while (Sys.time() < end) {
      ids <- allocateSharedMemory(c(100, 1e5))
      pointers <- mapSharedMemory(ids)
      writeSharedMemory(ids[1], rounds)
      sealSharedMemory(ids[1])
      view <- viewSharedMemory(ids[1])
      freeSharedMemory(ids)
      stopifnot(view[1] == rounds)
      try(freeSharedMemory("meeting"))
      listSharedObjects()
      releaseSharedObjectPackageData()
      if (rounds %% 20 == 0) gc()
      rounds <- rounds + 1
    }
    c(rounds, client$finish(crew))
  })
  expect_length(answer, 5)
  expect_true(all(answer > 5), label = paste(answer, collapse = " "))
  expect_identical(nrow(listSharedObjects()), 0L)
})

# ---- each function ----------------------------------------------------------------------

test_that("what is allocated is complete, zeroed and described", {
  local_clean_shm()
  use_api()
  expect_identical(expect_ok(api$last_index()), 0)
  id <- expect_ok(api$allocate(1000, lifetime = 1))
  expect_identical(id, "1")
  expect_identical(expect_ok(api$last_index()), 1)
  name <- expect_ok(api$allocate(5000, "caf\u00e9"))
  expect_identical(name, "caf\u00e9")
  expect_identical(expect_ok(api$last_index()), 1)
  expect_identical(sort(listSharedObjects()$Id), sort(c(id, name)))

  handle <- expect_ok(api$map(id, 0))
  sizes <- api$sizes(handle)
  expect_identical(sizes[2], 1000)
  expect_identical(sizes[1], getSharedMemorySize(id))
  expect_identical(api$peek(handle, sizes[1]), raw(sizes[1]))
  expect_identical(expect_ok(api$size_of(id)), sizes)
  expect_identical(expect_ok(api$exists(id)), 1L)
  expect_identical(expect_ok(api$exists("missing")), 0L)

  info <- expect_ok(api$info(id))
  expect_identical(c(info$capacity, info$requested), sizes)
  expect_identical(c(info$state, info$lifetime), c(0, 1))
  expect_identical(info$pid, as.numeric(Sys.getpid()))
  expect_lt(abs(info$created / 1e9 - as.numeric(Sys.time())), 60)
  expect_true(info$generation)
  expect_identical(c(info$tag, info$trace), c("", ""))
  withr::with_envvar(
    c(SHAREDMEMORY_TAG = "a tag"), expect_ok(api$allocate(1, "tagged"))
  )
  expect_identical(expect_ok(api$info("tagged"))$tag, "a tag")

  expect_ok(api$fill(id, as.raw(1:5), 10))
  expect_identical(api$peek(handle, 16), as.raw(c(rep(0, 10), 1:5, 0)))
  api$poke(handle, as.raw(9))
  expect_identical(readSharedMemory(id, "raw", 1), as.raw(9))
  api$unmap(handle)
  for (id in c("1", name, "tagged")) expect_ok(api$free(id))
  expect_ok(api$free("1"))
  expect_identical(expect_ok(api$exists("1")), 0L)
})

test_that("a name that exists is opened if it is large enough", {
  local_clean_shm()
  use_api()
  expect_ok(api$allocate(100, "x"))
  expect_identical(expect_ok(api$allocate(100, "x")), "x")
  expect_code(api$allocate(100, "x", exclusive = 1), "exists", "x")
  refused <- expect_code(api$allocate(1e6, "x"), "too_small", "x")
  expect_identical(refused$value, "untouched")
  expect_ok(api$free("x"))
})

test_that("every handle is a mapping of its own", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  gc() # views of other tests
  id <- expect_ok(api$allocate(100))
  first <- expect_ok(api$map(id, 0))
  second <- expect_ok(api$map(id, 1))
  expect_identical(count_mapped(), 2L)
  api$poke(first, as.raw(7))
  # R's mappings are not concerned, nor are they.
  pointer <- mapSharedMemory(id)
  freeSharedMemory(id)
  expect_identical(api$peek(second, 1), as.raw(7))
  api$unmap(first)
  expect_identical(api$peek(second, 1), as.raw(7))
  expect_code(api$map(id), "not_found", id)
  api$unmap(second)
  expect_identical(count_mapped(), 0L)
})

test_that("kinds are those of the R conditions", {
  use_api()
  expect_identical(vapply(seq_along(api_codes), api$kind, ""), api_codes)
  for (code in c(0, -1, length(api_codes) + 1, 1e6)) {
    expect_identical(api$kind(code), "system")
  }
})

# ---- errors --------------------------------------------------------------------------------

test_that("every function refuses what is not there, with a record", {
  local_clean_shm()
  use_api()
  expect_code(api$map("missing"), "not_found", "missing")
  expect_code(api$size_of("missing"), "not_found", "missing")
  expect_code(api$info("missing"), "not_found", "missing")
  expect_code(api$fill("missing", raw(1)), "not_found", "missing")
  answer <- api$size_of("missing")
  expect_identical(answer$value, c(7, 7)) # as it was
})

test_that("what cannot be an id is refused by every function", {
  local_clean_shm()
  use_api()
  bad <- list(
    NULL, "", strrep("a", 201), strrep("a", 1e5), as.raw(c(0xff, 0)),
    as.raw(c(0x61, 0xc3, 0)), "a/b", "a\nb", "/", "/.", "/..",
    paste0("/", basename(control_file())), paste0("/", basename(segment_file("x")))
  )
  before <- shared_state()
  for (id in bad) {
    if (!is.null(id)) {
      expect_code(api$allocate(1, id), "argument", message = "the id")
    }
    for (fun in c("map", "free", "exists", "size_of", "info")) {
      expect_code(api[[fun]](id), "argument", message = "the id")
    }
    expect_code(api$fill(id, raw(1)), "argument", message = "the id")
  }
  longest <- strrep("a", 200)
  expect_identical(expect_ok(api$allocate(1, longest)), longest)
  error <- expect_code(api$allocate(1, longest, exclusive = 1), "exists", longest)
  expect_match(error$error$message, longest)
  expect_ok(api$free(longest))
  expect_identical(shared_state()$objects, c(before$objects, basename(control_file())))
})

test_that("sizes and lifetimes are checked", {
  local_clean_shm()
  use_api()
  for (bytes in c(0, 2^53 + 2, 2^63)) {
    expect_code(api$allocate(bytes), "argument", message = "2\\^53")
  }
  for (lifetime in c(-1, 2)) {
    expect_code(api$allocate(1, lifetime = lifetime), "argument", message = "lifetime")
  }
  id <- expect_ok(api$allocate(100))
  capacity <- getSharedMemorySize(id)
  expect_code(api$fill(id, raw(10), capacity - 9), "bounds", id)
  expect_code(api$fill(id, raw(1), 2^53), "bounds", id)
  expect_code(api$fill(id, raw(1), 0, 2^63), "bounds", id)
  expect_ok(api$fill(id, raw(10), capacity - 10))
  expect_ok(api$fill(id, raw(), capacity))
  expect_ok(api$free(id))
})

test_that("pointers may be NULL where the header says so, and are refused elsewhere", {
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(100))
  handle <- expect_ok(api$map(id))
  expect_identical(.Call("api_without_pointers", id, handle), rep(1L, 10))
  expect_identical(.Call("api_without_errors", id), c(0L, 0L, 0L, 1L))
  api$unmap(handle)
  expect_ok(api$free(id))
})

test_that("what the system refuses comes back as a code", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  expect_code(api$allocate(2^50, "vast"), "no_space", "vast")
  # Damaged, and what is no segment at all.
  plant_damaged()
  for (id in setdiff(damaged_ids, "directory")) {
    expect_code(api$map(id), "corrupt", id)
    expect_code(api$exists(id), "corrupt", id)
    expect_identical(expect_ok(api$info(id))$state, 4)
  }
  remove_damaged()
  # Another program's, which has no size, or one that nobody can map.
  raw <- paste0("/", this_namespace(), "-other")
  file.create(file.path("/dev/shm", raw))
  expect_code(api$map(raw), "bounds", raw)
  expect_code(api$allocate(1, raw), "argument", raw)
  skip_if_not(has_tool("truncate"), "no truncate")
  system2("truncate", c("-s", "1P", shQuote(file.path("/dev/shm", raw))))
  expect_code(api$map(raw), "no_memory", raw)
  system2("truncate", c("-s", "100", shQuote(file.path("/dev/shm", raw))))
  expect_ok(api$fill(raw, charToRaw("other")))
  handle <- expect_ok(api$map(raw))
  expect_identical(api$sizes(handle), c(100, 100))
  expect_identical(api$peek(handle, 5), charToRaw("other"))
  expect_ok(api$free(raw))
  expect_false(file.exists(file.path("/dev/shm", raw)))
  api$unmap(handle)
})

test_that("a control object that is none is an error of its own", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  dir.create(control_file())
  expect_code(api$allocate(1), "control")
  expect_code(api$last_index(), "control")
  unlink(control_file(), recursive = TRUE)
})

test_that("another user's segment is refused", {
  skip_if_not_root()
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(1))
  give_to_other_user(id)
  for (fun in c("map", "free", "exists", "size_of", "info")) {
    expect_code(api[[fun]](id), "permission", id)
  }
  expect_code(api$fill(id, raw(1)), "permission", id)
  unlink(segment_file(id))
})

test_that("one that its creator does not finish is busy", {
  local_clean_shm()
  use_api()
  session <- local_stopped_creator()
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "0.1")
  expect_code(api$map("slow"), "busy", "slow", "SHAREDMEMORY_TIMEOUT")
  expect_code(api$exists("slow"), "busy", "slow")
  expect_code(api$allocate(1, "slow"), "busy", "slow")
  go_on(session)
  expect_identical(expect_ok(api$exists("slow")), 1L)
  expect_ok(api$free("slow"))
})

test_that("the limits of a process come back as codes", {
  skip_if_not_linux()
  skip_on_cran()
  local_clean_shm()
  use_native()
  session <- local_session()
  use_api(session)
  use_native(session)
  id <- expect_ok(api$allocate(1))
  answer <- run_in(session, function(id) {
    numbers <- 0:1000
    taken <- file.exists(paste0("/proc/self/fd/", numbers))
    limit_files(numbers[!taken][1])
    files <- api$map(id)
    limit_files(1000)
    files
  }, id)
  expect_code(answer, "too_many_files", id)
  skip_if(as.numeric(readLines("/proc/sys/vm/max_map_count")) > 1e5)
  answer <- run_in(session, function(id) {
    handles <- list()
    repeat {
      answer <- api$map(id)
      if (answer$code != 0) break
      handles[[length(handles) + 1]] <- answer$value
    }
    lapply(handles, api$unmap)
    list(answer = answer, again = api$map(id)$code)
  }, id)
  expect_code(answer$answer, "too_many_maps", id)
  expect_identical(answer$again, 0L)
  expect_ok(api$free(id))
})

# ---- structs of other sizes ----------------------------------------------------------------

test_that("shorter structs of older clients are not written beyond their size", {
  local_clean_shm()
  use_api()
  sizes <- .Call("api_sizes_of_structs")
  is_filled <- function(bytes) all(bytes == as.raw(0xaa))
  for (size in c(0, 4, 8, 12, 16, 100, 217, sizes[1], sizes[1] + 8, 4096)) {
    bytes <- .Call("api_error_of_size", size)
    end <- max(8, min(size, sizes[1]))
    expect_true(is_filled(bytes[-seq_len(end)]), info = size)
    expect_identical(readBin(bytes, "integer", 1), as.integer(size))
    if (size >= 12) {
      expect_identical(readBin(bytes[9:12], "integer"), 2L) # not_found
    }
  }
  id <- expect_ok(api$allocate(100))
  for (size in c(8, 12, 16, 24, 100, sizes[2], sizes[2] + 8, 4096)) {
    bytes <- expect_ok(.Call("api_info_of_size", id, size))
    end <- min(size, sizes[2])
    expect_true(is_filled(bytes[-seq_len(end)]), info = size)
    expect_false(size > 8 && is_filled(bytes[9:end]))
  }
  for (size in c(0, 7)) {
    expect_code(.Call("api_info_of_size", id, size), "argument", id, "size")
    expect_code(.Call("api_request_of_size", size, 100), "argument", message = "size")
  }
  # Of a request that ends behind the bytes the rest is as by default.
  name <- expect_ok(.Call("api_request_of_size", 16, 100))
  expect_identical(name, "2")
  expect_identical(expect_ok(api$size_of(name))[2], 100)
  freeSharedMemory(c(id, name))
})

# ---- R's pointers ----------------------------------------------------------------------------

test_that("a free in C leaves R's pointers until the next call of the package", {
  local_clean_shm()
  use_api()
  use_native()
  calls <- list(
    hasSharedMemory, getSharedMemorySize, inspectSharedMemory,
    readSharedMemory, viewSharedMemory, mapSharedMemory, unmapSharedMemory,
    freeSharedMemory, sharedMemoryId, isSharedMemoryView,
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

# ---- views ---------------------------------------------------------------------------------------

test_that("views are made of a handle, which may go", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(64))
  handle <- expect_ok(api$map(id, 0))
  writeSharedMemory(id, c(1.5, 2.5, 0, 0))
  expect_code(api$view(handle), "unsealed", id, "sealSharedMemory")
  expect_code(api$view(handle, 1, live = 1), "argument", id, "logical")
  live <- expect_ok(api$view(handle, 3, 8, 3, live = 1))
  expect_identical(live[1], 2.5)
  writeSharedMemory(id, -1, offset = 8)
  expect_identical(live[1], -1)
  expect_ok(api$seal(id))
  expect_ok(api$seal(id))
  expect_code(api$fill(id, raw(1)), "sealed", id)
  expect_code(api$map(id, 0), "sealed", id)
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
  api$unmap(handle)
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
  expect_ok(api$fill(id, as.raw(c(1, 0, 0, 0, 2))))
  expect_code(api$seal("absent"), "not_found", "absent")
  expect_code(api$seal("/raw"), "argument", "/raw")
  expect_ok(api$seal(id))
  handle <- expect_ok(api$map(id))
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
    expect_code(api$view(handle, 3, range[1], range[2]), "bounds", id, "asked for")
  }
  expect_code(.Call("api_view_on_thread", handle), "argument", message = "thread")
  expect_ok(api$free(id))
  expect_code(api$view(handle), "not_found", id)
  expect_ok(api$allocate(64, "viewed"))
  expect_code(api$view(handle), "replaced", id)
  expect_ok(api$free(id))
  api$unmap(handle)
  gc()
  expect_identical(count_mapped(), 0L)
})

# ---- interrupts, forks ------------------------------------------------------------------------

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
    handle <- api$map(id, 0)$value
    api$poke(handle, as.raw(1))
    child <- parallel::mcparallel({
      seen <- api$peek(handle, 1)
      api$poke(handle, as.raw(2))
      own <- api$allocate(100, "childs", lifetime = 1)
      info <- api$info("childs")$value
      again <- api$map(id)
      api$unmap(handle)
      api$unmap(again$value)
      api$free("childs")
      list(seen = seen, codes = c(own$code, again$code), pid = info$pid)
    })
    answer <- parallel::mccollect(child)[[1]]
    answer$child <- child$pid
    answer$seen <- c(answer$seen, api$peek(handle, 1))
    answer$left <- listSharedObjects()$Id
    api$unmap(handle)
    api$free(id)
    answer
  })
  expect_identical(answer$seen, as.raw(1:2))
  expect_identical(answer$codes, c(0L, 0L))
  expect_identical(answer$pid, as.numeric(answer$child))
  expect_identical(answer$left, "parents")
})

# ---- versions -----------------------------------------------------------------------------------

read_header <- function() {
  readLines(file.path(installed_headers(), "sharedmemory.h"))
}

header_folder <- function(lines) {
  folder <- tempfile("include")
  dir.create(folder)
  writeLines(lines, file.path(folder, "sharedmemory.h"))
  folder
}

# Each must be there, or the test tests nothing.
edit <- function(lines, ...) {
  changes <- c(...)
  text <- paste(lines, collapse = "\n")
  for (old in names(changes)) {
    stopifnot(grepl(old, text))
    text <- sub(old, changes[[old]], text)
  }
  text
}

test_that("a client of an older header works", {
  local_clean_shm()
  native_library("handshake")
  # The table ends before view(), the structs before their last members.
  old <- edit(
    read_header(),
    "(#define SHAREDMEMORY_API_VERSION) 1" = "\\1 0",
    "int \\(\\*view\\).*(\\} sharedmemory_api;)" = "\\1",
    "char message\\[1024\\];[^\n]*" = "",
    "(sizeof\\(sharedmemory_error\\), 0, 0, \\{0\\}), \\{0\\}" = "\\1",
    "char tag\\[64\\];[^\n]*\n[^\n]*char trace\\[256\\];[^\n]*" = "",
    "(sizeof\\(sharedmemory_info\\)[^{}]*), \\{0\\}, \\{0\\}" = "\\1"
  )
  session <- local_session()
  answer <- run_in(session, function(built) {
    dyn.load(built)
    list(works = .Call("handshake_works"), sizes = .Call("handshake_sizes"))
  }, build_native("handshake", header_folder(old)))
  expect_identical(answer$works, "")
  expect_lt(answer$sizes[1], answer$sizes[2])
  expect_identical(answer$sizes[3:4], c(0, 1))
})

test_that("a client of today's header works", {
  local_clean_shm()
  session <- local_session()
  answer <- run_in(session, function(built) {
    dyn.load(built)
    list(works = .Call("handshake_works"), sizes = .Call("handshake_sizes"))
  }, native_library("handshake"))
  expect_identical(answer$works, "")
  expect_identical(answer$sizes[1], answer$sizes[2])
  expect_identical(answer$sizes[3:4], c(1, 1))
})

test_that("a client of a newer header is refused when it is loaded", {
  local_clean_shm()
  native_library("handshake")
  more <- c("(\\} sharedmemory_api;)" = "int (*one_more)(void);\n\\1")
  higher <- c("(#define SHAREDMEMORY_API_VERSION) 1" = "\\1 2")
  session <- local_session()
  # The version decides; a header of development, with none of its own yet, does not
  # get through either.
  for (changes in list(c(more, higher), higher, more)) {
    built <- build_native("handshake", header_folder(edit(read_header(), changes)))
    expect_true(nzchar(built))
    message <- run_in(session, function(built) {
      tryCatch(
        {
          dyn.load(built)
          "no error at all"
        },
        error = conditionMessage
      )
    }, built)
    version <- if (identical(changes, more)) 1 else 2
    expect_match(message, sprintf(
      "handshake was built for version %d .* has version 1: update sharedmemory",
      version
    ))
  }
})

# ---- the header, and its page -----------------------------------------------------------------

compiles <- function(compiler, options, file) {
  r_headers <- c("-isystem", shQuote(R.home("include")))
  log <- suppressWarnings(system2(
    compiler, c(
      options, "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror",
      r_headers, "-I", shQuote(installed_headers()), "-fsyntax-only", shQuote(file)
    ),
    stdout = TRUE, stderr = TRUE
  ))
  status <- attr(log, "status")
  expect_true(is.null(status), label = paste(compiler, basename(file)), info = log)
}

test_that("the header and the examples are clean C99 and C++11", {
  skip_on_cran()
  skip_on_os("windows")
  uses <- c(
    "#include <sharedmemory.h>",
    "const sharedmemory_api *client(void);",
    "const sharedmemory_api *client(void) { return sharedmemory_init(\"client\"); }"
  )
  # Also behind R's headers, with the macros that they make.
  all <- c("#include <R.h>", "#include <Rinternals.h>", uses)
  sources <- list(c = tempfile(fileext = ".c"), cpp = tempfile(fileext = ".cpp"))
  example <- function(...) {
    system.file("examples", ..., package = "sharedmemory", mustWork = TRUE)
  }
  compilers <- list(
    c("gcc", "-std=c99", "c"), c("clang", "-std=c99", "c"),
    c("g++", "-std=c++11", "cpp"), c("clang++", "-std=c++11", "cpp")
  )
  compilers <- Filter(function(compiler) has_tool(compiler[1]), compilers)
  skip_if(length(compilers) == 0, "no compiler of a known name")
  for (compiler in compilers) {
    file <- sources[[compiler[3]]]
    for (text in list(uses, all)) {
      writeLines(text, file)
      compiles(compiler[1], compiler[2], file)
    }
    compiles(compiler[1], compiler[2], switch(compiler[3],
      c = example("clientc", "src", "clientc.c"),
      cpp = example("clientcpp", "src", "clientcpp.cpp")
    ))
  }
})

# The names of the members of the table.
members <- function() {
  header <- paste(read_header(), collapse = "\n")
  table <- sub("\\} sharedmemory_api;.*", "", sub(
    ".*typedef struct sharedmemory_api \\{", "", header
  ))
  found <- regmatches(table, gregexpr("\\(\\*[a-z_]+\\)", table))[[1]]
  gsub("[(*)]", "", found)
}

test_that("every function of the table is called by both examples", {
  expect_gte(length(members()), 14)
  for (file in c("clientc/src/clientc.c", "clientcpp/src/clientcpp.cpp")) {
    text <- readLines(system.file("examples", file, package = "sharedmemory"))
    called <- vapply(members(), function(name) {
      any(grepl(paste0("shm->", name, "[(,]"), text))
    }, NA)
    expect_identical(names(called)[!called], character(), info = file)
  }
})

test_that("the help page shows the header as it is", {
  database <- tools::Rd_db("sharedmemory")
  page <- database[["sharedmemory-c-api.Rd"]]
  shown <- trimws(utils::capture.output(tools::Rd2txt(page)))
  for (name in members()) {
    expect_true(any(grepl(paste0("(*", name, ")"), shown, fixed = TRUE)), info = name)
  }
  header <- read_header()
  said <- header[-seq_len(grep("---- errors", header) - 1)]
  said <- said[seq_len(max(grep("#ifdef", said)) - 1)]
  expect_gt(length(said), 200)
  expect_identical(setdiff(trimws(said), shown), character())
})
