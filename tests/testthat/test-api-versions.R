# The C interface for other packages: clients of other versions, the header.

# ---- structs of other sizes ----------------------------------------------------------

test_that("shorter records of older clients are not written beyond their size", {
  local_clean_shm()
  use_api()
  whole <- .Call("api_size_of_error")
  is_filled <- function(bytes) all(bytes == as.raw(0xaa))
  for (size in c(0, 4, 8, 12, 16, 100, 217, whole, whole + 8, 4096)) {
    bytes <- .Call("api_error_of_size", size)
    end <- max(8, min(size, whole))
    expect_true(is_filled(bytes[-seq_len(end)]), info = size)
    expect_identical(readBin(bytes, "integer", 1), as.integer(size))
    if (size >= 12) {
      expect_identical(readBin(bytes[9:12], "integer"), 2L) # not_found
    }
  }
})

# ---- versions ------------------------------------------------------------------------

read_header <- function(name = "sharedmemory.h") {
  readLines(file.path(installed_headers(), name))
}

header_folder <- function(table = read_header(), types = read_header("smem.h")) {
  folder <- tempfile("include")
  dir.create(folder)
  writeLines(table, file.path(folder, "sharedmemory.h"))
  writeLines(types, file.path(folder, "smem.h"))
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
  # The table ends before limit_bites(), the structs before their last members.
  old <- edit(
    read_header(),
    "(#define SHAREDMEMORY_API_VERSION) 1" = "\\1 0",
    "bool \\(\\*limit_bites\\).*(\\} sharedmemory_api;)" = "\\1"
  )
  types <- edit(
    read_header("smem.h"),
    "char detail\\[400\\];[^\n]*" = "",
    "(sizeof\\(smem_error\\)[^}]*), \"\" \\}" = "\\1 }",
    "char spill\\[[A-Z_]+\\]; [/][*] to which[^\n]*" = "",
    "(sizeof\\(smem_limits\\)[^}]*), \"\" \\}" = "\\1 }"
  )
  session <- local_session()
  answer <- run_in(session, function(built) {
    dyn.load(built)
    list(works = .Call("handshake_works"), sizes = .Call("handshake_sizes"))
  }, build_native("handshake", header_folder(old, types)))
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
  found <- regmatches(table, gregexpr("\n  [a-z][^\n(]*\\(\\*[a-z_0-9]+", table))[[1]]
  sub(".*[(][*]", "", found)
}

test_that("the table has the functions of smem.h, but for those of the package", {
  text <- gsub("/[*].*?[*]/", "", paste(read_header("smem.h"), collapse = "\n"))
  declared <- unique(regmatches(
    text, gregexpr("(?<=smem_)[a-z_0-9]+(?=\\()", text, perl = TRUE)
  )[[1]])
  the_package <- c(
    "start", "environment", "directory", "spill", "stop", "join", "leave", "size",
    "gone",
    "map", "undo_map", "unmap", "unmap_all", "collect", "mapping_address",
    "mapping_capacity", "mapping_note", "mapping_set_note", "latch_mapped",
    "reclaim_some"
  )
  expect_setequal(setdiff(declared, members()), the_package)
  expect_setequal(setdiff(members(), declared), "view")
})

test_that("the help page shows the header as it is", {
  database <- tools::Rd_db("sharedmemory")
  page <- database[["sharedmemory-c-api.Rd"]]
  shown <- trimws(utils::capture.output(tools::Rd2txt(page)))
  for (name in members()) {
    expect_true(any(grepl(paste0("(*", name, ")"), shown, fixed = TRUE)), info = name)
  }
  for (name in c("smem.h", "sharedmemory.h")) {
    said <- read_header(name)
    said <- said[-seq_len(grep("extern \"C\"", said)[1] + 1)]
    said <- said[seq_len(max(grep("#ifdef", said)) - 1)]
    expect_gt(length(said), 100)
    expect_identical(setdiff(trimws(said), shown), character(), info = name)
  }
})
