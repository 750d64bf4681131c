# What a caller can build on: classes, fields, and messages that tell what to
# do.

expect_condition_fields <- function(error, kind, op, id = NA_character_,
                                    element = NA_real_) {
  expect_identical(
    class(error),
    c(paste0("sharedmemory_error_", kind), "sharedmemory_error", "error",
      "condition")
  )
  expect_identical(error$op, op)
  expect_identical(error$id, id)
  expect_identical(error$element, element)
  expect_type(error$errno, "integer")
  expect_length(error$errno, 1)
  expect_type(conditionMessage(error), "character")
}

catch <- function(code) {
  tryCatch(
    {
      force(code)
      fail("no error")
    },
    error = identity
  )
}

test_that("each kind of error has its class and its fields", {
  local_clean_shm()
  allocateSharedMemory(10, "a")
  expect_condition_fields(
    catch(allocateSharedMemory(-1)), "argument", "allocate"
  )
  expect_condition_fields(catch(mapSharedMemory("b")), "not_found", "map", "b")
  expect_condition_fields(
    catch(getSharedMemorySize("b")), "not_found", "measure", "b"
  )
  expect_condition_fields(
    catch(allocateSharedMemory(10, "a", exclusive = TRUE)),
    "exists", "allocate", "a"
  )
  expect_condition_fields(
    catch(allocateSharedMemory(1e6, "a")), "too_small", "allocate", "a"
  )
  expect_condition_fields(
    catch(allocateSharedMemory(2^52)), "no_space", "allocate",
    as.character(getLastIndex())
  )
  expect_condition_fields(
    catch(allocateSharedMemory(2^52, "b")), "no_space", "allocate", "b"
  )
  expect_condition_fields(catch(hasSharedMemory("a/b")), "argument", "find")
  expect_condition_fields(catch(freeSharedMemory("")), "argument", "free")
  expect_condition_fields(catch(unmapSharedMemory("")), "argument", "unmap")
  expect_condition_fields(
    catch(listSharedObjects(end = "x")), "argument", "list"
  )
  freeSharedMemory("a")
})

test_that("the element is told for vectors only", {
  local_clean_shm()
  allocateSharedMemory(10, "a")
  expect_condition_fields(
    catch(mapSharedMemory(c("a", "b"))), "not_found", "map", "b", 2
  )
  expect_condition_fields(
    catch(getSharedMemorySize(c("b", "a"))), "not_found", "measure", "b", 1
  )
  expect_condition_fields(
    catch(allocateSharedMemory(c(10, 1e6), c("c", "a"))),
    "too_small", "allocate", "a", 2
  )
  freeSharedMemory("a")
})

test_that("the error number of the operating system is told", {
  local_clean_shm()
  skip_if_not_linux()
  expect_identical(catch(allocateSharedMemory(2^52))$errno, 28L)
  expect_identical(catch(mapSharedMemory("b"))$errno, 0L)
})

test_that("the call is the one that the user wrote", {
  local_clean_shm()
  expect_identical(
    conditionCall(catch(allocateSharedMemory(-1))),
    quote(allocateSharedMemory(-1))
  )
  wrapper <- function(x) mapSharedMemory(x)
  expect_identical(
    conditionCall(catch(wrapper("b"))), quote(mapSharedMemory(x))
  )
  expect_identical(
    conditionCall(catch(do.call("hasSharedMemory", list("a/b")))),
    quote(hasSharedMemory("a/b"))
  )
  expect_identical(
    conditionCall(catch(listSharedObjects(end = NA))),
    quote(listSharedObjects(end = NA))
  )
  expect_identical(
    conditionCall(catch(freeSharedMemory(""))), quote(freeSharedMemory(""))
  )
  expect_identical(
    conditionCall(catch(unmapSharedMemory(""))), quote(unmapSharedMemory(""))
  )
  expect_identical(
    conditionCall(catch(getSharedMemorySize("b"))),
    quote(getSharedMemorySize("b"))
  )
})

test_that("handlers of every level get it, and R goes on", {
  local_clean_shm()
  seen <- character()
  try(
    withCallingHandlers(
      mapSharedMemory("b"),
      sharedmemory_error_not_found = function(e) seen <<- c(seen, "kind"),
      sharedmemory_error = function(e) seen <<- c(seen, "package"),
      error = function(e) seen <<- c(seen, "error")
    ),
    silent = TRUE
  )
  expect_identical(seen, c("kind", "package", "error"))
  expect_match(
    paste(try(mapSharedMemory("b"), silent = TRUE)), "no segment has this id"
  )
  # A handler that uses the package itself.
  id <- tryCatch(
    mapSharedMemory("b"),
    sharedmemory_error_not_found = function(e) allocateSharedMemory(10, e$id)
  )
  expect_identical(id, "b")
  freeSharedMemory("b")
})

test_that("a name beyond ASCII is told as it is", {
  local_clean_shm()
  error <- catch(mapSharedMemory("caf\u00e9"))
  expect_identical(error$id, "caf\u00e9")
  expect_identical(Encoding(error$id), "UTF-8")
  expect_match(conditionMessage(error), "caf\u00e9", fixed = TRUE)
  # The longest name fits, with all its characters.
  name <- strrep("\u00e9", 100)
  error <- catch(mapSharedMemory(name))
  expect_identical(error$id, name)
  expect_true(validUTF8(conditionMessage(error)))
})

test_that("a name with a percent sign is not a format", {
  local_clean_shm()
  error <- catch(mapSharedMemory("%s%n%d"))
  expect_identical(error$id, "%s%n%d")
  expect_match(conditionMessage(error), "%s%n%d", fixed = TRUE)
})

test_that("a process out of descriptors is told so", {
  local_clean_shm()
  skip_if_not_linux()
  session <- local_session()
  use_native(session)
  id <- allocateSharedMemory(10)
  answers <- run_in(session, function(id, error_of) {
    initialSharedObjectPackageData()
    mapped <- mapSharedMemory(id)
    kind <- function(code) error_of(code)[1]
    # Below the first number that is free: what is open stays open, and that is
    # all.
    numbers <- 0:1000
    taken <- file.exists(paste0("/proc/self/fd/", numbers))
    limit_files(numbers[!taken][1])
    answers <- c(
      allocate = kind(allocateSharedMemory(10)),
      has = kind(hasSharedMemory(id)),
      size = kind(getSharedMemorySize(id)),
      map = kind(mapSharedMemory(id, readonly = TRUE)),
      again = kind(mapSharedMemory(id)),
      unmap = kind(unmapSharedMemory(c(id, id)))
    )
    limit_files(1000)
    c(answers, after = kind(freeSharedMemory(allocateSharedMemory(10))))
  }, id, error_of)
  full <- "sharedmemory_error_too_many_files"
  expect_identical(answers, c(
    allocate = full, has = full, size = full, map = full, again = "none",
    unmap = "none", after = "none"
  ))
  expect_identical(objects_in(), basename(c(control_file(), segment_file(id))))
  freeSharedMemory(id)
})

test_that("a process out of mappings is told so, and goes on", {
  skip_on_cran()
  local_clean_shm()
  skip_if_not_linux()
  most <- as.numeric(readLines("/proc/sys/vm/max_map_count"))
  skip_if(most > 70000, "too many mappings allowed")
  skip_if_less_room(most * 4096)
  session <- local_session()
  answers <- run_in(session, function(most) {
    ids <- allocateSharedMemory(rep(10, most / 2 + 1000))
    blocks <- split(ids, (seq_along(ids) - 1) %/% 1000)
    kind <- "none"
    for (i in seq_along(blocks)) {
      tryCatch(
        {
          mapSharedMemory(blocks[[i]])
          mapSharedMemory(blocks[[i]], readonly = TRUE)
        },
        error = function(e) kind <<- class(e)[1]
      )
      if (kind != "none") break
    }
    maps <- function() length(readLines("/proc/self/maps"))
    failed <- maps()
    unmapSharedMemory(unlist(blocks[seq_len(i - 1)]))
    unmapSharedMemory(unlist(blocks[seq_len(i)]))
    left <- maps()
    again <- !identical(mapSharedMemory(ids[1]), methods::new("externalptr"))
    freeSharedMemory(ids)
    list(kind = kind, failed = failed, left = left, again = again)
  }, most)
  expect_identical(answers$kind, "sharedmemory_error_too_many_maps")
  expect_gt(answers$failed, most - 3000)
  expect_lt(answers$left, most / 10)
  expect_true(answers$again)
})

# Figures of the machine and the names of this run.
scrub <- function(lines) {
  lines <- gsub(this_namespace(), "<namespace>", lines, fixed = TRUE)
  lines <- gsub(
    "bytes: .* leaves [0-9]+ (\\(No space)", "bytes: <limit> leaves <free> \\1", lines
  )
  gsub("uid [0-9]+", "uid <uid>", lines)
}

test_that("messages tell what happened and what to do", {
  # Where snapshots are skipped, and with them the rest of the test.
  skip_on_cran()
  local_clean_shm()
  skip_if_not_linux()
  allocateSharedMemory(10, "taken")
  show <- function(code) {
    error <- catch(code)
    cat(conditionMessage(error), "\n")
  }
  expect_snapshot(transform = scrub, {
    show(allocateSharedMemory(NA))
    show(allocateSharedMemory(0))
    show(allocateSharedMemory(c(10, 1.5)))
    show(allocateSharedMemory(Inf))
    show(allocateSharedMemory("10"))
    show(allocateSharedMemory(NULL))
    show(allocateSharedMemory(1:2, c("a", "b", "c")))
    show(allocateSharedMemory(10, NULL))
    show(allocateSharedMemory(10, lifetime = "forever"))
    show(allocateSharedMemory(10, exclusive = NA))
    show(mapSharedMemory("a", readonly = 1))
    show(mapSharedMemory(NA))
    show(mapSharedMemory(list("a")))
    show(mapSharedMemory(c("a", "")))
    show(mapSharedMemory(-1))
    show(mapSharedMemory("a/b"))
    show(mapSharedMemory("a\tb"))
    show(mapSharedMemory(strrep("a", 201)))
    show(listSharedObjects(start = "x"))
  })
  writeLines("no segment", segment_file("text"))
  dir.create(segment_file("directory"))
  file.symlink("/dev/null", segment_file("link"))
  expect_snapshot(transform = scrub, {
    show(mapSharedMemory("never"))
    show(getSharedMemorySize(c("taken", "never")))
    show(allocateSharedMemory(10, "taken", exclusive = TRUE))
    show(allocateSharedMemory(5000, "taken"))
    show(allocateSharedMemory(2^52, "large"))
    show(hasSharedMemory("text"))
    show(hasSharedMemory("link"))
    show(freeSharedMemory("directory"))
  })
  freeSharedMemory(c("taken", "text", "link"))
  unlink(segment_file("directory"), recursive = TRUE)
})

test_that("bad arguments of all functions are told in one form", {
  local_clean_shm()
  array <- sharedArray(allocateSharedMemory(12, "array"), "integer", 3)
  mistakes <- alist(
    allocateSharedMemory("x"), allocateSharedMemory(0),
    clusterShare(1, "x"), clusterShare(varlist = "x"), clusterShare(1, 2),
    clusterShared(1), compareAndSet(array, 0, 1L, 2L), fetchAdd(1:3, 1),
    fetchAdd(array, "a"), freeSharedMemory("a/b"), getSharedMemorySize(""),
    hasSharedMemory(list()), inspectSharedMemory(c("a", "b")), listSharedObjects("x"),
    local_shared_memory(10, .local_envir = globalenv()), lockSharedMemory(NA),
    lockSharedMemory("array", timeout = -1), mapSharedMemory(NA_character_),
    openShared(1:2), readSharedMemory("array", "nothing"),
    reclaimSharedMemory(NA), sealSharedMemory(""), share(1, lifetime = "x"),
    share(1, c("a", "b")), shareOnce("a", 1, timeout = "x"),
    shareOnce(strrep("a", 196), 1), sharedArray("x", "nothing", 3),
    sharedBarrier("b", -1), sharedEvent(1:2), sharedMemoryId(1, NA),
    sharedSemaphore("s", -1), unlockSharedMemory(""),
    unmapSharedMemory("a/b"), viewSharedMemory("array", "nothing"),
    withSharedLock("array", 1, timeout = "x"), writeSharedMemory("array", quote(x))
  )
  # A function that is new belongs in the list, or here if nothing can be wrong.
  without <- c("expect_no_shared_memory_leak", "getLastIndex", "is.shared", "unshare",
               "initialSharedObjectPackageData", "releaseSharedObjectPackageData",
               "sharedMemorySavings", "sharedMemoryStatus")
  exported <- grep("^[.]__", getNamespaceExports("sharedmemory"), value = TRUE,
                   invert = TRUE)
  called <- vapply(mistakes, function(mistake) as.character(mistake[[1]]), "")
  expect_setequal(c(called, without), exported)
  for (mistake in mistakes) {
    name <- deparse1(mistake)
    error <- tryCatch(eval(mistake), error = identity)
    expect_s3_class(error, "sharedmemory_error_argument")
    expect_identical(deparse1(conditionCall(error)), name)
    expect_match(conditionMessage(error), info = name,
                 "^cannot [a-z ]+( '[^']*')?( [(]element [0-9]+[)])?: ")
    expect_match(conditionMessage(error), "[^.][.]$", info = name)
  }
  rm(array)
  gc()
  freeSharedMemory("array")
})

test_that("a cluster need not be named if there is a default one", {
  error <- tryCatch(clusterShare(varlist = "x"), error = identity)
  expect_match(conditionMessage(error), "setDefaultCluster")
})
