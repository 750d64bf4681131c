# What comes of the measurements: a table and a picture, which the site shows.

machine <- function() {
  model <- grep("^model name", readLines("/proc/cpuinfo"), value = TRUE)[1]
  sprintf("%s, %d cores, Linux %s, %s, sharedmemory %s",
          if (is.na(model)) Sys.info()[["machine"]] else sub(".*: ", "", model),
          parallel::detectCores(), sub("-.*", "", Sys.info()[["release"]]),
          R.version.string, utils::packageVersion("sharedmemory"))
}

table_lines <- function(results) {
  rows <- vapply(seq_len(nrow(results)), function(i) {
    row <- results[i, ]
    sprintf("| %s | %s | %s %s | %s | %s | %s |", row$work, format_value(row),
            if (row$kind == "bandwidth") "&ge;" else "&le;",
            format_measure(row$goal, row$kind),
            if (row$reached) "yes" else "**no**",
            format_seconds(row$ours), format_seconds(row$floor))
  }, "")
  c("| work | measured | goal | reached | this package | floor |",
    "|---|---|---|---|---|---|", rows)
}

peer_lines <- function(peers) {
  if (is.null(peers)) return(NULL)
  c("| work | this package | peer | peer's time | times ours |",
    "|---|---|---|---|---|",
    sprintf("| %s | %s | %s | %s | %.1f |", peers$work,
            vapply(peers$ours, format_seconds, ""), peers$peer,
            vapply(peers$theirs, format_seconds, ""), peers$theirs / peers$ours))
}

# How far each measure is from its goal: 1 is at the goal, below is better.
plot_results <- function(results) {
  share <- with(results, ifelse(kind == "bandwidth", goal / value, value / goal))
  old <- graphics::par(mar = c(4, 22, 3, 2), las = 1)
  on.exit(graphics::par(old))
  last <- rev(seq_along(share))
  graphics::barplot(share[last], names.arg = results$work[last], horiz = TRUE,
                    cex.names = 0.7, border = NA, xlim = c(0, max(1.2, share)),
                    col = ifelse(results$reached, "#4477AA", "#CC6677")[last],
                    xlab = "measured / goal (below 1: reached)",
                    main = "sharedmemory against the floor of the system calls")
  graphics::abline(v = 1, lty = 2)
}

write_pictures <- function(results, folder) {
  grDevices::png(file.path(folder, "ratios.png"), 1000, 620, res = 96)
  plot_results(results)
  grDevices::dev.off()
  grDevices::svg(file.path(folder, "ratios.svg"), 10.4, 6.5)
  plot_results(results)
  grDevices::dev.off()
}

write_report <- function(results, peers, folder) {
  lines <- c("", paste0("Measured on ", format(Sys.Date()), ": ", machine(), "."), "",
             table_lines(results), "", peer_lines(peers), "")
  writeLines(c("# Results", lines), file.path(folder, "results.md"))
  write_pictures(results, folder)
}
