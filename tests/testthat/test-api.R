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
        window = held[], is_view = is.shared(held),
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

# ---- each function -------------------------------------------------------------------

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

  handle <- expect_ok(api$open(id, 0))
  sizes <- api$sizes(handle)
  expect_identical(sizes[2], 1000)
  expect_identical(sizes[1], getSharedMemorySize(id))
  expect_identical(api$peek(handle, sizes[1]), raw(sizes[1]))
  expect_identical(expect_ok(api$extent(id)), sizes)
  expect_identical(expect_ok(api$exists(id)), 1L)
  expect_identical(expect_ok(api$exists("missing")), 0L)

  info <- expect_ok(api$inspect(id))
  expect_identical(c(info$capacity, info$requested), sizes)
  expect_identical(c(info$state, info$lifetime), c(0, 1))
  expect_identical(info$pid, as.numeric(Sys.getpid()))
  expect_lt(abs(info$created / 1e9 - as.numeric(Sys.time())), 60)
  expect_true(info$generation)
  expect_identical(c(info$tag, info$trace), c("", ""))
  withr::with_envvar(
    c(SHAREDMEMORY_TAG = "a tag"), expect_ok(api$allocate(1, "tagged"))
  )
  expect_identical(expect_ok(api$inspect("tagged"))$tag, "a tag")

  expect_ok(api$write(id, as.raw(1:5), 10))
  expect_identical(api$peek(handle, 16), as.raw(c(rep(0, 10), 1:5, 0)))
  api$poke(handle, as.raw(9))
  expect_identical(readSharedMemory(id, "raw", 1), as.raw(9))
  api$close(handle)
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
  first <- expect_ok(api$open(id, 0))
  second <- expect_ok(api$open(id, 1))
  expect_identical(count_mapped(), 2L)
  api$poke(first, as.raw(7))
  # R's mappings are not concerned, nor are they.
  pointer <- mapSharedMemory(id)
  freeSharedMemory(id)
  expect_identical(api$peek(second, 1), as.raw(7))
  api$close(first)
  expect_identical(api$peek(second, 1), as.raw(7))
  expect_code(api$open(id), "not_found", id)
  api$close(second)
  expect_identical(count_mapped(), 0L)
})

test_that("kinds are those of the R conditions", {
  use_api()
  expect_identical(vapply(seq_along(api_codes), api$error_kind, ""), api_codes)
  for (code in c(0, -1, length(api_codes) + 1, 1e6)) {
    expect_identical(api$error_kind(code), "system")
  }
})

# ---- errors --------------------------------------------------------------------------

test_that("every function refuses what is not there, with a record", {
  local_clean_shm()
  use_api()
  expect_code(api$open("missing"), "not_found", "missing")
  expect_code(api$extent("missing"), "not_found", "missing")
  expect_code(api$inspect("missing"), "not_found", "missing")
  expect_code(api$write("missing", raw(1)), "not_found", "missing")
  answer <- api$extent("missing")
  expect_identical(answer$value, c(7, 7)) # as it was
})

test_that("what cannot be an id is refused by every function", {
  local_clean_shm()
  use_api()
  bad <- list(
    "", strrep("a", 201), strrep("a", 1e5), as.raw(c(0xff, 0)),
    as.raw(c(0x61, 0xc3, 0)), "a/b", "a\nb", "/", "/.", "/..",
    paste0("/", basename(control_file())), paste0("/", basename(segment_file("x")))
  )
  before <- shared_state()
  for (id in bad) {
    expect_code(api$allocate(1, id), "argument", NULL, "the id |other program")
    for (fun in c("open", "free", "exists", "extent", "inspect", "latch_open")) {
      expect_code(api[[fun]](id), "argument", NULL, "the id |other program")
    }
    expect_code(api$write(id, raw(1)), "argument", NULL, "the id |other program")
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
  expect_code(api$write(id, raw(10), capacity - 9), "bounds", id)
  expect_code(api$write(id, raw(1), 2^53), "bounds", id)
  expect_code(api$write(id, raw(1), 0, 2^63), "bounds", id)
  expect_ok(api$write(id, raw(10), capacity - 10))
  expect_ok(api$write(id, raw(), capacity))
  expect_ok(api$free(id))
})

test_that("pointers may be NULL where the header says so", {
  local_clean_shm()
  use_api()
  id <- expect_ok(api$allocate(100))
  expect_identical(.Call("api_without_errors", id), c(0L, 0L, 1L))
  expect_ok(api$free(id))
})

test_that("what the system refuses comes back as a code", {
  skip_if_not_linux()
  local_clean_shm()
  use_api()
  expect_code(api$allocate(2^50, "vast"), "no_space", "vast")
  # Damaged, and what is not a segment at all.
  plant_damaged()
  for (id in setdiff(damaged_ids, "directory")) {
    expect_code(api$open(id), "corrupt", id)
    expect_code(api$exists(id), "corrupt", id)
    expect_identical(expect_ok(api$inspect(id))$state, 4)
  }
  remove_damaged()
  # Another program's, which has no size, or one that nobody can map.
  raw <- paste0("/", this_namespace(), "-other")
  file.create(file.path("/dev/shm", raw))
  expect_code(api$open(raw), "bounds", raw)
  expect_code(api$allocate(1, raw), "argument", raw)
  skip_if_not(has_tool("truncate"), "no truncate")
  system2("truncate", c("-s", "1P", shQuote(file.path("/dev/shm", raw))))
  expect_code(api$open(raw), "no_memory", raw)
  system2("truncate", c("-s", "100", shQuote(file.path("/dev/shm", raw))))
  expect_ok(api$write(raw, charToRaw("other")))
  handle <- expect_ok(api$open(raw))
  expect_identical(api$sizes(handle), c(100, 100))
  expect_identical(api$peek(handle, 5), charToRaw("other"))
  expect_ok(api$free(raw))
  expect_false(file.exists(file.path("/dev/shm", raw)))
  api$close(handle)
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
  for (fun in c("open", "free", "exists", "extent", "inspect", "latch_open")) {
    expect_code(api[[fun]](id), "permission", id)
  }
  expect_code(api$write(id, raw(1)), "permission", id)
  unlink(segment_file(id))
})

test_that("one that its creator does not finish is busy", {
  local_clean_shm()
  use_api()
  session <- local_stopped_creator()
  withr::local_envvar(SHAREDMEMORY_TIMEOUT = "0.1")
  # What is being made is not there yet; only a process that wants to make it waits.
  expect_code(api$open("slow"), "not_found", "slow")
  expect_identical(expect_ok(api$exists("slow")), 0L)
  expect_code(api$allocate(1, "slow"), "busy", "slow", "SHAREDMEMORY_TIMEOUT")
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
    files <- api$open(id)
    limit_files(1000)
    files
  }, id)
  expect_code(answer, "too_many_files", id)
  skip_if(as.numeric(readLines("/proc/sys/vm/max_map_count")) > 1e5)
  answer <- run_in(session, function(id) {
    handles <- list()
    repeat {
      answer <- api$open(id)
      if (answer$code != 0) break
      handles[[length(handles) + 1]] <- answer$value
    }
    lapply(handles, api$close)
    list(answer = answer, again = api$open(id)$code)
  }, id)
  expect_code(answer$answer, "too_many_maps", id)
  expect_identical(answer$again, 0L)
  expect_ok(api$free(id))
})
