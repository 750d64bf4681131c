# What comes of the measurements: a table and a picture, which the site shows.

# That a figure was taken on a machine at work is part of the figure.
load_at_start <- sub(" .*", "", readLines("/proc/loadavg"))

machine <- function() {
  model <- grep("^model name", readLines("/proc/cpuinfo"), value = TRUE)[1]
  sprintf("%s, %d cores, load %s at the start, Linux %s, %s, sharedmemory %s",
          if (is.na(model)) Sys.info()[["machine"]] else sub(".*: ", "", model),
          parallel::detectCores(), load_at_start,
          sub("-.*", "", Sys.info()[["release"]]),
          R.version.string, utils::packageVersion("sharedmemory"))
}

table_lines <- function(results, floor = "floor") {
  others <- unique(unlist(lapply(results$others, names)))
  rows <- vapply(seq_len(nrow(results)), function(i) {
    row <- results[i, ]
    amounts <- c(row$ours, row$floor, row$others[[1]][others])
    cells <- c(row$work, format_value(row),
               paste(if (row$kind == "bandwidth") "&ge;" else "&le;",
                     format_measure(row$goal, row$kind)),
               if (row$reached) "yes" else "**no**",
               vapply(amounts, function(x) {
                 if (is.na(x)) "" else format_amount(x, row$kind)
               }, ""))
    table_line(cells)
  }, "")
  titles <- c("work", "measured", "goal", "reached", "this package", floor, others)
  c(table_line(titles), paste0(strrep("|---", length(titles)), "|"), rows)
}

table_line <- function(cells) paste0("| ", paste(cells, collapse = " | "), " |")

peer_lines <- function(peers) {
  if (is.null(peers)) return(NULL)
  c("| work | this package | peer | peer's time | times ours |",
    "|---|---|---|---|---|",
    sprintf("| %s | %s | %s | %s | %.1f |", peers$work,
            vapply(peers$ours, format_seconds, ""), peers$peer,
            vapply(peers$theirs, format_seconds, ""), peers$theirs / peers$ours))
}

# ---- pictures --------------------------------------------------------------------

# Of Okabe and Ito's colors, which the color-blind tell apart. Shapes differ as well.
colors <- c(ours = "#0072B2", plain = "#000000", mori = "#D55E00",
            SharedObject = "#009E73", memshare = "#CC79A7", missed = "#E69F00")
shapes <- c(ours = 19, plain = 4, mori = 17, SharedObject = 15, memshare = 18)

write_pictures <- function(draw, folder, name, width, height) {
  grDevices::png(file.path(folder, paste0(name, ".png")), width, height, "in",
                 res = 96)
  draw()
  grDevices::dev.off()
  grDevices::svg(file.path(folder, paste0(name, ".svg")), width, height)
  draw()
  invisible(grDevices::dev.off())
}

# As much room at the left as the labels take; they are to be of that size.
label_size <- 0.75
set_margins <- function(labels, top = 0.5, bottom = 0.75) {
  graphics::plot.new()
  width <- max(graphics::strwidth(labels, "inches", cex = label_size))
  graphics::par(mai = c(bottom, width + 0.25, top, 0.3), las = 1, mgp = c(2, 0.6, 0),
                new = TRUE)
}

# Rows from the top, on a scale of ratios, with a line at each.
draw_rows <- function(labels, range, title, xlab) {
  n <- length(labels)
  graphics::plot(NA, xlim = range, ylim = c(n + 0.6, 0.4), log = "x", xlab = xlab,
                 ylab = "", yaxt = "n", xaxt = "n", bty = "n", yaxs = "i")
  graphics::segments(range[1], seq_len(n), range[2], col = "#DDDDDD")
  at <- ratio_ticks(range)
  at <- at[at >= 0.99 * range[1] & at <= 1.01 * range[2]]
  graphics::axis(1, at, paste0(format(at, drop0trailing = TRUE, trim = TRUE,
                                      scientific = FALSE), "x"), cex.axis = 0.8)
  graphics::mtext(labels, 2, 0.5, at = seq_len(n), cex = label_size)
  graphics::abline(v = 1, lty = 2)
  graphics::title(title, cex.main = 1, line = 1)
}

# Powers of ten, or 1, 2 and 5 of them if there are few.
ratio_ticks <- function(range) {
  powers <- 10^seq(floor(log10(range[1])), ceiling(log10(range[2])))
  if (length(powers) < 5) powers <- sort(c(powers, 2 * powers, 5 * powers))
  powers
}

# From the tick below the least to the one above the greatest, and 1.
ratio_range <- function(x) {
  most <- range(x[is.finite(x) & x > 0], 0.99, 1.01)
  at <- ratio_ticks(most)
  c(max(at[at <= most[1]]), min(at[at >= most[2]]))
}

# How far each measure is from its goal, left is better; and others' times by ours,
# right is better for us.
plot_results <- function(results, peers) {
  old <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(old))
  rows <- c(nrow(results), max(1, nrow(peers)))
  graphics::layout(matrix(1:2), heights = rows + 7)
  results$work <- gsub("`", "", results$work, fixed = TRUE)
  labels <- c(results$work, paste(peers$work, peers$peer, sep = ": "))
  set_margins(labels)
  share <- with(results, ifelse(kind == "bandwidth", goal / value, value / goal))
  color <- colors[ifelse(results$reached, "ours", "missed")]
  draw_rows(results$work, ratio_range(share),
            "sharedmemory against the floor of the system calls",
            "measured / goal (left of the line: reached)")
  graphics::segments(1, seq_along(share), share, lwd = 5, lend = 1, col = color)
  graphics::points(share, seq_along(share), pch = shapes[["ours"]], col = color)
  if (is.null(peers)) return(invisible())
  set_margins(labels)
  ratio <- peers$theirs / peers$ours
  draw_rows(utils::tail(labels, nrow(peers)), ratio_range(ratio),
            "Others beside it",
            "their time / ours (right of the line: they take longer)")
  graphics::segments(1, seq_along(ratio), ratio, lwd = 5, lend = 1,
                     col = colors[["SharedObject"]])
  graphics::points(ratio, seq_along(ratio), pch = shapes[["SharedObject"]],
                   col = colors[["SharedObject"]])
}

# Times of all packages by the plain one's (or the floor's): a panel for each R.
plot_ways <- function(results, title) {
  old <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(old))
  results <- results[results$kind %in% c("times", "bandwidth") &
                       !startsWith(results$work, "the same"), ]
  by_r <- split(results, results$r)
  ways <- intersect(names(shapes), c("ours", names(results)))
  ratios <- results[setdiff(ways, "plain")] / results$floor
  ratios$ours <- with(results, ifelse(kind == "bandwidth", 1 / value, value))
  ratios <- split(ratios, results$r)
  graphics::layout(matrix(seq_along(by_r)),
                   heights = vapply(by_r, nrow, 0L) + 7)
  for (r in names(by_r)) {
    one <- by_r[[r]]
    set_margins(results$work, bottom = 1.05)
    draw_rows(one$work, ratio_range(unlist(ratios)), paste(title, "on R", r),
              "time / plain R's, or the floor's (left of the line: faster)")
    graphics::segments(goal_time(one), seq_len(nrow(one)) - 0.35,
                       y1 = seq_len(nrow(one)) + 0.35, lwd = 2,
                       col = colors[["plain"]])
    for (way in rev(names(ratios[[r]]))) {
      graphics::points(ratios[[r]][[way]], seq_len(nrow(one)), cex = 1.3,
                       pch = shapes[[way]], col = colors[[way]])
    }
    draw_legend(Filter(function(way) any(!is.na(one[[way]])), names(ratios[[r]])))
  }
}

goal_time <- function(row) ifelse(row$kind == "bandwidth", 1 / row$goal, row$goal)

draw_legend <- function(ways) {
  graphics::legend(
    graphics::grconvertX(0, "nfc"), graphics::grconvertY(0, "nfc"), yjust = 0,
    horiz = TRUE, bty = "n", xpd = NA, cex = 0.8, text.col = "#222222",
    legend = c(sub("ours", "sharedmemory", ways), "goal"),
    pch = c(shapes[ways], 124), col = c(colors[ways], colors[["plain"]])
  )
}

# ---- files -----------------------------------------------------------------------

write_report <- function(results, peers, folder) {
  lines <- c("", paste0("Measured on ", format(Sys.Date()), ": ", machine(), "."), "",
             table_lines(results), "", peer_lines(peers), "")
  writeLines(c("# Results", lines), file.path(folder, "results.md"))
  height <- (nrow(results) + max(1, nrow(peers)) + 14) / 5
  write_pictures(function() plot_results(results, peers), folder, "ratios", 10, height)
}

# Results of several R: what this one measured is kept with what others did, as
# `name`.csv; table and picture are made from that.
write_ways_report <- function(results, folder, name, title) {
  file <- file.path(folder, paste0(name, ".csv"))
  all <- with_results_of_others(flat_results(results), file)
  utils::write.csv(all, file, row.names = FALSE, na = "")
  sections <- lapply(split(all, all$r), function(one) {
    c(paste("## R", one$r[1]), "", paste0("Measured on ", one$measured[1], "."), "",
      table_lines(deep_results(one), "plain R, or the floor"), "")
  })
  lines <- c(paste("#", title), "", unlist(sections, use.names = FALSE))
  writeLines(lines[-length(lines)], file.path(folder, paste0(name, ".md")))
  write_pictures(function() plot_ways(all, title), folder, name, 9,
                 (nrow(all) + 7 * length(sections)) / 5)
}

# The columns of others are those after `reached`.
flat_results <- function(results) {
  others <- unique(unlist(lapply(results$others, names)))
  packages <- Filter(has_package, c(others, "mirai"))
  versions <- vapply(packages, function(p) {
    paste(p, as.character(utils::packageVersion(p)))
  }, "")
  columns <- lapply(stats::setNames(nm = others), function(other) {
    vapply(results$others, function(times) unname(times[other]), 0)
  })
  cbind(data.frame(
    r = as.character(getRversion()),
    measured = paste0(format(Sys.Date()), ": ",
                      paste(c(machine(), versions), collapse = ", "))
  ), results[setdiff(names(results), "others")], as.data.frame(columns))
}

deep_results <- function(flat) {
  others <- names(flat)[-seq_len(match("reached", names(flat)))]
  others <- Filter(function(other) any(!is.na(flat[[other]])), others)
  flat$others <- lapply(seq_len(nrow(flat)), function(i) unlist(flat[i, others]))
  flat
}

with_results_of_others <- function(new, file) {
  if (!file.exists(file)) return(new)
  old <- utils::read.csv(file, colClasses = c(r = "character"))
  old <- old[old$r != new$r[1], ]
  for (name in setdiff(names(new), names(old))) old[[name]] <- rep(NA_real_, nrow(old))
  for (name in setdiff(names(old), names(new))) new[[name]] <- NA_real_
  all <- rbind(old[names(new)], new)
  all[order(numeric_version(all$r)), ]
}

# ---- what several packages do, on several R ------------------------------------------
#
# A data frame with a `column` for each package on each R, as a file.

column_of <- function(package) {
  what <- if (package == "plain") package else
    paste(package, utils::packageVersion(package))
  sprintf("%s, R %s", what, getRversion())
}

# Rows of this R are new, and those of others stay.
with_columns_of_other_r <- function(rows, file) {
  if (!file.exists(file)) return(rows)
  old <- utils::read.csv(file)
  rbind(old[!endsWith(old$column, paste(", R", getRversion())), ], rows)
}

write_columns <- function(rows, folder, name, lines) {
  utils::write.csv(rows, file.path(folder, paste0(name, ".csv")), row.names = FALSE)
  writeLines(lines, file.path(folder, paste0(name, ".md")))
}
