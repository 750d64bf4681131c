#' Objects for all workers of a cluster, once per machine
#'
#' `clusterShare()` is called as [parallel::clusterExport()] is: afterwards each worker
#' has the objects as global variables. But they are shared ones (see [share()]), and
#' the workers of one machine have one copy together: the data crosses the network once
#' per machine, to one of its workers, and all others get a reference.
#'
#' @section Machines:
#' Workers belong together if they see the same shared memory, as the same user: not the
#' host's name counts but the place that references carry. So two containers on one
#' machine with a `/dev/shm` each are two machines, and two that share it are one.
#' Workers on the machine of the master get its copy, and nothing is sent but the
#' reference; what is shared there already, `x <- share(x)`, is not even copied.
#'
#' On its way an object needs no memory but for a few parts of at most 24 MiB, here and
#' there: the master sends it from where it lies, and the worker writes it where it is
#' to stay. What [share()] gives back as it is, and what goes to a machine with another
#' order of bytes, is serialized here and made anew there.
#'
#' A worker in which this package is missing, or of another version, gets ordinary
#' objects. So does, alone, what [share()] gives back as it is, such as functions.
#'
#' The copy belongs to the worker that made it. When that ends, also by a crash, the
#' others keep theirs, and when the last worker of the machine has let go, by `rm()` or
#' by its end, the memory is gone. For a worker that came later call `clusterShare()`
#' again for the whole cluster: it gets what is missing. What is there already does not
#' cross the network a second time, unless it was made by a worker that has ended since.
#'
#' @section Results:
#' A worker that `clusterShare()` was called for knows whether the master is on its
#' machine. If it is, what the worker has shared and returns comes back as a reference,
#' otherwise by value; the same code does for both. (`clusterShare(cl, character())`
#' only tells the workers so.) It also holds for what such a worker sends anywhere else.
#'
#' @section Interrupts and failures:
#' Objects become visible in all workers at the end, or in none. Ctrl-C counts after the
#' part that is just being sent, some ten MiB, and leaves no copy behind; pressed twice
#' it does not wait for that, and the cluster cannot be used any more. Long transfers
#' show a line of progress on a terminal. A worker that has ended is left out, with a
#' warning; if it ended during the transfer another one of its machine gets the data.
#'
#' @section mirai and future:
#' `mirai::make_cluster()` and `parallelly::makeClusterPSOCK()` make clusters as
#' `parallel` does.
#'
#' A future does not see global variables of its worker, for it is evaluated elsewhere
#' and `future` removes them. With `keep = TRUE` the workers keep the objects, until the
#' next `clusterShare()` of that name, and `clusterShared("x")` in the future is `x`. Do
#' not name the variable itself there, or `future` sends that of the master.
#'
#' Daemons of mirai without a cluster are asked by nobody where they are. On the
#' master's machine a shared object is all they need: `x <- share(x)`, and
#' `mirai::everywhere({}, x = x)`. On other machines, give each a compute profile of its
#' own. One daemon gets the values and makes the copy, and the others find that by its
#' name:
#'
#' ```
#' for (host in profiles) {
#'   mirai::mirai({
#'     sharedmemory::share(x, name = "x", lifetime = "process")
#'     NULL
#'   }, x = unshare(x), .compute = host)[]
#'   mirai::everywhere({
#'     x <<- sharedmemory::openShared("x")
#'     NULL
#'   }, .compute = host)[]
#' }
#' ```
#'
#' Where one profile spans machines nobody knows which daemon is next. Send values to
#' each, `mirai::everywhere({}, x = unshare(x))`, or use `mirai::make_cluster()`. From
#' another machine such a daemon has to return `unshare()` of what it has shared.
#'
#' @section References to another machine:
#' What is shared and sent with anything but `clusterShare()` goes as a reference:
#' [parallel::clusterExport()], arguments of [parallel::clusterApply()], variables that
#' a future takes along. On another machine, or in a container with a `/dev/shm` of its
#' own, the object has its length but no values. Its use is the error
#' `sharedmemory_error_elsewhere`. To such workers send `unshare(x)`, or the object with
#' `clusterShare()`.
#'
#' @param cl A cluster, as [parallel::clusterCall()] takes it. `NULL`: the default
#'   cluster, see [parallel::setDefaultCluster()].
#' @param varlist Character vector: the names of the variables.
#' @param envir Environment in which, or in whose parents, they are.
#' @param keep `TRUE`: workers keep them for `clusterShared()`, too; see below.
#' @param name The name of a variable that was shared with `keep = TRUE`.
#' @return `clusterShare()`: invisibly, a data frame with a row per worker: `worker`
#'   (its number in the cluster), `place` (the same for workers of one machine; `NA`: it
#'   has no shared memory with anybody), `how`: `"made"` if it got the data and made the
#'   copy of its machine, `"opened"` if it got references, `"value"` if it got ordinary
#'   objects, `"ended"`.
#'
#'   `clusterShared()`: the object.
#' @section Errors:
#' `sharedmemory_error_no_space` and others if the copy of a machine cannot be made,
#' `sharedmemory_error_argument`; see [sharedmemory]. `clusterShared()`:
#' `sharedmemory_error_not_found`.
#' @seealso [share()], [parallel::clusterExport()]
#' @examplesIf .Platform$OS.type == "unix" && Sys.info()[["sysname"]] == "Linux"
#' library(parallel)
#' cl <- makeCluster(2)
#' x <- rnorm(1e5)
#' clusterShare(cl, "x")
#' clusterEvalQ(cl, c(sharedmemory::is.shared(x), length(x)))
#' clusterApply(cl, 1:2, function(i) mean(x[seq(i, 1e5, 2)]))
#'
#' # workers know it under its name, also in a future
#' clusterShare(cl, "x", keep = TRUE)
#' clusterEvalQ(cl, mean(sharedmemory::clusterShared("x")))
#' stopCluster(cl)
#' @export
clusterShare <- function(cl = NULL, varlist, envir = .GlobalEnv, keep = FALSE) {
  if (!requireNamespace("parallel", quietly = TRUE))
    throw_detail("unsupported", "share", "clusterShare() needs the package parallel")
  if (is.null(cl)) cl <- parallel::getDefaultCluster()
  names <- variable_names(varlist, sys.call())
  check_cluster(cl, envir, keep, sys.call())
  values <- lapply(names, get, envir = envir)
  state <- new_transfer(cl, names, values, isTRUE(keep))
  on.exit(give_up(state))
  find_places(state)
  share_here(state)
  for (far in far_places(state)) plan_place(state, far)
  send_missing(state)
  open_everywhere(state)
  commit(state)
  on.exit()
  end_transfer(state)
}

#' @rdname clusterShare
#' @export
clusterShared <- function(name) {
  if (!are_names(name) || length(name) != 1)
    throw_argument("find", "`name` must be the name of one variable")
  kept <- worker$kept[[name]]
  if (is.null(kept))
    throw_detail("not_found", "find", "this worker keeps no object of the name \"",
                 printable(name), "\"; see `keep` of clusterShare()")
  kept[[1]]
}

# A class would have methods that are called from here on.
are_names <- function(x) {
  is.character(x) && !is.object(x) && !anyNA(x) && all(nzchar(x)) &&
    !any(Encoding(x) == "bytes")
}

# ---- the master --------------------------------------------------------------

variable_names <- function(varlist, call) {
  if (!are_names(varlist))
    throw_argument("share",
                   "`varlist` must be a character vector of names of variables",
                   call = call)
  unique(varlist)
}

check_cluster <- function(cl, envir, keep, call) {
  fail <- function(...) throw_argument("share", ..., call = call)
  if (is.null(cl))
    fail("there is no default cluster: pass one as `cl`, or set it with ",
         "parallel::setDefaultCluster()")
  if (!inherits(cl, "cluster"))
    fail("`cl` must be a cluster, see parallel::makeCluster()")
  if (!is.environment(envir)) fail("`envir` must be an environment")
  if (!isTRUE(keep) && !identical(keep, FALSE)) fail("`keep` must be TRUE or FALSE")
}

# What the master knows: of each worker whether it is `alive`, its `place` (NA:
# ordinary objects only), which variables it still needs and whether its numbers have
# the `same_bytes`; of each place the references to the variables that are there; of
# each variable its image, from which it is sent, or where that cannot be its bytes by
# value.
new_transfer <- function(cl, names, values, keep) {
  n <- length(cl)
  list2env(list(
    cl = cl, names = names, values = values, keep = keep, index = seq_along(names),
    alive = rep(TRUE, n), place = rep(NA_character_, n), how = rep("ended", n),
    needs = matrix(TRUE, n, length(names)), same_bytes = logical(n),
    images = vector("list", length(names)), bytes = vector("list", length(names)),
    keys = character(length(names)), references = list(),
    travels_alone = logical(length(names)), made_here = list(), broken = FALSE,
    sent = 0, to_send = 0, shown = FALSE, since = proc.time()[[3]]
  ), parent = emptyenv())
}

alive_in <- function(state, place) which(state$alive & state$place %in% place)

find_places <- function(state) {
  here <- place_key()
  answers <- ask(state, seq_along(state$cl), "worker_place", function(i) list(here))
  for (i in which(state$alive)) {
    answer <- answers[[i]]
    usable <- is.null(answer$error) && identical(answer$value$version, version_here())
    if (usable) state$place[i] <- answer$value$place
    if (usable) state$same_bytes[i] <- identical(answer$value$bytes, order_of_bytes())
  }
  state$how[state$alive] <- "value"
  state$needs[is.na(state$place), ] <- FALSE
}

# Workers on this machine open what the master has.
share_here <- function(state) {
  here <- place_key()
  if (length(alive_in(state, here)) == 0) return()
  for (k in state$index) {
    before <- .Call(C_reference, state$values[[k]])
    shared <- share(state$values[[k]])
    reference <- .Call(C_reference, shared)
    if (is.null(reference)) state$travels_alone[k] <- TRUE
    else if (!identical(before, reference)) state$made_here[[k]] <- shared
    state$references[[here]][k] <- list(reference)
  }
}

far_places <- function(state) {
  setdiff(state$place[state$alive], c(place_key(), NA))
}

# What share() gives back as it is has none.
image_of <- function(state, k) {
  if (!state$travels_alone[k] && is.null(state$images[[k]])) {
    image <- .Call(C_image_new, state$values[[k]])
    state$images[k] <- list(image)
    state$travels_alone[k] <- is.null(image)
  }
  state$images[[k]]
}

bytes_of <- function(state, k) {
  if (is.null(state$bytes[[k]])) state$bytes[[k]] <- .Call(C_values, state$values[[k]])
  state$bytes[[k]]
}

drop_images <- function(state) {
  for (image in state$images) if (!is.null(image)) .Call(C_image_end, image)
  state$images <- list()
}

# What a worker of the place has from an earlier call need not travel.
plan_place <- function(state, place) {
  for (k in state$index) if (state$keys[k] == "" && !is.null(image_of(state, k)))
    state$keys[k] <- .Call(C_image_digest, image_of(state, k))
  who <- alive_in(state, place)
  answers <- ask(state, who, "worker_has", function(i) list(state$keys))
  for (i in who) for (k in state$index) {
    reference <- answers[[match(i, who)]]$value[[k]]
    if (is.null(reference)) next
    state$needs[i, k] <- FALSE
    state$how[i] <- "opened"
    if (is.null(reference_to(state, place, k)))
      state$references[[place]][k] <- list(reference)
  }
}

reference_to <- function(state, place, k) {
  references <- state$references[[place]]
  if (length(references) >= k) references[[k]]
}

needing <- function(state, k) which(state$alive & state$needs[, k])

# One worker of each place that lacks the data; if it has ended meanwhile, the next.
send_missing <- function(state) {
  repeat {
    open_everywhere(state)
    leaders <- lapply(state$index, function(k) {
      who <- needing(state, k)
      if (state$travels_alone[k]) who else who[!duplicated(state$place[who])]
    })
    if (length(unlist(leaders)) == 0) return()
    state$sent <- 0
    state$to_send <- sum(unlist(lapply(state$index, function(k) {
      vapply(leaders[[k]], function(i) bytes_to(state, k, i), 0)
    })))
    for (k in state$index) if (length(leaders[[k]])) send(state, k, leaders[[k]])
    make_copies(state, leaders)
  }
}

# Can the worker write them where they are to lie?
takes_image <- function(state, k, i) {
  state$same_bytes[i] && !is.null(image_of(state, k))
}

bytes_to <- function(state, k, i) {
  if (takes_image(state, k, i)) .Call(C_image_head, state$images[[k]])[[1]][1]
  else length(bytes_of(state, k))
}

send <- function(state, k, leaders) {
  able <- Filter(function(i) takes_image(state, k, i), leaders)
  if (length(able)) able <- begin_images(state, k, able)
  send_next <- function(part, before) {
    send_part(state, k, able, part, before, 8 * length(part))
  }
  if (length(able))
    .Call(C_image_send, state$images[[k]], size_of_parts(length(able)), send_next)
  others <- setdiff(leaders, able)
  if (length(others)) send_bytes(state, k, others)
}

# Those that have memory for it. Who may not have any gets the value.
begin_images <- function(state, k, who) {
  head <- .Call(C_image_head, state$images[[k]])
  answers <- ask(state, who, "worker_begin", function(i) list(k, head))
  has_begun <- vapply(seq_along(who), function(j) {
    answer <- answers[[j]]
    refused <- any(c("sharedmemory_error_permission", "sharedmemory_error_unsupported")
                   %in% answer$class)
    if (!is.null(answer$error) && !refused) throw_remote(state, who[j], answer)
    is.null(answer$error)
  }, NA)
  who[has_begun]
}

# Bytes. All workers are sent a part, and then all have answered. R's messages end in
# small pieces, which TCP holds back until the receiver has acknowledged what came
# before, up to 40 ms later: so a round takes longer than that. It is also what an
# interrupt waits for.
size_of_parts <- function(workers) 2^20 * min(24, max(4, 72 %/% workers))

send_bytes <- function(state, k, who) {
  bytes <- bytes_of(state, k)
  step <- size_of_parts(length(who))
  ask(state, who, "worker_begin", function(i) list(k))
  for (before in seq(0, length(bytes) - 1, step)) {
    part <- bytes[(before + 1):min(before + step, length(bytes))]
    send_part(state, k, who, part, before, length(part))
  }
}

send_part <- function(state, k, who, part, before, size) {
  answers <- ask(state, who, "worker_part", function(i) list(k, part, before))
  for (j in seq_along(who))
    if (!is.null(answers[[j]]$error)) throw_remote(state, who[j], answers[[j]])
  state$sent <- state$sent + size * length(who)
  show_progress(state)
}

make_copies <- function(state, leaders) {
  who <- sort(unique(unlist(leaders)))
  mine <- function(i) which(vapply(leaders, function(x) i %in% x, NA))
  answers <- ask(state, who, "worker_make", function(i) list(mine(i)))
  for (i in who[state$alive[who]]) {
    answer <- answers[[match(i, who)]]
    if (!is.null(answer$error)) throw_remote(state, i, answer)
    for (k in mine(i)) {
      reference <- answer$value[[match(k, mine(i))]]
      state$needs[i, k] <- FALSE
      if (is.null(reference)) state$travels_alone[k] <- TRUE
      else {
        state$references[[state$place[i]]][k] <- list(reference)
        state$how[i] <- "made"
      }
    }
  }
}

# Who cannot open what others of its place can is a place by itself.
open_everywhere <- function(state) {
  wanted <- lapply(seq_along(state$cl), function(i) {
    Filter(function(k) {
      state$needs[i, k] && !is.null(reference_to(state, state$place[i], k))
    }, state$index)
  })
  who <- which(state$alive & lengths(wanted) > 0)
  answers <- ask(state, who, "worker_open", function(i) {
    list(wanted[[i]], state$references[[state$place[i]]][wanted[[i]]])
  })
  for (i in who[state$alive[who]]) {
    opened <- isTRUE(all(answers[[match(i, who)]]$value))
    if (opened) state$needs[i, wanted[[i]]] <- FALSE
    if (opened && state$how[i] == "value") state$how[i] <- "opened"
    if (!opened) state$place[i] <- paste(state$place[i], i)
  }
}

commit <- function(state) {
  ask(state, which(!is.na(state$place)), "worker_commit", function(i) {
    list(state$names, state$keys, state$references[[state$place[i]]], state$keep)
  })
  plain <- which(is.na(state$place) & state$alive)
  if (length(plain) == 0 || length(state$names) == 0) return()
  bytes <- lapply(state$index, function(k) .Call(C_values, state$values[[k]]))
  ask(state, plain, NULL, function(i) list(state$names, bytes))
}

end_transfer <- function(state) {
  clear_progress(state)
  drop_images(state)
  for (shared in state$made_here) .Call(C_let_go, shared)
  ended <- which(!state$alive)
  state$how[ended] <- "ended"
  if (length(ended))
    warning(sprintf(
      ngettext(length(ended), "worker %s of the cluster has ended",
               "workers %s of the cluster have ended"),
      paste(ended, collapse = ", ")
    ), call. = FALSE)
  places <- match(state$place, unique(state$place[!is.na(state$place)]))
  invisible(data.frame(worker = seq_along(state$cl), place = places, how = state$how))
}

# In step the workers can be told; after a second Ctrl-C they may not be.
give_up <- function(state) {
  clear_progress(state)
  drop_images(state)
  for (shared in state$made_here) .Call(C_let_go, shared)
  who <- which(state$alive & !is.na(state$place))
  if (!state$broken) ask(state, who, "worker_forget", function(i) list())
}

throw_remote <- function(state, i, answer) {
  ours <- "sharedmemory_error" %in% answer$class
  kind <- if (ours) sub("sharedmemory_error_", "", answer$class[1]) else "system"
  throw_condition(kind, sprintf("worker %d of the cluster: %s", i, answer$error),
                  op = "share")
}

# ---- one line of progress ----------------------------------------------------

show_progress <- function(state) {
  now <- proc.time()[[3]]
  if (!isatty(stderr()) || now - state$since < 0.5) return()
  state$since <- now
  state$shown <- TRUE
  cat(sprintf("\rclusterShare(): %.0f of %.0f MB sent ", state$sent / 1e6,
              state$to_send / 1e6), file = stderr())
}

clear_progress <- function(state) {
  if (state$shown) cat("\r", strrep(" ", 60), "\r", sep = "", file = stderr())
  state$shown <- FALSE
}

# ---- rounds of questions and answers -----------------------------------------

# Each of these workers has its arguments to a function of this package. An answer has
# `value`, or `error` and `class`; of a worker that has ended it is NULL.
ask <- function(state, who, call, arguments) {
  answers <- vector("list", length(who))
  here <- state$alive[who]
  if (!any(here)) return(answers)
  given <- lapply(who[here], arguments)
  answers[here] <- to_the_end(state, round_trip(state, who[here], call, given))
  answers
}

# Half an exchange would leave the cluster out of step for good, so that an interrupt
# waits for the end of it. (suspendInterrupts() does not reach what waits for a
# socket.) A second one does not wait, for a worker may never answer.
to_the_end <- function(state, code) {
  waits <- FALSE
  answer <- withCallingHandlers(code, interrupt = function(e) {
    state$broken <- waits
    waits <<- TRUE
    if (!state$broken) invokeRestart("resume")
  })
  if (waits) {
    signalCondition(structure(class = c("interrupt", "condition"), list()))
    invokeRestart("abort")
  }
  answer
}

round_trip <- function(state, who, call, given) {
  fun <- if (is.null(call)) remote_plain else remote_call
  turn <- function(i, given) {
    parallel::clusterApply(some_of(state$cl, i), given, fun, call)
  }
  tryCatch(turn(who, given), error = function(e) {
    # Somebody has ended, and the others may have an answer that nobody has read.
    lapply(seq_along(who), function(j) {
      i <- who[j]
      answer <- if (is_in_step(some_of(state$cl, i)))
        tryCatch(turn(i, given[j])[[1]], error = function(e) NULL)
      if (is.null(answer)) state$alive[i] <- FALSE
      answer
    })
  })
}

# mirai's method for `[` gives what is not a cluster.
some_of <- function(cl, which) {
  part <- .subset(cl, which)
  attributes(part) <- attributes(cl)[setdiff(names(attributes(cl)), "names")]
  part
}

# The worker's next answer is that to the next question. Of one more answer that waits
# the first question is asked again, by those who call.
is_in_step <- function(node) {
  token <- paste("step", .Call(C_random))
  answer <- tryCatch(parallel::clusterCall(node, remote_echo, token)[[1]],
                     error = function(e) e)
  if (inherits(answer, "error")) return(FALSE)
  connection <- if (is.list(node[[1]])) node[[1]]$con
  if (!identical(answer, token) && inherits(connection, "connection"))
    answer <- tryCatch(unserialize(connection)$value, error = function(e) NULL)
  identical(answer, token)
}

# What runs in a worker that may not have this package.
remote_echo <- function(x) x

remote_call <- function(arguments, call) {
  tryCatch(
    list(value = do.call(get(call, envir = asNamespace("sharedmemory")), arguments)),
    error = function(e) list(error = conditionMessage(e), class = class(e))
  )
}

remote_plain <- function(arguments, call) {
  values <- lapply(arguments[[2]], unserialize)
  names(values) <- arguments[[1]]
  list2env(values, globalenv())
  list(value = NULL)
}

environment(remote_echo) <- environment(remote_call) <-
  environment(remote_plain) <- baseenv()

# ---- the worker --------------------------------------------------------------

# `arriving`: what comes in, by variable; `ready`: the objects, before they are seen;
# `known`: references to what is there, by the digest of its bytes; `kept`: see `keep`.
worker <- list2env(
  list(arriving = list(), ready = list(), known = list(), kept = list()),
  parent = emptyenv()
)

version_here <- function() as.character(utils::packageVersion("sharedmemory"))

# Files are private to their user.
place_key <- function() {
  paste(.Call(C_here), Sys.info()[["effective_user"]], .Platform$endian)
}

# Numbers are changed by their way through a processor of 32 bits.
order_of_bytes <- function() paste(.Platform$endian, .Machine$sizeof.pointer)

worker_forget <- function() {
  used <- length(worker$ready) + length(worker$arriving) > 0
  for (arriving in worker$arriving)
    if (!is.list(arriving)) .Call(C_arrival_end, arriving)
  worker$arriving <- worker$ready <- list()
  if (used) gc()
  NULL
}

worker_place <- function(master) {
  worker_forget()
  .Call(C_receiver, place_key() != master)
  list(place = place_key(), version = version_here(), bytes = order_of_bytes())
}

worker_has <- function(keys) {
  lapply(seq_along(keys), function(k) {
    reference <- worker$known[[keys[k]]]
    if (is.null(reference) || !worker_open(k, list(reference))) return(NULL)
    reference
  })
}

# What has come is sent again where an answer was lost.
worker_begin <- function(k, head = NULL) {
  worker$arriving[[as.character(k)]] <-
    if (is.null(head)) list() else .Call(C_arrival_new, head)
  NULL
}

worker_part <- function(k, part, before) {
  key <- as.character(k)
  if (is.list(worker$arriving[[key]]))
    worker$arriving[[key]][[as.character(before)]] <- part
  else
    .Call(C_arrival_write, worker$arriving[[key]], part, before)
  NULL
}

worker_make <- function(variables) {
  lapply(variables, function(k) {
    key <- as.character(k)
    if (!is.null(worker$arriving[[key]])) {
      worker$ready[[key]] <- list(arrived(worker$arriving[[key]]))
      worker$arriving[[key]] <- NULL
    }
    .Call(C_reference, worker$ready[[key]][[1]])
  })
}

arrived <- function(arriving) {
  if (!is.list(arriving)) return(.Call(C_arrival_publish, arriving))
  x <- unserialize(unlist(arriving, use.names = FALSE))
  tryCatch(share(x), sharedmemory_error_permission = function(e) x,
           sharedmemory_error_unsupported = function(e) x)
}

worker_open <- function(variables, references) {
  vapply(seq_along(variables), function(j) {
    x <- tryCatch(list(.Call(C_open_reference, references[[j]])),
                  sharedmemory_error = function(e) NULL)
    worker$ready[[as.character(variables[j])]] <- x
    !is.null(x)
  }, NA)
}

worker_commit <- function(names, keys, references, keep) {
  values <- lapply(worker$ready[as.character(seq_along(names))], `[[`, 1)
  names(values) <- names
  replaced <- any(vapply(mget(names, globalenv(), ifnotfound = list(NULL)),
                         function(x) !is.null(.Call(C_reference, x)), NA))
  list2env(values, globalenv())
  for (k in seq_along(references))
    if (nzchar(keys[k]) && !is.null(references[[k]]))
      worker$known[[keys[k]]] <- references[[k]]
  worker$kept[names] <- if (keep) lapply(values, list)
  worker$arriving <- worker$ready <- list()
  # The memory of a machine is there for the next copy once all workers let go.
  if (replaced) gc()
  NULL
}
