# Called from src/r/condition.c, and by functions of this package: in a frame right
# above that of the function whose call failed, or with that `call`.
throw_condition <- function(kind, message, id = NA_character_, op, errno = 0L,
                            element = NA_real_, call = sys.call(-1)) {
  stop(structure(
    class = c(paste0("sharedmemory_error_", kind), "sharedmemory_error",
              "error", "condition"),
    list(message = message, call = call, id = id, op = op,
         errno = errno, element = element)
  ))
}

# With a text of the same form as the core's. The call that fails is that of the
# function which complains.
throw_detail <- function(kind, op, ..., call = sys.call(-1)) {
  object <- if (op == "share") "object" else "shared memory"
  throw_condition(kind, paste0("cannot ", op, " ", object, ": ", ..., "."), op = op,
                  call = call)
}

throw_argument <- function(op, ..., call = sys.call(-1)) {
  throw_detail("argument", op, ..., call = call)
}
