#!/usr/bin/env Rscript
# The memory that workers take with and without share():  bench/memory.R
#
# One data frame of 200 MB goes to 1, 2, 4 and 8 workers, which sum all of it. Measured
# is the proportional set size (Pss) of all processes, where memory that several of them
# map counts once. Writes man/figures/memory.svg, which the README shows, and prints the
# figures. It takes half a minute and 3 GB.
suppressPackageStartupMessages(library(sharedmemory))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
Sys.setenv(SHAREDMEMORY_NAMESPACE = sprintf("bench-%d", Sys.getpid()))

frame <- function() as.data.frame(lapply(1:5, function(i) seq_len(5e6) / i))
workers <- c(1, 2, 4, 8)

mib_of <- function(pid) {
  lines <- readLines(file.path("/proc", pid, "smaps_rollup"))
  line <- grep("^Pss:", lines, value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# Of the workers and of this process, which has the data frame once, like them.
measure_memory <- function(n, make) {
  cluster <- parallel::makePSOCKcluster(n)
  on.exit(parallel::stopCluster(cluster))
  pids <- unlist(parallel::clusterCall(cluster, Sys.getpid))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
  data <- make()
  parallel::clusterExport(cluster, "data", environment())
  sums <- parallel::clusterEvalQ(cluster, {
    total <- sum(vapply(data, sum, 0))
    invisible(gc())
    total
  })
  stopifnot(all(unlist(sums) == sum(vapply(data, sum, 0))))
  gc()
  sum(vapply(c(pids, Sys.getpid()), mib_of, 0))
}

measured <- data.frame(
  workers = workers,
  plain = vapply(workers, measure_memory, 0, frame),
  shared = vapply(workers, measure_memory, 0, function() share(frame()))
)

# ---- the picture ---------------------------------------------------------------

# Coordinates are those of the viewBox; it scales to any width.
bar <- function(x, mib, color, most) {
  height <- 220 * mib / most
  sprintf(paste0(
    "<rect x='%d' y='%.1f' width='56' height='%.1f' fill='%s'/>",
    "<text x='%d' y='%.1f' text-anchor='middle'>%s</text>"
  ), x, 270 - height, height, color, x + 28, 264 - height,
  formatC(mib, digits = 0, format = "f", big.mark = ","))
}

legend <- function(x, color, text) {
  sprintf(paste0("<rect x='%d' y='32' width='14' height='14' fill='%s'/>",
                 "<text x='%d' y='44'>%s</text>"), x, color, x + 20L, text)
}

# Blue and red of a palette that the colour-blind tell apart; also light and dark.
colors <- c(plain = "#CC6677", shared = "#4477AA")

draw_memory <- function(measured) {
  most <- max(measured[-1])
  groups <- vapply(seq_len(nrow(measured)), function(i) {
    x <- 40L + 150L * (i - 1L)
    paste0(bar(x, measured$plain[i], colors[["plain"]], most), "\n",
           bar(x + 60L, measured$shared[i], colors[["shared"]], most), "\n",
           sprintf("<text x='%d' y='290' text-anchor='middle'>%s</text>", x + 58L,
                   paste(measured$workers[i], if (i > 1) "workers" else "worker")))
  }, "")
  c("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 640 300' role='img'",
    "     font-family='sans-serif' font-size='15' fill='#222222'>",
    "<title>Memory of all R processes that use a data frame of 200 MB</title>",
    "<rect width='640' height='300' fill='#FFFFFF'/>",
    "<text x='40' y='22'>MiB in all processes, for one data frame of 200 MB</text>",
    legend(40L, colors[["plain"]], "sent as it is"),
    legend(190L, colors[["shared"]], "sent as share(d)"),
    groups,
    "<line x1='30' y1='270' x2='620' y2='270' stroke='#222222'/>",
    "</svg>")
}

print(format(measured, digits = 4), row.names = FALSE)
writeLines(draw_memory(measured),
           file.path(here, "..", "man", "figures", "memory.svg"))
