#' @param x What `listSharedObjects()` returned.
#' @param n How many rows to print.
#' @param ... For `plot()`: passed on to [graphics::barplot()].
#' @rdname listSharedObjects
#' @export
plot.sharedmemory_list <- function(x, ...) {
  status <- .Call(C_status)
  saved <- graphics::par(no.readonly = TRUE)
  on.exit({
    graphics::layout(1)
    graphics::par(saved)
  })
  graphics::layout(matrix(1:2), heights = c(graphics::lcm(2.5), 1))
  draw_capacity(sum(x$resident, na.rm = TRUE), status)
  draw_owners(fold_owners(owner_sums(x), 8), ...)
  invisible(x)
}

state_colours <- c(live = "#2c7fb8", orphan = "#d95f0e", unknown = "#756bb1",
                   incomplete = "#fec44f", damaged = "#c51b8a",
                   foreign = "#969696")

# Bytes by state (rows) and owner (columns).
owner_sums <- function(x) {
  state <- factor(x$state, names(state_meaning))
  if (nrow(x) == 0)
    return(matrix(0, nlevels(state), 1,
                  dimnames = list(levels(state), "nothing here")))
  owner <- ifelse(is.na(x$pid), "no owner", format_owner(x$pid, x$command))
  bytes <- ifelse(is.na(x$resident), 0, x$resident)
  tapply(bytes, list(state, owner), sum, default = 0)
}

# The owners with most memory, and the rest as one.
fold_owners <- function(sums, n) {
  sums <- sums[, order(colSums(sums), decreasing = TRUE), drop = FALSE]
  if (ncol(sums) <= n) return(sums)
  rest <- rowSums(sums[, n:ncol(sums), drop = FALSE])
  others <- paste(ncol(sums) - n + 1, "others")
  cbind(sums[, seq_len(n - 1), drop = FALSE],
        matrix(rest, dimnames = list(NULL, others)))
}

# One strip: what is ours, what is others', what is free.
draw_capacity <- function(ours, status) {
  graphics::par(mar = c(0.5, 11, 2, 2))
  if (is.na(status$capacity)) {
    graphics::plot.new()
    graphics::title(main = paste("Shared memory:", bytes_text(ours)), adj = 0)
    return(invisible())
  }
  parts <- c(ours, max(status$used - ours, 0), status$capacity - status$used)
  graphics::barplot(matrix(parts), horiz = TRUE, axes = FALSE, las = 1,
                    names.arg = "file system", border = NA,
                    col = c("#253494", "#bdbdbd", "#f0f0f0"))
  graphics::title(adj = 0, cex.main = 1, main = sprintf(
    "%s here, %s others', %s free", bytes_text(parts[1]), bytes_text(parts[2]),
    bytes_text(parts[3])))
}

draw_owners <- function(sums, ...) {
  used <- rowSums(sums) > 0
  shown <- sums[used, rev(seq_len(ncol(sums))), drop = FALSE]
  if (!any(used)) shown <- sums[1, , drop = FALSE]
  most <- max(colSums(shown), 1)
  graphics::par(mar = c(3, 11, 1.5, 2))
  graphics::barplot(shown, horiz = TRUE, las = 1, axes = FALSE, border = NA,
                    names.arg = clip(colnames(shown), 22), xlim = c(0, most),
                    col = state_colours[rownames(shown)], ...)
  at <- binary_ticks(most)
  graphics::axis(1, at, bytes_text(at))
  if (any(used))
    graphics::legend(
      "bottomright", bty = "n", border = NA,
      fill = state_colours[rownames(shown)],
      legend = paste(rownames(shown), bytes_text(rowSums(shown)))
    )
}

# Round numbers of the unit that fits.
binary_ticks <- function(most) {
  unit <- 1024^floor(log(max(most, 1), 1024))
  at <- pretty(c(0, most / unit), 5) * unit
  at[at <= most]
}
