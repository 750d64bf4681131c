# The C interface for other packages: clients of other versions, the header.

# ---- structs of other sizes ----------------------------------------------------------

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
  lock <- expect_ok(api$lock_open(id))
  for (size in c(8, 12, 16, 24, sizes[4], sizes[4] + 8, 4096)) {
    bytes <- expect_ok(.Call("api_told_of_size", lock, size))
    end <- min(size, sizes[4])
    expect_true(is_filled(bytes[-seq_len(end)]), info = size)
    expect_false(any(bytes[seq_len(end)][-(1:8)] != as.raw(0)))
  }
  expect_code(.Call("api_told_of_size", lock, 7), "argument", message = "size")
  api$lock_close(lock)
  # Of a request that ends behind the bytes the rest is as by default.
  name <- expect_ok(.Call("api_request_of_size", 16, 100))
  expect_identical(name, "2")
  expect_identical(expect_ok(api$size_of(name))[2], 100)
  freeSharedMemory(c(id, name))
})

# ---- versions ------------------------------------------------------------------------

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
    "(sizeof\\(sharedmemory_error\\), 0, 0, \\{0\\}),\\s*\\{ ?0 ?\\}" = "\\1",
    "char tag\\[64\\];[^\n]*\n[^\n]*char trace\\[256\\];[^\n]*" = "",
    "(sizeof\\(sharedmemory_info\\)[^{}]*),\\s*\\{ ?0 ?\\},\\s*\\{ ?0 ?\\}" = "\\1"
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

# ---- the header, and its page --------------------------------------------------------

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
