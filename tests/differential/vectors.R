# Pairs of vectors that ought not to differ: an ordinary one and one in shared memory.

# What is in shared memory without attributes, from an ordinary vector. The only place
# that knows how; a way is a function from a vector to a list of the functions
#   make()    another vector with these elements
#   bytes()   the bytes in shared memory, as nobody's vector has them
#   whole(x)  x with its attributes, or a list or data frame, as such a vector is in it
#   id        to be freed, if there is one
ways <- list(
  view = function(values) {
    type <- typeof(values)
    id <- allocateSharedMemory(max(1, length(values) * type_sizes[[type]]))
    writeSharedMemory(id, values)
    sealSharedMemory(id)
    list(
      id = id,
      make = function() viewSharedMemory(id, type, length = length(values)),
      bytes = function() readSharedMemory(id, "raw"),
      whole = identity
    )
  },
  # As they come to a worker: what has no elements is ordinary there by itself.
  share = function(values) {
    arrived <- function(x) {
      shared <- share(x) # which nothing else keeps until it has arrived
      unserialize(serialize(shared, NULL))
    }
    if (length(values) == 0) {
      return(list(id = NULL, make = function() values, bytes = function() raw(),
                  whole = arrived))
    }
    x <- share(values, lifetime = "freed")
    id <- sharedMemoryId(x)
    sent <- serialize(x, NULL)
    list(
      id = id,
      make = function() unserialize(sent),
      bytes = function() readSharedMemory(id, "raw"),
      whole = arrived
    )
  }
)

type_sizes <- c(raw = 1, logical = 4, integer = 4, double = 8, complex = 16)
types_tried <- c(names(type_sizes), if (way == "share") "character")
lengths_tried <- c(0, 1, 63, 64, 65, 1000)

# ---- elements ----------------------------------------------------------------

# Small and positive, with repetitions, so that they mean something as counts, indices
# and codes of levels, and most functions have a value for them.
plain_elements <- function(type, n) {
  whole <- rep_len(c(3L, 1L, 4L, 1L, 5L, 2L, 6L, 5L, 3L, 4L, 2L), n)
  switch(
    type,
    raw = as.raw(whole),
    logical = whole %% 2L == 1L,
    integer = whole,
    double = whole + rep_len(c(0, 0.5, 0.25, 0), n),
    complex = complex(real = whole, imaginary = rep_len(c(0, 1, -0.5), n)),
    character = c("a", "b", "cc", "1", "2.5", "\u00e9")[whole]
  )
}

# What is special for the type, at both ends.
odd_elements <- function(type, n) {
  special <- switch(
    type,
    raw = as.raw(c(0, 255, 128)),
    logical = c(NA, FALSE),
    integer = c(NA, -1L, 0L, 255L),
    double = c(NaN, NA, -0, -1.5, Inf, 1e-300, -Inf),
    complex = complex(real = c(NA, -1, 0, Inf), imaginary = c(0, NaN, -0, 1)),
    character = c(NA, "", "NA", "\u4e2d", iconv("\u00e9", "UTF-8", "latin1"))
  )
  elements <- plain_elements(type, n)
  at <- unique(c(seq_len(min(n, length(special))),
                 rev(seq_len(n))[seq_len(min(n, 2))]))
  elements[at] <- rep_len(special, length(at))
  elements
}

# ---- attributes --------------------------------------------------------------

sides <- function(n) {
  rows <- if (n == 0) 0L else max(which(n %% seq_len(floor(sqrt(n))) == 0))
  as.integer(c(rows, if (rows == 0) 2L else n / rows))
}
labels_for <- function(n) paste0("n", seq_len(n))

numbers <- c("integer", "double")
attribute_kinds <- list(
  none = list(types = types_tried, of = function(n) list()),
  names = list(types = types_tried, of = function(n) {
    list(names = labels_for(n))
  }),
  dim = list(types = types_tried, of = function(n) list(dim = sides(n))),
  dimnames = list(types = types_tried, of = function(n) {
    list(dim = sides(n), dimnames = lapply(sides(n), labels_for))
  }),
  Date = list(types = numbers, of = function(n) list(class = "Date")),
  POSIXct = list(types = numbers, of = function(n) {
    list(class = c("POSIXct", "POSIXt"), tzone = "UTC")
  }),
  difftime = list(types = numbers, of = function(n) {
    list(class = "difftime", units = "hours")
  }),
  factor = list(types = "integer", of = function(n) {
    list(levels = letters[1:6], class = "factor")
  }),
  ordered = list(types = "integer", of = function(n) {
    list(levels = letters[1:6], class = c("ordered", "factor"))
  }),
  ts = list(types = numbers, of = function(n) {
    if (n > 0) list(tsp = c(1, n, 1), class = "ts")
  }),
  class = list(types = types_tried, of = function(n) {
    list(class = "unheard_of", note = "kept")
  })
)

# ---- pairs -------------------------------------------------------------------

kept <- new.env()
segment_of <- function(type, n, elements) {
  key <- paste(type, n, elements)
  if (is.null(kept[[key]])) {
    values <- if (elements == "odd") odd_elements(type, n) else plain_elements(type, n)
    shared <- ways[[way]](values)
    kept[[key]] <- c(shared, list(
      values = values, second = shared$make(), before = shared$bytes()
    ))
  }
  kept[[key]]
}

# After a fault too, for nothing that follows may be measured by what it has changed.
free_all <- function() {
  for (key in ls(kept)) {
    if (!is.null(kept[[key]]$id)) freeSharedMemory(kept[[key]]$id)
  }
  rm(list = ls(kept), envir = kept)
  rm(list = ls(pairs), envir = pairs)
}

dressed <- function(x, attributes_of) {
  if (length(attributes_of)) attributes(x) <- attributes_of
  x
}

# Where calls are evaluated: `x`, `make()` a temporary, `l` a list, `df` a data frame.
# What else a call may need is ordinary on both sides.
scene <- function(make, attributes_of, values, whole = identity) {
  n <- length(values)
  scene <- new.env(parent = globalenv())
  scene$make <- function() whole(dressed(make(), attributes_of))
  scene$x <- scene$make()
  scene$l <- whole(list(a = dressed(make(), attributes_of), b = 1))
  flat <- attributes_of[!names(attributes_of) %in% c("dim", "dimnames")]
  scene$df <- whole(structure(
    list(v = dressed(make(), flat), k = rep_len(1:3, n)), class = "data.frame",
    row.names = .set_row_names(n)
  ))
  scene$y <- rep_len(rev(values), n) # a vector of its own also if there is none
  scene$g <- rep_len(c(1L, 2L, 1L), n)
  scene$n <- n
  scene
}

# `case`: type, n, elements, attributes by name. NULL where they do not go together.
pair_for <- function(case) {
  key <- paste("pair", case$type, case$n, case$elements, case$attributes)
  if (!is.null(pairs[[key]])) return(pairs[[key]])
  kind <- attribute_kinds[[case$attributes]]
  attributes_of <- kind$of(case$n)
  if (!case$type %in% kind$types || is.null(attributes_of)) return(NULL)
  segment <- segment_of(case$type, case$n, case$elements)
  plain <- plain_scene(segment, attributes_of)
  pairs[[key]] <- list(
    key = key, segment = segment, attributes_of = attributes_of, plain = plain,
    untouched = unserialize(serialize(mget(places, plain), NULL)),
    shared = scene(segment$make, attributes_of, segment$values, segment$whole)
  )
  pairs[[key]]
}
plain_scene <- function(segment, attributes_of) {
  values <- segment$values
  scene(function() rep_len(values, length(values)), attributes_of, values)
}
fresh_scene <- function(pair) plain_scene(pair$segment, pair$attributes_of)
places <- c("x", "l", "df", "y", "g")
pairs <- new.env()
forget_pair <- function(pair) rm(list = pair$key, envir = pairs)
