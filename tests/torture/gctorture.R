# The glue with a garbage collection at each allocation:
#
#   Rscript gctorture.R ROUNDS
#
# What C has forgotten to protect is gone then. The results have to be those of a
# run without. Where the function in R allocates much itself, its .Call() is made
# here.
library(sharedmemory)
invisible(compiler::enableJIT(0)) # or it is the compiler that is tortured

rounds <- as.integer(commandArgs(TRUE)[1])
glue <- function(name, ...) {
  .Call(get(paste0("C_", name), asNamespace("sharedmemory")), ...)
}
bytes <- as.raw(0:255)
utf8 <- "caf\u00e9"
latin1 <- iconv(utf8, "UTF-8", "latin1")

# Each leaves nothing, and says something that is the same each time.
cases <- list(
  allocate = function() {
    id <- allocateSharedMemory(c(10, 20, 30), c("", "y", "x"))
    freeSharedMemory(id)
    id[2:3]
  },
  too_small = function() allocateSharedMemory(1e6, "stands"),
  exists = function() allocateSharedMemory(1, "stands", exclusive = TRUE),
  bad_size = function() allocateSharedMemory(c(1, -1)),
  traced = function() {
    old <- options(sharedmemory.trace = TRUE)
    on.exit(options(old))
    allocateSharedMemory(1, "traced")
    call <- glue("list", NULL, NULL, FALSE)$call
    freeSharedMemory("traced")
    sum(!is.na(call))
  },
  map = function() {
    pointers <- mapSharedMemory(c("stands", latin1))
    unmapSharedMemory(c("stands", utf8))
    vapply(pointers, typeof, "")
  },
  map_fails = function() mapSharedMemory(c("stands", "absent")),
  has = function() hasSharedMemory(c("stands", "absent", latin1)),
  factor = function() hasSharedMemory(factor(c("stands", "absent"))),
  size = function() getSharedMemorySize(c("stands", latin1)),
  size_fails = function() getSharedMemorySize(c("stands", "absent")),
  index = function() getLastIndex() >= 0,
  list = function() sort(glue("list", NULL, NULL, TRUE)$Id),
  list_part = function() length(glue("list", 1e6, 0, FALSE)$Id),
  inspect = function() glue("inspect", "stands", 64)[[3]],
  inspect_fails = function() glue("inspect", "absent", 64),
  status = function() names(glue("status")),
  reclaim = function() glue("reclaim", TRUE, FALSE)$fate,
  read = function() readSharedMemory("stands", "integer", 8, 4),
  read_fails = function() readSharedMemory("stands", "raw", 1e6),
  write = function() {
    writeSharedMemory(latin1, c(TRUE, NA), 8)
    readSharedMemory(utf8, "logical", 2, 8)
  },
  write_fails = function() writeSharedMemory("stands", "text"),
  view = function() {
    x <- viewSharedMemory("stands", "integer", 16, live = TRUE)
    x[3] <- 5L
    c(sum(x[1:3]), length(x), sharedMemoryId(x) == "stands")
  },
  view_sealed = function() {
    id <- allocateSharedMemory(64)
    writeSharedMemory(id, c(1L, 0L, 3L))
    sealSharedMemory(id)
    x <- viewSharedMemory(id)
    y <- x
    y[2] <- 7
    flags <- viewSharedMemory(id, "logical", 2)
    improper <- tryCatch(viewSharedMemory(id, "logical"),
                         error = function(e) class(e)[1])
    freeSharedMemory(id)
    list(y[1:3], x[2], which(flags), improper)
  },
  view_fails = function() viewSharedMemory("stands", "integer", offset = 3),
  view_unsealed = function() viewSharedMemory("stands", "integer"),
  travels = function() {
    x <- unserialize(serialize(viewSharedMemory("stands", "raw", live = TRUE), NULL))
    list(is.shared(x), x[5:9])
  },
  travels_in_vain = function() {
    id <- allocateSharedMemory(100)
    sealSharedMemory(id)
    sent <- serialize(viewSharedMemory(id), NULL)
    freeSharedMemory(id)
    x <- unserialize(sent)
    tryCatch(x[1], error = function(e) class(e)[1])
  },
  array = function() {
    a <- sharedArray("stands", "int16", c(4, 4), 64)
    a[] <- 1:16
    a[2, ] <- c(20, 30)
    a[c(TRUE, NA, FALSE)] <- 7
    a[[3, 3]] <- a[-1][2]
    a[cbind(1, 2:4)] <- a[1:3, 4]
    b <- unserialize(serialize(a, NULL))
    dim(b) <- NULL
    list(a[], a[, -2], a[c(1, NA, 99)], b[10:3], sum(b), range(a), b[[5]], dim(a))
  },
  array_fails = function() {
    a <- sharedArray("stands", "uint8")
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    c(kind(a[1:2] <- c(1, 256)), kind(a[1e6] <- 1), kind(a["x"]), kind(a[c(-1, 1)]),
      kind(a[[1, 1]]), kind(sharedArray("absent")),
      kind(sharedArray("stands", dim = 1e6)))
  },
  array_in_vain = function() {
    id <- allocateSharedMemory(100)
    sent <- serialize(sharedArray(id, dim = c(2, 5)), NULL)
    freeSharedMemory(id)
    tryCatch(unserialize(sent)[1], error = function(e) class(e)[1])
  },
  share = function() {
    x <- share(object)
    list(is.shared(x), x$n[99], x$s[3], x$f[2], x$d$u[3], x$e[[1]](2), names(x),
         identical(share(x$n), x$n), is.na(sharedMemoryId(x)))
  },
  share_named = function() {
    share(object, "named", "freed")
    x <- openShared("named")
    freeSharedMemory("named")
    list(x$n[600], x$s[1:3], attributes(x$d), dim(x$m), x$l)
  },
  share_fails = function() share(1, "stands"),
  open_fails = function() openShared("absent"),
  open_plain = function() openShared("stands"),
  shared_travels = function() {
    x <- unserialize(serialize(share(object), NULL))
    y <- unserialize(serialize(x, NULL))
    list(y$n[5], y$s[6], y$d$w[2], x$q, levels(y$f), y$t, y$p)
  },
  shared_in_vain = function() {
    x <- share(object)
    sent <- serialize(x, NULL)
    id <- sharedMemoryId(x)
    rm(x)
    freeSharedMemory(id)
    gc()
    y <- unserialize(sent)
    kind <- function(code) tryCatch(code, error = function(e) class(e)[1])
    c(kind(y$n[1]), kind(y$s[[2]]), kind(sum(y$n)))
  },
  shared_elements = function() {
    x <- share(list(1:700 / 2, c(TRUE, NA), rep(c("a", NA), 300), list(1, NULL)))
    list(x[[1]][700], x[[2]], x[[3]][599:600], x[[4]], sum(x[[1]]), range(x[[1]]),
         x[[3]] == "a", order(x[[1]], decreasing = TRUE)[1], lengths(x))
  },
  shared_changes = function() {
    x <- share(object)
    x$n[2] <- 7
    x$s[2] <- "new"
    x$d$v <- 1:3
    names(x$m) <- NULL
    y <- unserialize(serialize(x, NULL))
    list(y$n[1:3], y$s[1:3], y$d, is.shared(y$f))
  },
  shared_inside = function() {
    part <- share(1:600 / 2)
    x <- share(list(part, share(list(rep("b", 600), part))))
    rm(part)
    gc()
    x <- unserialize(serialize(x, NULL))
    list(x[[1]][600], x[[2]][[1]][600], x[[2]][[2]][1])
  },
  unshare = function() {
    x <- unshare(share(object))
    list(is.shared(x), x)
  },
  share_s4 = function() {
    x <- share(methods::new("Tortured", x = 1:600 / 2, y = list("a")))
    y <- unserialize(serialize(x, NULL))
    list(isS4(y), y@x[600], y@y, y)
  },
  local = function() {
    f <- function() local_shared_memory(10, "local")
    f()
    hasSharedMemory("local")
  },
  join = function() {
    releaseSharedObjectPackageData()
    initialSharedObjectPackageData()
  }
)

# Each kind of node, with leaves and without. Small, for all is slow under gctorture.
methods::setClass("Tortured", methods::representation(x = "numeric", y = "list"))
object <- list(
  n = 1:600 / 2, s = rep(c("a", utf8, NA, latin1, ""), 120), q = quote(a + b),
  f = factor(rep(1:3, 200)), e = list(as.function(alist(u = , u + 1), globalenv())),
  d = data.frame(u = 1:3, w = c("x", NA, "y")), l = c(TRUE, NA), t = stats::ts(1:9),
  m = matrix(1:6 + 0i, 2, dimnames = list(c("a", "b"), NULL)), i = 1:1000000, r = bytes,
  p = pairlist(a = 1, "b"), z = list(NULL, character(), list())
)
options(sharedmemory.handoff = 0)

made <- allocateSharedMemory(256, c("stands", utf8))
writeSharedMemory("stands", bytes)
attempt <- function(case) {
  tryCatch(unshare(case()), error = function(e) list(class(e), conditionMessage(e)))
}
expected <- lapply(cases, attempt)
invisible(gc())

failures <- 0L
for (round in seq_len(rounds)) for (name in names(cases)) {
  gctorture(TRUE)
  value <- attempt(cases[[name]])
  gctorture(FALSE)
  gc() # what was shared goes with its last leaf
  if (identical(value, expected[[name]])) next
  failures <- failures + 1L
  cat("under gctorture", name, "gives\n")
  print(value)
}
freeSharedMemory(c("stands", utf8))
left <- list.files("/dev/shm", paste0("^smem[.]", Sys.getenv("SHAREDMEMORY_NAMESPACE")))
if (length(left)) cat("left behind:", left, "\n")
failures <- failures + (length(left) > 0)
cat(sprintf("gctorture: %d calls, %d wrong\n", rounds * length(cases), failures))
quit(status = as.integer(failures > 0))
