# What listSharedObjects() tells of each segment, and how it looks.

columns <- c("Id", "size", "resident", "state", "pid", "command", "created",
             "lifetime", "sealed", "kind", "class", "dim", "sent", "opened",
             "lock", "holder", "since", "readers", "waiting",
             "directory", "call")

column_types <- c(Id = "character", size = "double", resident = "double",
                  state = "character", pid = "integer", command = "character",
                  created = "double", lifetime = "character", sealed = "logical",
                  kind = "character", class = "character", dim = "character",
                  sent = "double", opened = "double", lock = "character",
                  holder = "integer", since = "double", readers = "integer",
                  waiting = "integer", directory = "character",
                  call = "character")

test_that("the columns are the same whether there is something or not", {
  local_clean_shm()
  empty <- listSharedObjects()
  before <- Sys.time()
  allocateSharedMemory(c(1e6, 10), c("big", "small"), lifetime = "process")
  id <- allocateSharedMemory(10)
  listed <- listSharedObjects()
  for (x in list(empty, listed)) {
    expect_identical(names(x), columns)
    expect_identical(vapply(x, typeof, ""), column_types)
    expect_s3_class(x, c("sharedmemory_list", "data.frame"), exact = TRUE)
    expect_s3_class(x$created, "POSIXct")
    expect_s3_class(x$since, "POSIXct")
  }
  expect_identical(listed$Id, c(id, "big", "small"))
  expect_identical(listed$state, rep("live", 3))
  expect_identical(listed$pid, rep(Sys.getpid(), 3))
  expect_identical(listed$lifetime, c("freed", "process", "process"))
  expect_true(all(listed$created >= before - 1 & listed$created <= Sys.time() + 1))
  expect_identical(listed$call, rep(NA_character_, 3))
  skip_if_not_linux()
  # Reserved when it is allocated, with its footer.
  expect_identical(listed$resident, as.numeric(file.size(segment_file(listed$Id))))
  expect_gte(listed$resident[2], 1e6)
  freeSharedMemory(listed$Id)

  with <- listSharedObjects(mappedBy = TRUE)
  expect_identical(names(with), c(columns, "mappedBy"))
  expect_identical(with$mappedBy, list())
})

test_that("bad arguments are refused", {
  local_clean_shm()
  for (bad in list(NA, NULL, "yes", 1, c(TRUE, FALSE), logical(), list(TRUE))) {
    expect_refused(listSharedObjects(mappedBy = bad), info = deparse(bad))
  }
})

test_that("the command is the script of Rscript, as long as it runs", {
  local_clean_shm()
  skip_if_not_linux()
  skip_if_not_installed("callr")
  script <- file.path(tempdir(), "my caf\u00e9.R")
  flag <- local_flag()
  withr::defer(unlink(script))
  writeLines(c(
    "library(sharedmemory)",
    "allocateSharedMemory(10, 'scripts')",
    sprintf("file.create(%s)", deparse(flag)),
    "Sys.sleep(60)"
  ), script)
  process <- callr::rscript_process$new(callr::rscript_process_options(
    script = script, libpath = .libPaths(), env = child_environment(this_namespace())
  ))
  withr::defer(process$kill())
  wait_for_file(flag)
  listed <- listSharedObjects()
  expect_identical(basename(enc2utf8(listed$command)), basename(script))
  expect_identical(listed$state, "live")
  expect_match(printed(listed)[2], paste(listed$pid, "my c"), fixed = TRUE)
  tools::pskill(listed$pid, tools::SIGKILL)
  expect_true(eventually(function() listSharedObjects()$state == "orphan"))
  expect_identical(listSharedObjects()$command, NA_character_)
  expect_identical(listSharedObjects()$pid, listed$pid)
  freeSharedMemory("scripts")
})

test_that("mappedBy tells who maps it now", {
  local_clean_shm()
  skip_if_not_linux()
  skip_if_no_fork()
  session <- local_session()
  allocateSharedMemory(10, c("both", "mine", "nobodys", "theirs"))
  mapSharedMemory(c("both", "mine"))
  # Twice and in both ways counts once.
  mapSharedMemory("both", readonly = TRUE)
  run_in(session, function() mapSharedMemory(c("theirs", "both")))
  who <- function() {
    listed <- listSharedObjects(mappedBy = TRUE)
    stats::setNames(listed$mappedBy, listed$Id)
  }
  ours <- Sys.getpid()
  other <- session$get_pid()
  expect_identical(who(), list(
    both = sort(c(ours, other)), mine = ours, nobodys = integer(), theirs = other
  ))
  expect_identical(inspectSharedMemory("both")$mappedBy, sort(c(ours, other)))
  # A forked child keeps its parent's mappings.
  child <- run_in(session, function() parallel::mcparallel(Sys.sleep(60))$pid)
  withr::defer(tools::pskill(child, tools::SIGKILL))
  expect_identical(who()$theirs, sort(c(other, child)))
  expect_fits(listSharedObjects(mappedBy = TRUE))
  tools::pskill(child, tools::SIGKILL)
  kill_hard(session)
  expect_true(eventually(function() length(who()$theirs) == 0))
  expect_identical(who()$both, ours)
  freeSharedMemory(c("both", "mine", "nobodys", "theirs"))
})

test_that("the option trace records the call, and only then", {
  local_clean_shm()
  load_data <- function() allocateSharedMemory(10, "traced")
  withr::local_options(sharedmemory.trace = TRUE)
  load_data()
  withr::local_options(sharedmemory.trace = NULL)
  allocateSharedMemory(10, "untraced")
  for (value in list(FALSE, NA, "TRUE", 1, c(TRUE, TRUE))) {
    withr::local_options(sharedmemory.trace = value)
    allocateSharedMemory(10, "odd")
    expect_identical(listSharedObjects()$call[1], NA_character_)
    freeSharedMemory("odd")
  }
  listed <- listSharedObjects()
  expect_identical(is.na(listed$call), c(FALSE, TRUE))
  expect_match(listed$call[1], "load_data() > allocateSharedMemory(10, \"traced\")",
               fixed = TRUE)
  expect_match(expect_fits(listed), "traced: .*load_data", all = FALSE)
  expect_identical(inspectSharedMemory("traced")$call, listed$call[1])
  freeSharedMemory(listed$Id)

  # Calls that are long, strange, or full of data.
  withr::local_options(sharedmemory.trace = TRUE)
  allocate <- function(...) allocateSharedMemory(10, "long")
  do.call(allocate, list(runif(1e6), strrep("\u00e9\u4e2d", 5000), "a\nb"))
  expect_true(validUTF8(listSharedObjects()$call))
  expect_lte(nchar(listSharedObjects()$call, "bytes"), 255)
  expect_fits(listSharedObjects())
  freeSharedMemory("long")
})

# ---- states -----------------------------------------------------------------------

test_that("incomplete, damaged and foreign are rows", {
  local_clean_shm()
  skip_if_not_linux()
  plant_damaged()
  plant_incomplete("half")
  listed <- listSharedObjects(mappedBy = TRUE)
  expect_identical(
    stats::setNames(listed$state, listed$Id)[c(damaged_ids, "half")],
    c(stats::setNames(rep("damaged", 5), damaged_ids), half = "incomplete")
  )
  for (column in c("size", "pid", "command", "created", "lifetime", "call")) {
    expect_true(all(is.na(listed[[column]])), info = column)
  }
  expect_false(anyNA(listed$resident))
  expect_match(expect_fits(listed), "its creator died while making it", all = FALSE)
  draw(listed)
  remove_damaged()
  freeSharedMemory("half")
})

test_that("another user's object in our namespace is foreign", {
  skip_if_no_other_user()
  local_clean_shm()
  allocateSharedMemory(10, c("a", "b"))
  plant_incomplete("half")
  give_to_other_user("a")
  give_to_other_user("half")
  expect_identical(states(), c(a = "foreign", b = "live", half = "foreign"))
  expect_identical(is.na(listSharedObjects()$resident), c(FALSE, FALSE, FALSE))
  # A real one, with a control object of its own.
  answer <- as_other_user(function() {
    listed <- listSharedObjects()
    stats::setNames(listed$state, listed$Id)
  })
  expect_identical(answer[["b"]], "foreign")
  unlink(segment_file(c("a", "half")))
  freeSharedMemory("b")
})

test_that("a creator that is only stopped is not a row, a killed one is incomplete", {
  local_clean_shm()
  skip_if_not_linux()
  for (call in c("fallocate", "pwrite")) {
    session <- local_stopped_creator(call = call)
    expect_identical(nrow(listSharedObjects()), 0L)
    expect_identical(nrow(reclaimSharedMemory(persistent = TRUE)), 0L)
    expect_identical(kind_of(inspectSharedMemory("slow")), "not_found")
    expect_identical(go_on(session), "slow")
    expect_identical(states(), c(slow = "live"))
    freeSharedMemory("slow")
    end_session(session)

    local_stopped_creator(call = call, signal = tools::SIGKILL)
    expect_identical(states(), c(slow = "incomplete"))
    expect_identical(inspectSharedMemory("slow")$state, "incomplete")
    expect_identical(fates(), c(slow = TRUE))
    expect_identical(states(), stats::setNames(character(), character()))
  }
})

test_that("a stopped creator is left alone, also by those that came before it", {
  skip_if_not_linux()
  namespace <- local_namespace()
  # This one finds no control object, and is slow.
  lister <- local_halted("opendir", function() listSharedObjects()$state, namespace)
  creator <- local_stopped_creator(namespace)
  expect_identical(go_on(lister), character())
  expect_identical(go_on(creator), "slow")
  expect_true(run_in(lister, function() hasSharedMemory("slow")))
  run_in(creator, function() freeSharedMemory("slow"))
})

test_that("10,000 segments are listed in one pass", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 10000))
  time <- system.time(listed <- listSharedObjects(mappedBy = TRUE))[["elapsed"]]
  expect_identical(listed$Id, ids)
  expect_identical(unique(listed$state), "live")
  # What is quadratic takes minutes.
  expect_lt(time, 20)
  expect_lte(length(expect_fits(listed)), 50)
  draw(listed)
  freeSharedMemory(ids)
})

# ---- print --------------------------------------------------------------------------

# A list as a machine could give it.
fake <- function(Id, size = 1e6, resident = size, state = "live", pid = 4194304L,
                 command = NA_character_, created = Sys.time(), lifetime = "freed",
                 call = NA_character_) {
  structure(
    data.frame(Id, size, resident, state, pid, command, created, lifetime, call),
    class = c("sharedmemory_list", "data.frame")
  )
}

test_that("what is printed fits into 80 columns", {
  local_clean_shm()
  wide <- c(strrep("x", 200), strrep("\u4e2d", 60), strrep("\u00e9", 100),
            strrep("\U1F600", 50), strrep("e\u0301", 60), "1", "9007199254740992")
  sizes <- c(0, 1023, 1024, 1048575, 2^30 * 99.97, 2^53, NA)
  x <- fake(wide, sizes, state = rep_len(names(sharedmemory:::state_meaning), 7),
            command = c(strrep("\u4e2d", 90), "/a/b.R", NA, "", "x y", "R", "a"),
            created = Sys.time() - c(0, 1e5, NA, 1e9, 10, 10, 10),
            lifetime = c("process", NA, "freed", "freed", "process", NA, NA),
            call = c(strrep("f(\u4e2d) > ", 25), NA, "f()", NA, NA, NA, ""))
  x$mappedBy <- c(list(1:1000, NA_integer_, integer()), rep(list(4194304L), 4))
  lines <- expect_fits(x)
  expect_match(lines, "8.0 PiB", fixed = TRUE, all = FALSE)
  for (state in x$state) {
    expect_match(lines, sharedmemory:::state_meaning[[state]], fixed = TRUE,
                 all = FALSE)
  }
  expect_match(lines, "^1 orphan .* its owner is dead$", all = FALSE)
  many <- x[rep(1:7, 3000), ]
  lines <- expect_fits(many)
  expect_lt(length(lines), 140)
  expect_match(lines, "... and 20960 more", fixed = TRUE, all = FALSE)
  expect_gt(length(expect_fits(x[rep(1:7, 10), ], n = 70)), 70)
})

test_that("a list that was cut to pieces prints all the same", {
  local_clean_shm()
  x <- fake(c("a", "b", "c"), state = c("live", "orphan", "live"))
  x$mappedBy <- list(1L, NA_integer_, integer())
  expect_match(expect_fits(x[0, ]), "No shared memory", all = FALSE)
  expect_silent(expect_fits(x, n = 1))
  expect_silent(expect_fits(x, n = 0))
  expect_silent(expect_fits(x["Id"]))
  expect_silent(expect_fits(x[c("Id", "state")]))
  expect_silent(expect_fits(x[, setdiff(names(x), "call")]))
  expect_silent(expect_fits(x[order(x$size), ]))
  expect_silent(expect_fits(subset(x, state == "orphan")))
  expect_identical(capture.output(shown <- withVisible(print(x)))[1], printed(x)[1])
  expect_identical(shown, list(value = x, visible = FALSE))
})

test_that("rows of NA, as a logical index makes them, print all the same", {
  local_clean_shm()
  x <- fake(c("a", "b"))
  lines <- expect_fits(x[c(1, NA), ])
  expect_match(lines, "^1 live", all = FALSE)
  expect_fits(x[NA, ])
  reclaimed <- x
  reclaimed$removed <- c(TRUE, FALSE)
  reclaimed$reason <- "whatever"
  class(reclaimed) <- c("sharedmemory_reclaim", "data.frame")
  expect_match(expect_fits(reclaimed[c(1, NA), ]), "^1 removed", all = FALSE)
})

test_that("printing fits also where the locale has no UTF-8", {
  local_clean_shm()
  allocateSharedMemory(10, strrep("\u4e2d", 30))
  session <- local_session(environment = c(LC_ALL = "C"))
  lines <- run_in(session, function() {
    c(capture.output(print(listSharedObjects())),
      capture.output(print(reclaimSharedMemory())))
  })
  expect_lte(max(nchar(lines, "bytes")), 80)
  freeSharedMemory(listSharedObjects()$Id)
})

# ---- plot ---------------------------------------------------------------------------

test_that("a list can be drawn, whatever is in it", {
  local_clean_shm()
  draw(listSharedObjects())
  allocateSharedMemory(1e5, "a")
  draw(listSharedObjects())
  freeSharedMemory("a")
  states <- names(sharedmemory:::state_meaning)
  many <- fake(as.character(1:300), size = 10^(1:300 %% 12),
               state = rep_len(states, 300), pid = rep(1:50, 6),
               command = strrep("\u00e9", 50))
  draw(many)
  draw(many, main = "Whose?")
  draw(many[many$state == "orphan", ])
  draw(many[0, ])
  nothing <- fake(c("a", "b"), resident = c(NA, 0), pid = NA)
  draw(nothing)
  file <- tempfile(fileext = ".png")
  withr::defer(unlink(file))
  skip_if_not(capabilities("png"), "no png")
  expect_silent(draw(many, function() grDevices::png(file, 600, 400)))
  expect_gt(file.size(file), 1000)
})

test_that("the drawing adds up", {
  local_clean_shm()
  x <- fake(as.character(1:100), size = 1:100, pid = rep(1:20, 5))
  sums <- sharedmemory:::owner_sums(x)
  expect_identical(sum(sums), 5050)
  folded <- sharedmemory:::fold_owners(sums, 8)
  expect_identical(ncol(folded), 8L)
  expect_identical(sum(folded), 5050)
  expect_identical(colnames(folded)[8], "13 others")
})
