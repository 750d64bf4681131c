# What is shared, in the list; and what that saves.

test_that("the list tells class and dim of objects, and of nothing else", {
  local_objects()
  sparse <- methods::setClass("SharedTestSparse", representation(Dim = "integer"),
                              where = environment())
  cases <- list(
    list(1:1000 / 2, "numeric", "1000"),
    list(data.frame(a = 1:1000, b = 0), "data.frame", "1000 x 2"),
    list(data.frame(a = 1:2, row.names = c("u", "v")), "data.frame", "2 x 1"),
    list(data.frame(), "data.frame", "0 x 0"),
    list(object_kinds()$tibble, "tbl_df, tbl, data.frame", "3000 x 5"),
    list(matrix(0L, 3, 50), "matrix", "3 x 50"),
    list(array("", c(2, 3, 4)), "array", "2 x 3 x 4"),
    list(factor(rep("a", 600)), "factor", "600"),
    list(list(1, "b"), "list", "2"),
    list(letters, "character", "26"),
    list(sparse(Dim = c(5L, 7L)), "SharedTestSparse", "5 x 7"),
    list(structure(list(1), class = "caf\u00e9"), "caf\u00e9", "1"),
    list(mean, "function", NA_character_),
    list(quote(a + b), "call", NA_character_),
    list(globalenv(), "environment", NA_character_),
    list(NULL, "NULL", NA_character_)
  )
  id <- allocateSharedMemory(10)
  for (case in cases) {
    shared <- share(case[[1]], "object", "freed")
    listed <- listSharedObjects()
    expect_identical(listed$class, c(NA, case[[2]]))
    expect_identical(listed$dim, c(NA, case[[3]]), info = case[[2]])
    freeSharedMemory("object")
  }
  freeSharedMemory(id)
})

test_that("what is long is cut, and what is evil does not reach the terminal", {
  local_objects()
  share(structure(1:3, class = strrep("long", 100)), "class", "freed")
  share(array(0, rep(1:2, c(40, 1))), "dim", "freed")
  share(structure(1:3, class = c("a\033[31m", "\n1 live")), "evil", "freed")
  share(structure(1:3, class = bytes_string(c(0x61, 0xff))), "bytes", "freed")
  listed <- listSharedObjects()
  cut <- function(column, id) listed[[column]][listed$Id == id]
  expect_match(cut("class", "class"), "^(long)+(l|lo|lon)?[.]{3}$")
  expect_match(cut("dim", "dim"), "^1( x 1)+[.]{3}$")
  expect_lt(nchar(cut("dim", "dim")), 64)
  expect_identical(cut("class", "evil"), "a\033[31m, \n1 live")
  for (lines in list(expect_fits(listed), expect_fits(sharedMemorySavings()))) {
    expect_false(any(grepl("[\033\n]", lines)))
    expect_match(lines, "a<U+001B>", fixed = TRUE, all = FALSE)
  }
  freeSharedMemory(listed$Id)
})

test_that("damaged words on what it is are only words", {
  skip_if_not_linux()
  local_objects()
  share(1:10 / 2, "x", "freed")
  file <- segment_file("x")
  bytes <- readBin(file, "raw", file.size(file))
  at <- grepRaw("numeric", bytes)
  Sys.chmod(file, "0600")
  write_into(file, at - 1, as.raw(rep(0xfe, 128)))
  expect_identical(nchar(listSharedObjects()$class, "bytes"), 63L)
  expect_fits(listSharedObjects())
  expect_identical(openShared("x"), 1:10 / 2)
  freeSharedMemory("x")
})

test_that("processes that have it, what copies would take, and what was copied", {
  skip_if_portable()
  skip_if_not_linux()
  local_objects()
  expect_identical(nrow(sharedMemorySavings()), 0L)
  expect_output(print(sharedMemorySavings()), "No shared memory")
  session <- local_worker()
  id <- allocateSharedMemory(4096)
  x <- share(numeric(1e6))
  y <- share(list(1:1000 / 2))
  run_in(session, function(x) {
    kept <<- x
    kept[c(1, 5e5)] <- 1
    original <<- x
    NULL
  }, x)
  savings <- sharedMemorySavings()
  expect_s3_class(savings, c("sharedmemory_savings", "data.frame"), exact = TRUE)
  expect_identical(savings$Id, c(sharedMemoryId(x), sharedMemoryId(y), id))
  expect_identical(savings$kind, c("object", "object", "segment"))
  expect_identical(savings$processes, c(2L, 1L, 0L))
  expect_identical(savings$saved, c(savings$size[1], 0, 0))
  expect_identical(savings$copied, c(2 * 4096, 0, 0))
  expect_setequal(savings$mappedBy[[1]], c(Sys.getpid(), session$get_pid()))
  theirs <- savings$mappedBy[[1]] == session$get_pid()
  expect_identical(savings$copiedBy[[1]][theirs], 2 * 4096)
  lines <- expect_fits(savings)
  expect_match(lines, "used by 2 processes: copies would take 7.6 MiB", all = FALSE)
  expect_match(printed(savings, n = 1), "and 2 more", all = FALSE)
  run_in(session, function() {
    rm(kept, original, envir = globalenv())
    gc()
    NULL
  })
  expect_identical(sharedMemorySavings()$processes, c(1L, 1L, 0L))
  # As a data frame of which somebody took columns away.
  expect_output(print(savings[, c("Id", "size")]), "Id")
  freeSharedMemory(id)
})
