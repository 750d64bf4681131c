# What R's own functions make of a sharedArray: they get its values, as they are now.

# ---- indices ---------------------------------------------------------------------

# An S3 method takes longer to be found than to do its work, so the common form with
# one index is left with what can be done in one call. In a[], i is missing; in
# a[name = 1] it is among the dots.
only_index <- quote(if (...length()) ..1 else everything)

#' @export
`[.sharedArray` <- function(x, i, ..., drop = TRUE) {
  if (nargs() == 2L) return(.Call(C_array_get, x, i))
  n <- nargs() - 1L - !missing(drop)
  if (n != 1L) {
    indices <- if (n == 2L) {
      list(if (missing(i)) NULL else given(i), if (missing(..1)) NULL else given(..1))
    } else list_indices(n)
    return(.Call(C_array_get_part, x, indices, drop))
  }
  only <- list_indices(1)[[1]]
  values <- .Call(C_array_get, x, if (is.null(only)) everything else only)
  keep_extent(x, values, drop)
}
formals(`[.sharedArray`)$i <- only_index

#' @export
`[<-.sharedArray` <- function(x, i, ..., value) {
  if (nargs() == 3L) return(.Call(C_array_set, x, i, value))
  indices <- if (nargs() == 4L) {
    list(if (missing(i)) NULL else given(i), if (missing(..1)) NULL else given(..1))
  } else list_indices(nargs() - 2L)
  .Call(C_array_set_part, x, indices, value)
}
formals(`[<-.sharedArray`)$i <- only_index

#' @export
`[[.sharedArray` <- function(x, i, ..., exact = TRUE) {
  if (nargs() == 2L) return(.Call(C_array_get_element, x, i, TRUE))
  indices <- list_indices(nargs() - 1L - !missing(exact))
  if (length(indices) != 1) {
    return(.Call(C_array_get_element, x, indices, FALSE))
  }
  only <- if (is.null(indices[[1]])) everything else indices[[1]]
  .Call(C_array_get_element, x, only, TRUE)
}
formals(`[[.sharedArray`)$i <- only_index

#' @export
`[[<-.sharedArray` <- function(x, i, ..., value) {
  if (nargs() == 3L) return(.Call(C_array_set_element, x, i, TRUE, value))
  indices <- list_indices(nargs() - 2L)
  .Call(C_array_set_element, x, indices, FALSE, value)
}
formals(`[[<-.sharedArray`)$i <- only_index

# As an element of a list in which NULL stands for a missing index.
given <- function(index) if (is.null(index)) integer() else index

# The n indices of the method that calls this.
list_indices <- function(n) {
  frame <- parent.frame()
  inside <- eval(quote(...length()), frame)
  names <- c(if (inside < n) "i", if (inside) paste0("..", seq_len(inside)))
  lapply(names, function(name) {
    index <- as.name(name)
    if (!eval(call("missing", index), frame)) given(eval(index, frame))
  })
}

# Of an array of one dimension something with one dimension stays.
keep_extent <- function(x, values, drop) {
  if (isFALSE(as.logical(drop)) && length(dim(x)) == 1) dim(values) <- length(values)
  values
}

# Called from src/r/index.c: positions, or what is wrong with the index.
positions_of <- function(extent, index) {
  tryCatch(seq_len(extent)[index], error = conditionMessage)
}

position_of <- function(extent, index) {
  tryCatch(seq_len(extent)[[index]], error = conditionMessage)
}

# ---- shape ----------------------------------------------------------------------

#' @export
length.sharedArray <- function(x) .Call(C_array_length, x)

#' @export
dim.sharedArray <- function(x) .Call(C_array_dim, x)

#' @export
`dim<-.sharedArray` <- function(x, value) .Call(C_array_set_dim, x, value)

# They would be this process's alone, and lost where the array is sent.
without_labels <- function(x, value, what, call) {
  if (is.null(value)) return(x)
  throw_argument("write", "an array has no ", what, "; keep them beside it, or ",
                 "give them to a copy: a[]", call = call)
}

#' @export
`names<-.sharedArray` <- function(x, value) {
  without_labels(x, value, "names", sys.call())
}

#' @export
`dimnames<-.sharedArray` <- function(x, value) {
  without_labels(x, value, "dimnames", sys.call())
}

#' @export
`levels<-.sharedArray` <- function(x, value) {
  without_labels(x, value, "levels", sys.call())
}

# ---- values ---------------------------------------------------------------------

is_shared_array <- function(x) inherits(x, "sharedArray")

# With dim.
values_of <- function(x) .Call(C_array_get, x, everything)

# Of one argument among others.
plain <- function(x) if (is_shared_array(x)) values_of(x) else x

#' @export
as.vector.sharedArray <- function(x, mode = "any") as.vector(values_of(x), mode)

#' @export
as.array.sharedArray <- function(x, ...) as.array(values_of(x), ...)

#' @export
as.matrix.sharedArray <- function(x, ...) as.matrix(values_of(x), ...)

#' @export
as.list.sharedArray <- function(x, ...) as.list(as.vector(values_of(x)), ...)

#' @export
as.data.frame.sharedArray <- function(x, row.names = NULL, optional = FALSE, ...,
                                      nm = deparse1(substitute(x))) {
  force(nm)
  values <- values_of(x)
  if (length(dim(values)) > 1 || optional) {
    return(as.data.frame(values, row.names, optional, ...))
  }
  as.data.frame(as.vector(values), row.names, optional, ..., nm = nm)
}

#' @export
as.logical.sharedArray <- function(x, ...) as.logical(values_of(x), ...)

#' @export
as.integer.sharedArray <- function(x, ...) as.integer(values_of(x), ...)

#' @export
as.double.sharedArray <- function(x, ...) as.double(values_of(x), ...)

#' @export
as.complex.sharedArray <- function(x, ...) as.complex(values_of(x), ...)

#' @export
as.character.sharedArray <- function(x, ...) as.character(values_of(x), ...)

#' @export
is.numeric.sharedArray <- function(x) is.numeric(x[0])

# R's own looks for the attribute.
#' @export
is.matrix.sharedArray <- function(x) length(dim(x)) == 2

#' @export
is.array.sharedArray <- function(x) length(dim(x)) > 0

#' @export
c.sharedArray <- function(...) do.call(c, lapply(list(...), plain))

#' @export
rep.sharedArray <- function(x, ...) rep(values_of(x), ...)

#' @export
rev.sharedArray <- function(x) rev(values_of(x))

#' @export
sort.sharedArray <- function(x, decreasing = FALSE, ...) {
  sort(as.vector(values_of(x)), decreasing, ...)
}

#' @export
xtfrm.sharedArray <- function(x) as.vector(values_of(x))

#' @export
unique.sharedArray <- function(x, incomparables = FALSE, ...) {
  unique(values_of(x), incomparables, ...)
}

#' @export
duplicated.sharedArray <- function(x, incomparables = FALSE, ...) {
  duplicated(values_of(x), incomparables, ...)
}

#' @export
t.sharedArray <- function(x) t(values_of(x))

#' @export
aperm.sharedArray <- function(a, perm = NULL, ...) aperm(values_of(a), perm, ...)

#' @export
is.na.sharedArray <- function(x) is.na(values_of(x))

#' @export
summary.sharedArray <- function(object, ...) summary(values_of(object), ...)

#' @export
all.equal.sharedArray <- function(target, current, ...) {
  all.equal(plain(target), plain(current), ...)
}

# ---- groups ---------------------------------------------------------------------

#' @export
Ops.sharedArray <- function(e1, e2) {
  operate <- get(.Generic, mode = "function")
  if (missing(e2)) operate(values_of(e1)) else operate(plain(e1), plain(e2))
}

# With an operand of another class that has operators: ours makes values of the array
# and goes on to the other one. Before R 4.3 nobody is asked.
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(chooseOpsMethod, sharedArray)
chooseOpsMethod.sharedArray <- function(x, y, mx, my, cl, reverse) TRUE

#' @export
Math.sharedArray <- function(x, ...) {
  get(.Generic, mode = "function")(values_of(x), ...)
}

#' @export
Complex.sharedArray <- function(z) {
  get(.Generic, mode = "function")(values_of(z))
}

# From R 4.3 on; before that see multiply_before_r_4_3().
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(matrixOps, sharedArray)
matrixOps.sharedArray <- function(x, y) {
  get(.Generic, mode = "function")(plain(x), plain(y))
}

# Of one array in one pass, without a copy of it; NULL is what this cannot do.
reduced <- function(x, what, na.rm = FALSE) .Call(C_array_reduce, x, what, na.rm)

#' @export
Summary.sharedArray <- function(..., na.rm = FALSE) {
  given <- list(...)
  answer <- if (length(given) == 1) summarize(given[[1]], .Generic, na.rm)
  if (!is.null(answer)) return(answer)
  do.call(.Generic, c(lapply(unname(given), plain), list(na.rm = na.rm)))
}

summarize <- function(x, what, na.rm) {
  if (what != "range") return(reduced(x, what, na.rm))
  c(reduced(x, "min", na.rm), reduced(x, "max", na.rm))
}

#' @export
mean.sharedArray <- function(x, ...) {
  answer <- if (...length() == 0) reduced(x, "mean")
  if (is.null(answer)) mean(values_of(x), ...) else answer
}

#' @export
anyNA.sharedArray <- function(x, recursive = FALSE) reduced(x, "anyNA")

# ---- printing --------------------------------------------------------------------

# "double [2 x 3]"
describe <- function(x) {
  extents <- if (is.null(dim(x))) length(x) else dim(x)
  extents <- format(extents, scientific = FALSE, trim = TRUE)
  paste0(.Call(C_array_type, x), " [", paste(extents, collapse = " x "), "]")
}

#' @export
format.sharedArray <- function(x, ...) {
  id <- sharedMemoryId(x)
  if (is.na(id)) id <- sharedMemoryId(x, full = TRUE)
  paste0("<sharedArray ", describe(x), " in '", printable(id), "'>")
}

# The first values as they would be printed, or why there are none.
first_values <- function(x, n) {
  values <- tryCatch(x[seq_len(min(n, length(x)))], sharedmemory_error = identity)
  if (inherits(values, "condition")) return(conditionMessage(values))
  more <- if (length(x) > length(values)) "..."
  paste(c(format(as.vector(values), trim = TRUE, digits = 4), more), collapse = " ")
}

#' @export
print.sharedArray <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  cat(strwrap(first_values(x, 20), width = 80, prefix = "  "), sep = "\n")
  invisible(x)
}

#' @export
str.sharedArray <- function(object, ...) {
  cat(" ", format(object), " ", first_values(object, 5), "\n", sep = "")
}
