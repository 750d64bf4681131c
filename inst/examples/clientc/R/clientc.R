# Numeric vectors in shared memory. Ids are those of sharedmemory: what is stored here
# is listed by listSharedObjects() and found by every process of the user.

# ---- errors --------------------------------------------------------------------
#
# The C code returns an error as a value, a condition, when it has given back all
# that it held. Here it is thrown.
checked <- function(value) {
  if (inherits(value, "condition")) stop(value)
  value
}

# ---- functions -----------------------------------------------------------------

# Copies x, a numeric vector, to a new segment; returns its id.
store <- function(x, name = NULL) checked(.Call(C_store, as.double(x), name))

# The sum of what is stored there.
total <- function(id) checked(.Call(C_total, id))

# Puts one number there, for everybody who sees it.
put <- function(id, at, value) invisible(checked(.Call(C_put, id, at, value)))

# Adds to one number there, also if others do at the same time.
add <- function(id, at, value) invisible(checked(.Call(C_add, id, at, value)))

# The memory itself, as a vector that changes with it.
window <- function(id) checked(.Call(C_window, id))

# How many numbers are stored there; NA if it does not exist.
count <- function(id) checked(.Call(C_count, id))

# What is known of it.
describe <- function(id) checked(.Call(C_describe, id))

release <- function(id) invisible(checked(.Call(C_release, id)))
