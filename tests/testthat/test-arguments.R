# An argument that is not what it must be is an error of its own class, and
# nothing is different afterwards.

latin1 <- function(text) {
  converted <- iconv(text, "UTF-8", "latin1")
  Encoding(converted) <- "latin1"
  converted
}

as_bytes <- function(text) {
  Encoding(text) <- "bytes"
  text
}

invalid_utf8 <- "caf\xe9"
Encoding(invalid_utf8) <- "UTF-8"

# What is neither a name nor an id, for any function.
bad_ids <- list(
  "logical NA" = NA,
  "character NA" = NA_character_,
  "integer NA" = NA_integer_,
  "real NA" = NA_real_,
  "NaN" = NaN,
  "NULL" = NULL,
  "list" = list("a"),
  "empty list" = list(),
  "TRUE" = TRUE,
  "raw" = as.raw(1),
  "complex" = 1i,
  "symbol" = quote(a),
  "call" = quote(a + b),
  "function" = identity,
  "environment" = globalenv(),
  "slash" = "a/b",
  "slash first and later" = "/a/b",
  "slash only" = "/",
  "path upwards" = "../a",
  "newline" = "a\nb",
  "tab" = "\t",
  "escape" = "\033[1m",
  "delete" = "a\x7f",
  "control beyond ASCII" = "a\u0085b",
  "201 bytes" = strrep("a", 201),
  "202 bytes in 101 characters" = strrep("\u00e9", 101),
  "bytes" = as_bytes("caf\xc3\xa9"),
  "invalid UTF-8" = invalid_utf8,
  "negative" = -1,
  "negative integer" = -1L,
  "fraction" = 1.5,
  "infinite" = Inf,
  "above 2^53" = 2^53 + 2,
  "factor NA" = factor(NA),
  "factor with a slash" = factor("a/b"),
  "NA in the middle" = c("a", NA, "b"),
  "slash at the end" = c("a", "b", "c/d")
)

bad_sizes <- list(
  "logical NA" = NA,
  "integer NA" = NA_integer_,
  "real NA" = NA_real_,
  "NaN" = NaN,
  "zero" = 0,
  "integer zero" = 0L,
  "negative" = -1,
  "negative integer" = -1L,
  "negative zero" = -0.0,
  "fraction" = 10.5,
  "below one" = 0.999,
  "infinite" = Inf,
  "minus infinite" = -Inf,
  "above 2^53" = 2^53 + 2,
  "huge" = 1e300,
  "character" = "10",
  "TRUE" = TRUE,
  "factor" = factor(10),
  "NULL" = NULL,
  "list" = list(10),
  "complex" = 10i,
  "raw" = as.raw(10),
  "symbol" = quote(a),
  "NA in the middle" = c(10, NA, 10),
  "zero at the end" = c(10, 10, 0)
)

test_that("bad sizes are refused", {
  local_clean_shm()
  initialSharedObjectPackageData()
  index <- getLastIndex()
  for (what in names(bad_sizes)) {
    size <- bad_sizes[[what]]
    error <- expect_refused(allocateSharedMemory(size), info = what)
    expect_match(conditionMessage(error), "size", fixed = TRUE, info = what)
    expect_refused(allocateSharedMemory(size, "a"), info = what)
  }
  expect_identical(getLastIndex(), index)
})

test_that("a size that the machine cannot give is not a bad argument", {
  local_clean_shm()
  initialSharedObjectPackageData()
  for (size in c(2^45, 2^52, 2^53)) {
    expect_refused(allocateSharedMemory(size), "no_space", info = size)
    expect_refused(allocateSharedMemory(size, "a"), "no_space", info = size)
  }
})

test_that("bad names and ids are refused by every function", {
  local_clean_shm()
  initialSharedObjectPackageData()
  # Bystanders, which a misunderstood id would hit.
  ids <- allocateSharedMemory(rep(10, 3))
  allocateSharedMemory(10, "a")
  pointer <- mapSharedMemory(ids[2])
  calls <- list(
    allocate = function(id) allocateSharedMemory(10, id),
    map = function(id) mapSharedMemory(id),
    unmap = function(id) unmapSharedMemory(id),
    free = function(id) freeSharedMemory(id),
    has = function(id) hasSharedMemory(id),
    size = function(id) getSharedMemorySize(id)
  )
  for (what in names(bad_ids)) {
    for (call in names(calls)) {
      expect_refused(calls[[call]](bad_ids[[what]]), info = paste(call, what))
    }
  }
  # Elsewhere this is another program's object.
  expect_refused(allocateSharedMemory(10, "/a"))
  for (call in setdiff(names(calls), "allocate")) {
    expect_refused(calls[[call]](""), info = paste(call, "empty"))
    expect_refused(calls[[call]](c("a", "")), info = paste(call, "empty"))
  }
  expect_false(looks_null(pointer))
  freeSharedMemory(c(ids, "a"))
})

# Package bit64 keeps 64-bit integers in the bits of doubles: 2^62 is stored as
# what is otherwise 2, and segment "2" is another one.
test_that("64-bit integers are not taken for the doubles they look like", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 3))
  expect_identical(ids[2], "2")
  disguised <- structure(2, class = "integer64")
  expect_refused(allocateSharedMemory(disguised), info = "size")
  expect_refused(allocateSharedMemory(10, disguised), info = "name")
  expect_refused(mapSharedMemory(disguised), info = "map")
  expect_refused(unmapSharedMemory(disguised), info = "unmap")
  expect_refused(hasSharedMemory(disguised), info = "has")
  expect_refused(getSharedMemorySize(disguised), info = "size of")
  expect_refused(freeSharedMemory(disguised), info = "free")
  # 10 as such an integer.
  small <- structure(10 * 2^-1074, class = "integer64")
  expect_refused(allocateSharedMemory(small), info = "small size")
  expect_refused(hasSharedMemory(small), info = "small id")
  freeSharedMemory(ids)
})

test_that("missing arguments are R's own error", {
  local_clean_shm()
  expect_error(allocateSharedMemory(), "missing")
  expect_error(mapSharedMemory(), "missing")
  expect_error(freeSharedMemory(), "missing")
})

test_that("bad lifetimes, flags and limits are refused", {
  local_clean_shm()
  initialSharedObjectPackageData()
  id <- allocateSharedMemory(10)
  lifetimes <- list(
    NA, NA_character_, "", "forever", "Freed", character(), NULL, TRUE, 1,
    list("freed"), factor("freed"), c("process", "freed"), c("freed", "freed"),
    c("freed", "process", "freed")
  )
  for (lifetime in lifetimes) {
    expect_refused(
      allocateSharedMemory(10, lifetime = lifetime),
      info = deparse(lifetime)
    )
  }
  flags <- list(NA, NULL, "TRUE", 1, 0L, logical(), c(TRUE, FALSE), list(TRUE))
  for (flag in flags) {
    expect_refused(
      allocateSharedMemory(10, exclusive = flag),
      info = deparse(flag)
    )
    expect_refused(mapSharedMemory(id, readonly = flag), info = deparse(flag))
  }
  limits <- list(
    NA, NA_integer_, NaN, NA_character_, "a", "", "1.5", TRUE, character(),
    numeric(), 1:2, list(1), factor(1)
  )
  for (limit in limits) {
    expect_refused(listSharedObjects(end = limit), info = deparse(limit))
    expect_refused(listSharedObjects(start = limit), info = deparse(limit))
  }
  freeSharedMemory(id)
})

test_that("lengths must be equal, or one of them 1", {
  local_clean_shm()
  initialSharedObjectPackageData()
  expect_refused(allocateSharedMemory(1:2, c("a", "b", "c")))
  expect_refused(allocateSharedMemory(c(10, 10, 10), c("a", "b")))
  expect_refused(allocateSharedMemory(1:2, character()))
  expect_refused(allocateSharedMemory(integer(), c("a", "b")))

  expect_identical(allocateSharedMemory(10, c("a", "b")), c("a", "b"))
  expect_identical(allocateSharedMemory(c(10, 20), c("a", "c")), c("a", "c"))
  expect_length(ids <- allocateSharedMemory(c(10, 20)), 2)
  freeSharedMemory(c("a", "b", "c", ids))
})

test_that("nothing in, nothing out", {
  local_clean_shm()
  expect_identical(allocateSharedMemory(integer()), character())
  expect_identical(allocateSharedMemory(numeric()), character())
  expect_identical(allocateSharedMemory(10, character()), character())
  expect_identical(allocateSharedMemory(10, integer()), character())
  for (none in list(character(), integer(), numeric(), factor())) {
    expect_identical(mapSharedMemory(none), list())
    expect_identical(hasSharedMemory(none), logical())
    expect_identical(getSharedMemorySize(none), numeric())
    expect_null(unmapSharedMemory(none))
    expect_null(freeSharedMemory(none))
  }
})

test_that("a number means its digits", {
  local_clean_shm()
  numbers <- list(100000, 100000L, 1e5, 1e15, 123456789012, 2^53)
  digits <- c(
    "100000", "100000", "100000", "1000000000000000", "123456789012",
    "9007199254740992"
  )
  for (i in seq_along(numbers)) {
    expect_identical(allocateSharedMemory(10, numbers[[i]]), digits[i])
    expect_true(hasSharedMemory(digits[i]))
    expect_true(hasSharedMemory(numbers[[i]]))
    expect_false(hasSharedMemory("1e+05"))
    expect_gte(getSharedMemorySize(numbers[[i]]), 10)
    expect_false(looks_null(mapSharedMemory(numbers[[i]])))
    unmapSharedMemory(numbers[[i]])
    expect_identical(count_mapped(), 0L)
    freeSharedMemory(numbers[[i]])
    expect_false(hasSharedMemory(digits[i]))
  }
  # Not the way the session prints numbers.
  withr::local_options(scipen = -10, digits = 3)
  expect_identical(allocateSharedMemory(10, 123456), "123456")
  freeSharedMemory(123456)
})

test_that("digits that no number is written with are a name of their own", {
  local_clean_shm()
  names <- c("007", "7.0", "+7", "1e5", " 7", "0x7", "9007199254740993")
  expect_identical(allocateSharedMemory(10, names), names)
  expect_false(hasSharedMemory(7))
  expect_identical(getLastIndex(), 0L)
  freeSharedMemory(names)
})

test_that("a factor means its labels", {
  local_clean_shm()
  f <- factor(c("b", "a"), levels = c("b", "z", "a"))
  expect_identical(allocateSharedMemory(10, f), c("b", "a"))
  expect_identical(hasSharedMemory(f), c(TRUE, TRUE))
  expect_identical(hasSharedMemory(c("1", "3")), c(FALSE, FALSE))
  ids <- factor(c("20", "10"))
  allocateSharedMemory(10, ids)
  expect_identical(hasSharedMemory(c(10, 20)), c(TRUE, TRUE))
  freeSharedMemory(f)
  freeSharedMemory(ids)
  expect_identical(nrow(listSharedObjects()), 0L)
})

test_that("attributes of an argument do not come back", {
  local_clean_shm()
  ids <- allocateSharedMemory(c(x = 10, y = 20), c(p = "a", q = "b"))
  expect_identical(ids, c("a", "b"))
  named <- c(first = "a", second = "b")
  expect_identical(hasSharedMemory(named), c(TRUE, TRUE))
  expect_null(attributes(getSharedMemorySize(named)))
  expect_null(attributes(mapSharedMemory(named)))
  expect_identical(
    hasSharedMemory(matrix(c("a", "b", "c", "d"), 2)),
    c(TRUE, TRUE, FALSE, FALSE)
  )
  expect_identical(hasSharedMemory(I("a")), TRUE)
  freeSharedMemory(named)
  # The caller's own vector is as it was.
  expect_named(named, c("first", "second"))
})

test_that("names may be any text", {
  local_clean_shm()
  names <- c(
    ".", "..", ".hidden", "-rf", "a b", " ", "%s%n", "'\"`$(x)", "NA", "\\",
    "\u00fc\u00e4\u00f6", "\u65e5\u672c\u8a9e", "\U1F600", "*", "a.b.c",
    strrep("x", 200), strrep("\u00e9", 100)
  )
  expect_identical(allocateSharedMemory(10, names, exclusive = TRUE), names)
  expect_true(all(hasSharedMemory(names)))
  expect_setequal(listSharedObjects()$Id, names)
  expect_true(all(!vapply(mapSharedMemory(names), looks_null, NA)))
  freeSharedMemory(names)
  expect_false(any(hasSharedMemory(names)))
})

test_that("the same name in any encoding is the same segment", {
  local_clean_shm()
  utf8 <- "caf\u00e9"
  expect_identical(Encoding(latin1(utf8)), "latin1")
  allocateSharedMemory(5000, utf8)
  expect_true(hasSharedMemory(latin1(utf8)))
  expect_refused(
    allocateSharedMemory(10, latin1(utf8), exclusive = TRUE), "exists"
  )
  expect_identical(
    getSharedMemorySize(latin1(utf8)), getSharedMemorySize(utf8)
  )
  # In one vector, among others that need no conversion.
  expect_identical(
    hasSharedMemory(c("a", latin1(utf8), utf8)), c(FALSE, TRUE, TRUE)
  )
  # One mapping with one count.
  pointer <- mapSharedMemory(utf8)
  mapSharedMemory(latin1(utf8))
  expect_identical(count_mapped(), 1L)
  unmapSharedMemory(latin1(utf8))
  expect_false(looks_null(pointer))
  unmapSharedMemory(latin1(utf8))
  expect_true(looks_null(pointer))
  freeSharedMemory(latin1(utf8))
  expect_false(hasSharedMemory(utf8))

  # Made under one, returned in UTF-8.
  id <- allocateSharedMemory(10, latin1(utf8))
  expect_identical(id, utf8)
  expect_identical(Encoding(id), "UTF-8")
  expect_identical(listSharedObjects()$Id, utf8)
  freeSharedMemory(id)
})

test_that("ids are UTF-8 in every locale", {
  local_clean_shm()
  session <- local_session(environment = c(LC_ALL = "C", LANG = "C"))
  allocateSharedMemory(10, "caf\u00e9")
  answers <- run_in(session, function() {
    native <- "caf\xe9"
    literal <- "caf<e9>"
    list(
      utf8 = hasSharedMemory("caf\u00e9"),
      made = allocateSharedMemory(10, "\u00fc"),
      listed = listSharedObjects()$Id,
      # A byte that has no meaning in this locale is not a name; least of all the
      # name with which R would print it.
      native = tryCatch(
        allocateSharedMemory(10, native),
        error = function(e) class(e)[1]
      ),
      literal = hasSharedMemory(literal)
    )
  })
  expect_true(answers$utf8)
  expect_true(hasSharedMemory("\u00fc"))
  expect_setequal(enc2utf8(answers$listed), c("caf\u00e9", "\u00fc"))
  expect_identical(answers$native, "sharedmemory_error_argument")
  expect_false(answers$literal)
  freeSharedMemory(listSharedObjects()$Id)
})

test_that("long vectors of ids are worked off", {
  local_clean_shm()
  ids <- allocateSharedMemory(rep(10, 3))
  many <- rep(c(ids, "never"), 25000)
  expect_identical(
    hasSharedMemory(many), rep(c(TRUE, TRUE, TRUE, FALSE), 25000)
  )
  expect_identical(
    getSharedMemorySize(rep(ids, 10000)), rep(getSharedMemorySize(ids), 10000)
  )
  pointers <- mapSharedMemory(rep(ids, 10000))
  expect_length(pointers, 30000)
  expect_identical(count_mapped(), 3L)
  unmapSharedMemory(rep(ids, 9999))
  expect_false(looks_null(pointers[[30000]]))
  unmapSharedMemory(ids)
  expect_true(all(vapply(pointers, looks_null, NA)))
  freeSharedMemory(rep(ids, 1000))
  expect_identical(hasSharedMemory(ids), rep(FALSE, 3))
})

test_that("a bad namespace in the environment is an error that names it", {
  skip_if_not_linux()
  bad <- c("", "a b", "a/b", "seventeen-letters", "caf\u00e9", "..")
  session <- local_session(local_namespace())
  for (namespace in bad[-1]) {
    answer <- run_in(session, function(namespace) {
      Sys.setenv(SHAREDMEMORY_NAMESPACE = namespace)
      calls <- list(
        function() allocateSharedMemory(10),
        function() hasSharedMemory("a"),
        function() listSharedObjects(),
        function() getLastIndex(),
        function() initialSharedObjectPackageData()
      )
      lapply(calls, function(call) {
        e <- tryCatch(call(), error = identity)
        c(class(e)[1], conditionMessage(e))
      })
    }, namespace)
    for (error in answer) {
      expect_identical(
        error[1], "sharedmemory_error_argument",
        info = namespace
      )
      expect_match(error[2], "SHAREDMEMORY_NAMESPACE", info = namespace)
    }
  }
})

test_that("a type that is marked as bytes is refused, not translated", {
  local_clean_shm()
  id <- allocateSharedMemory(8)
  expect_refused(readSharedMemory(id, as_bytes("caf\xc3\xa9")))
  expect_refused(viewSharedMemory(id, as_bytes("caf\xc3\xa9")))
  freeSharedMemory(id)
})
