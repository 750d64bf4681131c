# Which functions are called, and how.

# Left out, by reason.
left_out <- list(
  "ends, halts or waits for somebody" = c(
    "q", "quit", "browser", "readline", "Sys.sleep", "recover", "menu", "file.choose",
    "askYesNo", "debugger", "dump.frames", "select.list", "invokeRestart",
    "invokeRestartInteractively", "computeRestarts", "debug", "debugonce", "undebug",
    "debugcall", "undebugcall", "process.events", "browserText", "browserCondition",
    "browserSetDebug", "edit", "fix", "vi", "emacs", "pico", "xedit", "xemacs",
    "data.entry", "dataentry", "de", "de.ncols", "de.restore", "de.setup", "View",
    "page", "file.edit", "flush.console"
  ),
  "runs other programs or asks the network" = c(
    "system", "system2", "Sys.which", ".Script", "autoloader", "shell", "shell.exec",
    "pipe", "fifo", "socketConnection", "serverSocket", "socketAccept", "socketSelect",
    "socketTimeout", "make.socket", "read.socket", "write.socket", "close.socket",
    "url", "download.file", "url.show", "nsl", "browseURL", "browseVignettes",
    "browseEnv", "bug.report", "create.post", "help.request", "help.start",
    "help.search", "RSiteSearch", "available.packages", "checkCRAN", "chooseBioCmirror",
    "chooseCRANmirror", "contrib.url", "download.packages", "findCRANmirror",
    "getCRANmirrors", "install.packages", "remove.packages", "update.packages",
    "old.packages", "new.packages", "setRepositories", "make.packages.html",
    "mirror2html", "packageStatus", "upgrade", "aspell", "aspell_package_Rd_files",
    "aspell_package_R_files", "aspell_package_C_files", "aspell_package_vignettes",
    "aspell_write_personal_dictionary_file", "Rtangle", "RweaveLatex", "Sweave",
    "Stangle", "tar", "untar", "zip", "unzip", "curlGetHeaders", "hsearch_db",
    "hsearch_db_concepts", "hsearch_db_keywords", "news", "vignette", "demo", "example",
    "package.skeleton", "prompt", "promptData", "promptPackage", "promptImport",
    "packageDescription", "installed.packages", "maintainer", "update_dev_pkg",
    "warnErrList", "fread", "data", "test.data.table"
  ),
  "sets what holds for the whole process" = c(
    "options", "setTimeLimit", "setSessionTimeLimit", "Sys.setenv", "Sys.unsetenv",
    "Sys.setlocale", "Sys.umask", "Sys.setFileTime", "Sys.setLanguage", "setwd",
    "set.seed", "RNGkind", "RNGversion", "gctorture", "gctorture2", "gcinfo",
    "mem.maxVSize", "mem.maxNSize", "sink", "closeAllConnections", "library", "require",
    "requireNamespace", "loadNamespace", "attachNamespace", "unloadNamespace",
    "library.dynam", "library.dynam.unload", "dyn.load", "dyn.unload", "attach",
    "detach", ".detach", ".attach", "registerS3method", "registerS3methods",
    ".S3method", "trace", "untrace", "tracingState", ".doTrace", "traceback",
    ".traceback", "bindtextdomain", "lockBinding", "unlockBinding", "lockEnvironment",
    "makeActiveBinding", "setHook", "globalCallingHandlers", "reg.finalizer",
    "addTaskCallback", "removeTaskCallback", "setDTthreads", "Rprof", "Rprofmem",
    "summaryRprof", "rc.options", "rc.settings", "savehistory", "loadhistory",
    "timestamp", "assignInNamespace", "assignInMyNamespace", "fixInNamespace",
    "setBreakpoint", "rm", "remove", "assign", "delayedAssign", "importIntoEnv",
    ".First.sys", ".OptRequireMethods", "autoload", ".libPaths", "unlink",
    "file.remove", "extSoftVersion", "env.profile", "close", "open", "save.image",
    "sys.save.image", "sys.load.image", "suspendInterrupts", "allowInterrupts",
    "gc.time", "pushBack", "clearPushBack", ".dynLibs", "untracemem", "retracemem",
    "tracemem", "namespaceExport", "namespaceImport", "namespaceImportClasses",
    "namespaceImportFrom", "namespaceImportMethods", ".handleSimpleError",
    ".signalSimpleWarning", ".tryResumeInterrupt"
  ),
  "calls native code by its address" = c(
    ".C", ".Call", ".External", ".External2", ".Fortran", ".Call.graphics",
    ".External.graphics", ".Internal", ".Primitive", "getNativeSymbolInfo"
  ),
  "is a word of the language, which the expressions have" = c(
    "if", "for", "while", "repeat", "function", "return", "break", "next", "(", "{",
    "<-", "<<-", "=", "[", "[[", "$", "@", "[<-", "[[<-", "$<-", "@<-", "&&", "||",
    "on.exit", "UseMethod", "NextMethod", "standardGeneric", "~", "::", ":::"
  ),
  "crashes R with ordinary vectors too, after an error of its own" = "fisher.test",
  "does not end when a file is both of its arguments" = "file.append",
  "makes a vector an attribute of itself" = "setattr",
  "called by itself tells ordinary variables from temporaries" = "xtfrm.AsIs",
  "is about the machine or the moment, not about its argument" = c(
    "Sys.time", "Sys.Date", "date", "proc.time", "system.time", "gc", "tempfile",
    "tempdir", "Sys.getpid", "memory.profile", "getConnection", "showConnections",
    "getAllConnections", "Sys.info", "sessionInfo", "Cstack_info", "sys.call",
    "sys.calls", "sys.frame", "sys.frames", "sys.function", "sys.nframe", "sys.on.exit",
    "sys.parent", "sys.parents", "sys.status", "parent.frame", "address", "timetaken",
    "warnings", "Recall", "lsf.str", "ls.str"
  ),
  "tells where a vector lies, or writes its reference" = c(
    "serialize", "saveRDS", "save", "dump.frames", "object.size"
  )
)

reason_to_leave_out <- function(name) {
  for (reason in names(left_out)) if (name %in% left_out[[reason]]) return(reason)
  NULL
}

# R itself may not come to an end, nor listen to a limit of time, when these get what is
# infinite or missing.
only_plain <- c("besselI", "besselJ", "besselK", "besselY", "nextn", "dwilcox",
                "pwilcox", "qwilcox", "rwilcox", "dsignrank", "psignrank",
                "qsignrank", "rsignrank")

# R 4.2 reads the first element of a matrix of none, whatever lies there.
without_none <- "chol2inv"

# R 4.2 compares the only element of a sorted ALTREP vector with what lies on the stack:
# `anyDuplicated(sort(x))`, here of the cutpoints, is then true by chance.
without_one <- "symnum"

cases_for <- function(name, cases) {
  if (name %in% only_plain) cases <- Filter(function(c) c$elements == "plain", cases)
  if (name %in% without_none) cases <- Filter(function(c) c$n > 0, cases)
  if (name %in% without_one) cases <- Filter(function(c) c$n != 1, cases)
  cases
}

# The same function under two names is called under both, for dispatch may differ.
functions_of <- function(package) {
  space <- asNamespace(package)
  names <- if (package == "base") ls(space, all.names = TRUE)
           else getNamespaceExports(space)
  names <- sort(setdiff(names, grep("^\\.__", names, value = TRUE)), method = "radix")
  Filter(function(name) is.function(get0(name, space)), names)
}

# NULL for what takes nothing, or only tells its arguments by hand.
formals_of <- function(package, name) {
  fun <- get(name, asNamespace(package))
  if (is.primitive(fun)) fun <- args(fun)
  if (is.null(fun)) NULL else formals(fun)
}
is_required <- function(formals) {
  vapply(formals, function(f) is.name(f) && !nzchar(as.character(f)), NA)
}

# ---- other arguments ---------------------------------------------------------

# By the name of the formal; `y`, `g` and `n` are in the scene.
fillings <- list(
  y = quote(y), x = quote(y), X = quote(y), a = quote(y), b = quote(y), e1 = quote(y),
  e2 = quote(y), table = quote(y), object = quote(y), z = quote(y), xx = quote(y),
  yes = quote(y), no = quote(y), target = quote(y), current = quote(y),
  weights = quote(y), wt = quote(y), values = quote(y), .data = quote(df),
  data = quote(df), to = quote(y), from = 1, start = quote(y), observed = quote(y),
  g = quote(g), f = quote(g), INDEX = quote(g), by = quote(list(g)), group = quote(g),
  groups = quote(g), fac = quote(g), i = 1L, j = 1L, which = 1L, index = 1L, pos = 1L,
  n = 2L, k = 2L, times = 2L, size = 2L, each = 2L, lag = 1L, nrow = 2L, ncol = 2L,
  length.out = 5L, along.with = quote(g), order = 1L, width = 20L, digits = 3L,
  FUN = quote(function(x, ...) x), fun = quote(function(x, ...) x), fn = quote(sum),
  .f = quote(function(x, ...) x), .fn = quote(sum), .fns = quote(sum),
  what = quote(sum), args = quote(list(1)), MoreArgs = NULL,
  value = quote(y), replace = 0, replacement = "b", pattern = "1", split = "1",
  probs = 0.5, p = 0.5, q = 0.5, prob = 0.5, df = 3, df1 = 3, df2 = 3, shape = 2,
  shape1 = 2, shape2 = 2, rate = 1, mean = 0, sd = 1, lambda = 2, location = 0,
  scale = 1, m = 3, nn = 3, ncp = 1, formula = quote(x ~ y), mode = "numeric",
  class = "numeric", type = "integer", MARGIN = 1L, STATS = 0, dim = quote(c(1L, n)),
  breaks = 3L, labels = FALSE, vec = 1:3, filter = quote(c(0.5, 0.5)), method = "a",
  name = "a", names = quote(letters), sep = "-", collapse = "+", units = "hours",
  format = "%Y", tz = "UTC", lower = 0, upper = 1, interval = quote(c(0, 1)),
  par = quote(c(1, 1)), p1 = 1, hessian = FALSE, knots = 3, envir = quote(new.env()),
  env = quote(new.env()), expr = quote(x), connection = quote(stdin()),
  con = quote(stdin()), file = "absent", ptype = quote(y), .ptype = NULL, levels = 1:6,
  old = "v", new = "w", cols = "v", var = "v", id.vars = "k", measure.vars = "v",
  condition = TRUE, cond = TRUE, test = TRUE, default = quote(y), width.cutoff = 60L,
  lo = 1, hi = 2, left = 1, right = 3, min = 1, max = 3, slice = 1L, needles = quote(y),
  haystack = quote(y), x_arg = "", y_arg = "", fill = 0, window = 3, sizes = 3L,
  covmat = quote(diag(2)), cov = quote(diag(2)), A = quote(diag(2)),
  Sigma = quote(diag(2)),
  nmax = 2L, indices = list(1L), groupings = quote(g), i1 = 1L, init = 0, tag = "a"
)

# Functions whose formals mean something else than their names do elsewhere, and
# those that do not name them: all calls of these, with `V` for the vector.
special_calls <- list(
  "base::Reduce" = quote(list(f(`+`, V), f(`+`, V, accumulate = TRUE))),
  "base::Filter" = quote(list(f(function(e) e == y[1], V))),
  "base::Map" = quote(list(f(function(e, h) e, V, y))),
  "base::Find" = quote(list(f(function(e) e == y[1], V))),
  "base::Position" = quote(list(f(function(e) e == y[1], V))),
  "base::mapply" = quote(list(f(function(e, h) e, V, y))),
  "base::vapply" = quote(list(f(V, function(e) 1, 1), f(V, is.na, NA))),
  "base::rapply" = quote(list(f(list(V, 1), function(e) e, how = "list"))),
  "base::outer" = quote(list(f(V, 1:2), f(1:2, V))),
  "base::do.call" = quote(list(f("sum", list(V)), f("c", list(V, y)))),
  "base::rep" = quote(list(f(V, 2), f(V, each = 2), f(V, length.out = 7), f(1:3, V))),
  "base::seq" = quote(list(f(V), f(1, along.with = V), f(V[1], 9))),
  "base::c" = quote(list(f(V), f(V, y), f(y, V), f(a = V))),
  "base::array" = quote(list(f(V), f(V, c(2, 3)), f(0, V))),
  "base::switch" = quote(list(f(V, 1, 2, 3), f("a", a = V))),
  "base::cut" = quote(list(f(V, 3), f(y, V), f(V, c(0, 2, 9)))),
  "base::merge" = quote(list(f(data.frame(v = V, k = g), df[1:3, ]), f(V, 1:2),
                             f(1:2, V))),
  "base::merge.data.frame" = quote(list(f(data.frame(v = V, k = g), df[1:3, ]),
                                        f(data.frame(v = V), df[1:3, ]))),
  "base::merge.default" = quote(list(f(V, 1:2), f(1:2, V))),
  "base::replace" = quote(list(f(V, 1, y[1]), f(y, V, y[1]), f(y, 1, V[1]))),
  "base::strtoi" = quote(list(f(V), f("11", V))),
  "base::ifelse" = quote(list(f(V, 1, 0), f(y > 1, V, y), f(V > 1, V, y))),
  "base::Recall" = quote(list()),
  "stats::optimize" = quote(list(f(function(p) sum((p - V)^2), c(0, 9)))),
  "stats::uniroot" = quote(list(f(function(p) p - 2, V),
                                f(function(p) p - V[1], c(0, 9)))),
  "stats::optim" = quote(list(f(V, function(p) sum(p^2), control = list(maxit = 5)))),
  "stats::nlm" = quote(list(f(function(p) sum(p^2), V, iterlim = 3))),
  "stats::nlminb" = quote(list(f(V, function(p) sum(p^2),
                                  control = list(iter.max = 3)))),
  "stats::integrate" = quote(list(f(function(t) rep_len(V[1], length(t)), 0, 1))),
  "stats::glm.fit" = quote(list(f(cbind(1, g), V), f(cbind(y), y, start = V[1]),
                                f(cbind(1, g), y, weights = V), f(V, y))),
  "stats::lm.fit" = quote(list(f(cbind(1, g), V), f(cbind(V), y),
                               f(cbind(1, g), y, offset = V))),
  "stats::lm.wfit" = quote(list(f(cbind(1, g), V, y), f(cbind(1, g), y, V))),
  "stats::lsfit" = quote(list(f(V, y), f(y, V), f(g, y, wt = V))),
  "stats::lm" = quote(list(f(V ~ g), f(y ~ V), f(y ~ g, weights = V))),
  "stats::glm" = quote(list(f(V ~ g), f(y ~ V), f(y ~ g, offset = V))),
  "stats::aov" = quote(list(f(V ~ g))),
  "stats::loess" = quote(list(f(V ~ y), f(y ~ V))),
  "stats::nls" = quote(list(f(V ~ b * g, start = list(b = 1)))),
  "stats::smooth.spline" = quote(list(f(V, y), f(y, V))),
  "stats::cov2cor" = quote(list(f(V), f(crossprod(matrix(V, ncol = 2))))),
  "stats::model.frame" = quote(list(f(V ~ g), f(y ~ V))),
  "stats::model.matrix" = quote(list(f(~V), f(y ~ V))),
  "stats::aggregate" = quote(list(f(V, list(g), mean), f(V ~ g, FUN = mean))),
  "stats::ave" = quote(list(f(V, g), f(y, V), f(V, g, FUN = max))),
  "stats::reshape" = quote(list(f(data.frame(v = V, k = 1), direction = "wide",
                                  idvar = "v", timevar = "k"))),
  "stats::filter" = quote(list(f(V, c(0.5, 0.5)), f(V, 0.5, "recursive"), f(y, V))),
  "stats::arima" = quote(list(f(V, c(1, 0, 0)))),
  # Factors of 1 are for ever.
  "stats::nextn" = quote(list(f(V))),
  "stats::optimise" = quote(list(f(function(p) sum((p - V)^2), c(0, 9)))),
  "stats::cor.test" = quote(list(f(V, y), f(y, V))),
  "stats::var.test" = quote(list(f(V, y), f(y, V))),
  "stats::ks.test" = quote(list(f(V, y), f(V, "pnorm"))),
  "stats::mood.test" = quote(list(f(V, y))),
  "stats::ansari.test" = quote(list(f(V, y))),
  "stats::oneway.test" = quote(list(f(V ~ g))),
  "stats::hclust" = quote(list(f(dist(V[1:9])), f(dist(1:9), members = V[1:9]))),
  "stats::cutree" = quote(list(f(hclust(dist(V[1:9])), 2), f(hclust(dist(1:9)), V[1]))),
  "stats::HoltWinters" = quote(list(f(ts(V), gamma = FALSE, beta = FALSE))),
  "stats::stl" = quote(list(f(ts(V, frequency = 4), "periodic"))),
  "stats::decompose" = quote(list(f(ts(V, frequency = 4)))),
  "stats::stepfun" = quote(list(f(seq_len(n), c(0, V)), f(sort(unique(V)), 1:7))),
  "stats::reorder" = quote(list(f(factor(g), V), f(factor(V), y))),
  "stats::dnbinom" = quote(list(f(V, 2, 0.5), f(2, V, 0.5), f(2, 2, mu = V))),
  "stats::pnbinom" = quote(list(f(V, 2, 0.5), f(2, V, 0.5), f(2, 2, mu = V))),
  "stats::qnbinom" = quote(list(f(V / 9, 2, 0.5), f(0.5, V, 0.5))),
  "stats::rnbinom" = quote(list(f(V, 2, 0.5), f(3, V, 0.5), f(3, 2, mu = V))),
  "stats::numericDeriv" = quote(list(f(quote(y * 2 + w), "w",
                                     list2env(list(w = V, y = y))))),
  "stats::manova" = quote(list(f(cbind(V, y) ~ g))),
  "stats::TukeyHSD" = quote(list(f(aov(V ~ factor(g))))),
  "stats::lm.influence" = quote(list(f(lm(V ~ g)))),
  "stats::predict" = quote(list(f(lm(y ~ w, list(y = y, w = V)), list(w = V)))),
  "stats::anova" = quote(list(f(lm(V ~ g)), f(glm(V ~ g)))),
  "stats::confint" = quote(list(f(lm(V ~ g)))),
  "stats::vcov" = quote(list(f(lm(V ~ g)))),
  "stats::step" = quote(list(f(lm(y ~ w, list(y = y, w = V)), trace = 0))),
  "stats::kernapply" = quote(list(f(V, kernel("daniell", 2)))),
  "stats::pacf" = quote(list(f(V, plot = FALSE))),
  "stats::power.t.test" = quote(list(f(V, delta = 1), f(9, delta = V))),
  "stats::mantelhaen.test" = quote(list(f(V, g, rev(g)), f(array(V, c(2, 2, 4))))),
  "stats::contrasts<-" = quote(list(f(factor(g), V), f(factor(g), 1, cbind(V[1:2])))),
  "utils::combn" = quote(list(f(V[seq_len(min(9, n))], 2), f(5, 2, function(e) V))),
  "dplyr::coalesce" = quote(list(f(V, y), f(y, V), f(V, V))),
  "dplyr::mutate" = quote(list(f(df, w = V), f(df, v = v),
                               f(data.frame(k = g), w = V))),
  "dplyr::filter" = quote(list(f(df, V > 1), f(data.frame(v = V), v > y[1]))),
  "dplyr::summarise" = quote(list(f(df, w = sum(V)), f(df, w = V[1]))),
  "dplyr::arrange" = quote(list(f(df, V), f(df, dplyr::desc(v)))),
  "dplyr::group_by" = quote(list(f(df, V), f(df, v))),
  "dplyr::select" = quote(list(f(df, v), f(df, 1))),
  "dplyr::count" = quote(list(f(df, v), f(df, V), f(df, k, wt = v))),
  "dplyr::if_else" = quote(list(f(V, 1, 0), f(g == 1, V, V), f(g == 1, V, y))),
  "dplyr::case_when" = quote(list(f(g == 1 ~ V, TRUE ~ V), f(V ~ 1, TRUE ~ 2))),
  "dplyr::na_if" = quote(list(f(V, y), f(V, V[1]))),
  "dplyr::recode" = quote(list(f(V, `1` = 2), f(V, a = "b"))),
  "vctrs::vec_assign" = quote(list(f(V, 1L, V[1]), f(y, 1L, V[1]),
                                   f(V, integer(), V[1]))),
  "vctrs::vec_slice" = quote(list(f(V, 1L), f(y, V), f(df, 1L))),
  "vctrs::vec_c" = quote(list(f(V, V), f(V, NA), f(y, V))),
  "vctrs::vec_rbind" = quote(list(f(df, df), f(V, V))),
  "vctrs::vec_cbind" = quote(list(f(df, w = V), f(V, V))),
  "vctrs::vec_cast" = quote(list(f(V, V), f(V, double()), f(V, integer()), f(y, V))),
  "data.table::data.table" = quote(list(f(v = V), f(v = V, k = g)[, sum(k), by = v],
                                        f(v = V)[order(v)], f(v = V)[1, v := v[1]],
                                        f(v = V)[v == y[1]])),
  "data.table::setorder" = quote(list(f(data.table::data.table(v = V), v))),
  "data.table::setkey" = quote(list(f(data.table::data.table(v = V), v))),
  "data.table::set" = quote(list(f(data.table::data.table(v = V), 1L, 1L, V[1]))),
  "data.table::merge" = quote(list()),
  "data.table::frollapply" = quote(list(f(V, 3, sum))),
  "data.table::CJ" = quote(list(f(V[seq_len(min(9, n))], 1:2))),
  "zoo::zoo" = quote(list(f(V), f(V, g), f(y, V), f(V) + 1)),
  "zoo::rollapply" = quote(list(f(V, 3, sum), f(zoo::zoo(V), 3, sum)))
)

fill_in <- function(name) {
  # `$` would take the beginning of another name for it.
  if (name %in% names(fillings)) fillings[[name]] else 1L
}

# Calls with `V` in the place of the vector: in the place of each required argument, and
# of the first `optional` others.
calls_of <- function(package, name, optional) {
  fun <- call("::", as.name(package), as.name(name))
  if (package == "base") fun <- as.name(name)
  special <- special_calls[[paste0(package, "::", name)]]
  if (!is.null(special)) {
    return(lapply(as.list(special)[-1], function(call) {
      do.call(substitute, list(call, list(f = fun)))
    }))
  }
  formals <- formals_of(package, name)
  required <- is_required(formals) & names(formals) != "..."
  others <- setdiff(names(formals)[!required], "...")
  if (names(formals)[1] == "...") {
    calls <- list(as.call(list(fun, quote(V))), as.call(list(fun, quote(V), quote(y))),
                  as.call(list(fun, quote(y), quote(V))))
    return(c(calls, lapply(head(others, optional), function(other) {
      as.call(c(list(fun, quote(y)), stats::setNames(list(quote(V)), other)))
    })))
  }
  positions <- c(names(formals)[required], head(others, optional))
  positions <- union(positions, setdiff(names(formals)[1], "..."))
  calls <- lapply(positions, function(position) {
    call_with(fun, name, package, formals, required, position)
  })
  both <- names(formals)[required]
  if (length(both) == 2) {
    calls <- c(calls, list(as.call(list(fun, quote(V), quote(V)))))
  }
  calls
}

call_with <- function(fun, name, package, formals, required, position) {
  wanted <- names(formals)[required | names(formals) == position]
  arguments <- lapply(wanted, fill_in)
  names(arguments) <- wanted
  arguments[[position]] <- quote(V)
  # Primitives go by position.
  primitive <- is.primitive(get(name, asNamespace(package)))
  if (primitive || identical(names(formals)[seq_along(wanted)], wanted))
    names(arguments) <- NULL
  as.call(c(list(fun), arguments))
}
