# Numeric vectors in shared memory. Ids are those of sharedmemory: what is stored here
# is listed by listSharedObjects() and found by every process of the user.

# Copies x, a numeric vector, to a new segment; returns its id.
store <- function(x) .Call(C_store, as.double(x))

# The sum of what is stored there.
total <- function(id) .Call(C_total, id)

# Adds to all numbers that are stored there, also if others do at the same time.
add <- function(id, number) invisible(.Call(C_add, id, as.double(number)))

# The memory itself, as a vector that changes with it.
window <- function(id) .Call(C_window, id)

# How many numbers are stored there; NA if it does not exist.
count <- function(id) .Call(C_count, id)

# What is known of it.
describe <- function(id) .Call(C_describe, id)

release <- function(id) invisible(.Call(C_release, id))

# Some threads that work with shared memory until finish(), which tells how often each
# of them got round, or throws the first error. R goes on meanwhile.
start <- function(threads = 4) .Call(C_start, as.integer(threads))
finish <- function(crew) .Call(C_finish, crew)
