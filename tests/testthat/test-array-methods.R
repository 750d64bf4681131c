# What R's functions make of an array: what they make of its values.

value_of <- function(x) if (inherits(x, "sharedArray")) x[] else x

# `fun` of the array and of its values, or an error of both.
expect_same_results <- function(a, functions, info = NULL) {
  v <- a[]
  expect_each(names(functions), function(label) {
    fun <- functions[[label]]
    found <- ending(fun(a))
    expected <- ending(fun(v))
    if (isTRUE(all.equal(found, expected))) return(TRUE)
    FALSE
  })
  expect_identical(a[], v, info = info)
}

unary <- c(
  as.vector = as.vector, as.array = as.array, as.matrix = as.matrix,
  as.list = as.list, as.logical = as.logical, as.integer = as.integer,
  as.double = as.double, as.numeric = as.numeric, as.complex = as.complex,
  as.character = as.character, is.numeric = is.numeric, length = length, dim = dim,
  nrow = nrow, NROW = NROW, names = names, dimnames = dimnames, levels = levels,
  rev = rev, sort = sort, order = order, unique = unique, duplicated = duplicated,
  head = function(x) head(x, 2), tail = function(x) as.vector(tail(x, 2)),
  t = t, is.na = is.na, anyNA = anyNA, summary = summary, mean = mean,
  median = stats::median, quantile = stats::quantile, sd = stats::sd, sum = sum,
  prod = prod, min = min, max = max, range = range, any = function(x) any(x > 1),
  minus = function(x) -x, not = function(x) !x, abs = abs, sqrt = sqrt, exp = exp,
  round = function(x) round(x, 1), signif = function(x) signif(x, 2), cumsum = cumsum,
  cummax = cummax, floor = floor, log = function(x) log(x, 2), plus = function(x) x + 1,
  twice = function(x) x + x, less = function(x) 3 > x, equal = function(x) x == x,
  power = function(x) 2^x, modulo = function(x) x %% 2, rep = function(x) rep(x, 2),
  c = function(x) c(x, 1, x), append = function(x) append(x, 1),
  lapply = function(x) lapply(x, identity), sapply = function(x) sapply(x, "+", 1),
  vapply = function(x) vapply(x, as.character, ""), Map = function(x) Map("+", x, 1),
  mapply = function(x) mapply("-", x, x), Reduce = function(x) Reduce("+", x),
  Filter = function(x) Filter(function(e) e > 2, as.list(x)),
  seq_along = seq_along, ifelse = function(x) ifelse(x > 2, 1, 0),
  paste = paste, Re = Re, Mod = Mod, Conj = Conj, which = function(x) which(x == x[1]),
  max2 = function(x) max(x, 4), sum2 = function(x) sum(x, x, na.rm = TRUE),
  trimmed = function(x) mean(x, trim = 0.1), mean2 = function(x) mean(x, na.rm = TRUE),
  sum_narm = function(x) sum(x, na.rm = TRUE),
  min_narm = function(x) min(x, na.rm = TRUE),
  range_narm = function(x) range(x, na.rm = TRUE),
  prod_narm = function(x) prod(x, na.rm = TRUE),
  max_narm = function(x) max(x, na.rm = TRUE), and = function(x) x & TRUE,
  or = function(x) x | FALSE, any_narm = function(x) any(x > 1e9, na.rm = TRUE),
  all = function(x) all(x == x)
)

logical_only <- list(
  any = any, all = all, any_narm = function(x) any(x, na.rm = TRUE),
  all_narm = function(x) all(x, na.rm = TRUE)
)

test_that("functions of one vector, for all types", {
  local_clean_shm()
  for (type in array_types) {
    expect_same_results(local_array(type), unary, type)
    good <- setdiff(array_samples[[type]], NA)
    expect_same_results(local_array(type, good), unary, type)
    expect_same_results(local_array(type, good[1]), unary, type)
    expect_same_results(local_array(type, rep_len(good, 3000)), unary[c(
      "sum", "prod", "min", "max", "range", "mean", "anyNA", "cumsum", "sort"
    )], type)
  }
  for (type in c("logical", "bool8", "integer", "uint8")) {
    expect_same_results(local_array(type), logical_only, type)
    expect_same_results(local_array(type, array_samples[[type]][c(2, 2)]), logical_only)
  }
})

# To the last bit; but of NA there are two that are the same to R, and which of NA and
# NaN a sum of both is depends on how R was compiled.
expect_same_number <- function(object, expected, what) {
  if (!anyNA(expected)) return(expect_same_bits(object, expected, info = what))
  if (what %in% c("sum", "prod", "mean")) {
    object[is.na(object)] <- NA
    expected[is.na(expected)] <- NA
  }
  expect_identical(object, expected, info = what)
}

test_that("reductions give R's results bit by bit", {
  local_clean_shm()
  withr::local_seed(3)
  for (values in list(
    stats::rnorm(10000), c(1e308, 1e308), c(-1e308, -1e308), c(Inf, -Inf), c(NA, NaN),
    c(NaN, NA), c(1, NaN), -0, c(0, -0), rep(0.1, 5000), c(5, NA, 1), sample(1e6, 3000),
    c(NA, 2L), 3L, c(-.Machine$integer.max, 0L), c(TRUE, NA, FALSE)
  )) {
    a <- local_array(typeof(values), values)
    for (what in c("sum", "prod", "min", "max", "range", "mean", "anyNA")) {
      fun <- get(what)
      expect_same_number(fun(a), fun(values), what)
      if (what %in% c("mean", "anyNA")) next
      expect_same_number(suppressWarnings(fun(a, na.rm = TRUE)),
                         suppressWarnings(fun(values, na.rm = TRUE)), what)
    }
  }
  # Where R gives NA with a warning.
  expect_identical(sum(local_array("integer", rep(.Machine$integer.max, 3))),
                   3 * .Machine$integer.max)
  empty <- sharedArray(sharedMemoryId(a), dim = 0)
  expect_identical(sum(empty), 0)
  expect_identical(prod(empty), 1)
  expect_warning(expect_identical(min(empty), Inf), "no non-missing")
  expect_identical(mean(empty), NaN)
})

matrices <- list(
  as.data.frame = as.data.frame, data.frame = function(x) data.frame(x = x),
  t = t, apply = function(x) apply(x, 1, sum), apply2 = function(x) apply(x, 2, range),
  apply12 = function(x) apply(x, c(1, 2), function(e) e + 1), aperm = aperm,
  outer = function(x) outer(x[1, ], 1:2), head = function(x) head(x, 1), ncol = ncol,
  tail = function(x) unname(tail(x, 1)), sum = sum, summary = summary, is.na = is.na,
  rowSums = function(x) rowSums(as.matrix(x)), sweep = function(x) sweep(x[], 2, 1),
  left = function(x) x %*% c(1, 2, 3), right = function(x) c(1, 2) %*% x,
  square = function(x) x %*% t(x), both = function(x) t(x[]) %*% x,
  plus = function(x) x + x, dim = dim, rbind = function(x) rbind(x[], x[]),
  list = as.list, vector = as.vector, unique = unique, is.matrix = is.matrix,
  is.array = is.array, NCOL = NCOL, str = function(x) length(x)
)

test_that("functions of a matrix", {
  local_clean_shm()
  for (type in setdiff(array_types, c("raw", "complex"))) {
    a <- local_array(type, array(rep_len(array_samples[[type]][4:7], 6), c(2, 3)))
    expect_same_results(a, matrices, type)
  }
  a <- local_array("double", matrix(as.double(1:6), 2))
  b <- local_array("int16", matrix(1:6, 3))
  expect_identical(a %*% b, a[] %*% b[])
  expect_identical(data.frame(a)[[2]], a[, 2])
  cube <- local_array("double", array(as.double(1:24), 2:4))
  expect_identical(apply(cube, 3, sum), apply(cube[], 3, sum))
  expect_identical(as.data.frame(cube), as.data.frame(cube[]))
})

test_that("operators with an operand of another class", {
  local_clean_shm()
  a <- local_array("double", c(1, 2))
  day <- as.Date("2020-02-28")
  expect_identical(a[] + day, day + 1:2)
  skip_if(getRversion() < "4.3.0", "R asks no class which operator to take")
  expect_identical(a + day, day + 1:2)
  expect_identical(day + a, day + 1:2)
  expect_identical(as.difftime(5, units = "secs") * a,
                   as.difftime(c(5, 10), units = "secs"))
})

test_that("a loop over positions and a loop over values", {
  local_clean_shm()
  a <- local_array("double", c(3, 1, 2))
  total <- 0
  for (i in seq_along(a)) total <- total + a[[i]]
  for (x in a[]) total <- total + x
  expect_identical(total, 12)
  expect_error(for (x in a) x, "for\\(\\) loop")
})

test_that("equality is of values, identity of the array", {
  local_clean_shm()
  a <- local_array("double", c(1, 2))
  b <- local_array("uint8", 1:2)
  expect_identical(a == b, c(TRUE, TRUE))
  expect_false(identical(a, b))
  expect_true(all.equal(a, c(1, 2)))
  expect_true(all.equal(a, b))
  expect_true(all.equal(c(1, 2), a[]))
  expect_match(all.equal(a, c(1, 3)), "difference")
})

test_that("printing tells type, dim and id, and never the whole", {
  local_clean_shm()
  a <- local_array("double", as.double(1:1e4), c(100, 100))
  id <- sharedMemoryId(a)
  expect_fits(a)
  expect_match(printed(a)[1], paste0("double [100 x 100] in '", id), fixed = TRUE)
  expect_lt(sum(nchar(printed(a))), 300)
  expect_output(str(a), "sharedArray double \\[100 x 100\\].* 1 2 3 4 5 ...$")
  expect_output(str(list(x = a)), "sharedArray double")
  expect_identical(format(a), sprintf("<sharedArray double [100 x 100] in '%s'>", id))
  expect_output(print(list(a)), "sharedArray double")
  expect_output(print(sharedArray(id, dim = 0)), "double [0]", fixed = TRUE)
  session <- local_session()
  shown <- run_in(session, function(a) {
    utils::capture.output(eval(quote(withVisible(a)$value)), a)
  }, a)
  expect_match(shown, "double [100 x 100]", fixed = TRUE, all = FALSE)
})

test_that("each function of the groups", {
  local_clean_shm()
  v <- c(0.5, 0.25, 0.75)
  a <- local_array("double", v)
  math <- c(
    "abs", "sign", "sqrt", "floor", "ceiling", "trunc", "round", "signif", "exp",
    "log", "expm1", "log1p", "cos", "sin", "tan", "cospi", "sinpi", "tanpi",
    "acos", "asin", "atan", "cosh", "sinh", "tanh", "asinh", "atanh", "lgamma",
    "gamma", "digamma", "trigamma", "cumsum", "cumprod", "cummax", "cummin"
  )
  for (name in math) {
    expect_identical(suppressWarnings(get(name)(a)), suppressWarnings(get(name)(v)),
                     info = name)
  }
  operators <- c("+", "-", "*", "/", "^", "%%", "%/%", "==", "!=", "<", "<=", ">=", ">",
                 "&", "|")
  for (name in operators) {
    expect_identical(get(name)(a, 2), get(name)(v, 2), info = name)
    expect_identical(get(name)(2, a), get(name)(2, v), info = name)
    expect_identical(get(name)(a, a), get(name)(v, v), info = name)
  }
})
