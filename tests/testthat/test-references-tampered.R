# References that somebody has tampered with.

# The serialized view around another state: any R object.
splice <- function(serialized, state) {
  header <- length(serialize(NULL, NULL)) - 4
  own <- view_state(serialized)
  body <- serialize(state, NULL)[-seq_len(header)]
  from <- own$at - 8
  c(
    serialized[seq_len(from - 1)], body,
    serialized[-seq_len(own$at + length(own$bytes) - 1)]
  )
}

view_state <- function(serialized) {
  at <- grepRaw("SMRF", serialized, fixed = TRUE)
  n <- sum(as.integer(serialized[at - 4:1]) * 256^(3:0))
  list(at = at, bytes = serialized[at + seq_len(n) - 1])
}

number_bytes <- function(x) {
  as.raw((x %/% 256^(0:7)) %% 256)
}

test_that("the states of views are as these tests take them to be", {
  local_clean_shm()
  id <- local_sealed(as.double(1:10))
  serialized <- serialize(viewSharedMemory(id, offset = 16), NULL)
  state <- view_state(serialized)$bytes
  expect_identical(with_checksum(state), state)
  expect_identical(splice(serialized, state), serialized)
  expect_identical(state[33:48], c(number_bytes(16), number_bytes(8)))
})

test_that("tampered states are errors or the right memory, and never a crash", {
  local_clean_shm()
  withr::local_seed(20)
  values <- as.double(1:100)
  id <- local_sealed(values)
  good <- serialize(viewSharedMemory(id), NULL)
  state <- view_state(good)$bytes
  random <- function(n) as.raw(sample(0:255, n, TRUE))
  flipped <- function(x, n = sample(4, 1)) {
    at <- sample(length(x), n)
    replace(x, at, random(n))
  }
  huge <- c(0, 1, 100, 101, 2^31, 2^32, 2^52, 2^53, 2^61, 2^63, 2^64 - 2048)
  at_place <- function(x, at, number) replace(x, at + 0:7, number_bytes(number))
  states <- c(
    replicate(1000, flipped(state), simplify = FALSE),
    # The same, and whoever did it knew about the checksum.
    replicate(1000, with_checksum(flipped(state)), simplify = FALSE),
    lapply(seq_along(state) - 1, function(n) state[seq_len(n)]),
    replicate(200, with_checksum(c(state, random(sample(300, 1)))), simplify = FALSE),
    replicate(200, random(sample(400, 1)), simplify = FALSE),
    replicate(200, with_checksum(c(state[1:48], random(8 + sample(200, 1)))),
              simplify = FALSE),
    unlist(lapply(huge, function(offset) lapply(huge, function(length) {
      with_checksum(at_place(at_place(state, 33, offset), 41, length))
    })), recursive = FALSE),
    lapply(0:255, function(form) with_checksum(replace(state, 6, as.raw(form)))),
    list(
      NULL, 1, 1L, "SMRF", TRUE, list(state), list(), sum, globalenv(), quote(a),
      as.integer(state), viewSharedMemory(id), viewSharedMemory(id, "raw"), 1i,
      structure(state, class = "thing"), raw(0), raw(1e5), 1:1e5
    )
  )
  serialized <- lapply(states, splice, serialized = good)
  # The classes of other types, with the state of this one.
  rename <- function(bytes, from, to) {
    at <- grepRaw(from, bytes, fixed = TRUE)
    length <- c(raw(3), as.raw(nchar(to)))
    c(bytes[seq_len(at - 5)], length, charToRaw(to),
      bytes[-seq_len(at + nchar(from) - 1)])
  }
  types <- names(type_sizes)
  for (type in types) {
    length <- if (type == "logical") 1 else 100 # of values that are proper
    other <- serialize(viewSharedMemory(id, type, length), NULL)
    for (name in c(paste0("view_", types), "view_", "compact_intseq")) {
      serialized <- c(serialized, list(rename(other, paste0("view_", type), name)))
    }
  }
  # Cut off anywhere.
  serialized <- c(serialized, lapply(seq_along(good), function(n) good[seq_len(n)]))
  expect_gt(length(serialized), 3000)
  session <- local_session()
  answers <- run_in(session, function(all, values) {
    vapply(all, function(bytes) {
      tryCatch(
        {
          x <- suppressWarnings(unserialize(bytes))
          # What comes out must be usable, from the first to the last.
          if (length(x) > 0 && is.atomic(x)) c(x[1], x[length(x)])
          if (!is.shared(x)) return("no view")
          all_bytes <- writeBin(values, raw())
          got <- if (length(x) > 0) writeBin(x[], raw()) else raw()
          inside <- length(got) == 0 ||
            length(grepRaw(got, c(all_bytes, raw(8192)), fixed = TRUE)) > 0
          if (inside) "the segment's" else "WRONG"
        },
        error = function(e) "error"
      )
    }, "")
  }, serialized, values)
  expect_identical(setdiff(answers, c("error", "the segment's", "no view")),
                   character())
  expect_gt(sum(answers == "error"), 2500)
  # It has not written, and can still be used.
  expect_identical(readSharedMemory(id), values)
  expect_identical(
    run_in(session, function(good) sum(unserialize(good)), good), sum(values)
  )
})
