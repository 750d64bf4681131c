# Called from src/r/condition.c and by local_shared_memory(), in a frame right above
# that of the function whose call failed.
throw_condition <- function(kind, message, id, op, errno, element) {
  stop(structure(
    class = c(paste0("sharedmemory_error_", kind), "sharedmemory_error",
              "error", "condition"),
    list(message = message, call = sys.call(-1), id = id, op = op,
         errno = errno, element = element)
  ))
}
