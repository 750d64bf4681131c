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
  graphics::layout(matrix(1:2), heights = c(graphics::lcm(3.2), 1))
  draw_capacity(sum(x$resident, na.rm = TRUE), status)
  draw_owners(fold_owners(owner_sums(x), 8), ...)
  invisible(x)
}

# Paul Tol's bright colours, which the colour-blind tell apart.
state_colours <- c(live = "#4477AA", orphan = "#EE6677", unknown = "#AA3377",
                   incomplete = "#CCBB44", damaged = "#228833",
                   foreign = "#BBBBBB")

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
  graphics::par(mar = c(2, 11, 2, 2))
  if (is.na(status$capacity)) {
    graphics::plot.new()
    graphics::title(main = paste("Shared memory:", bytes_text(ours)), adj = 0)
    return(invisible())
  }
  parts <- c(ours, max(status$used - ours, 0), status$capacity - status$used)
  scale <- binary_scale(status$capacity)
  graphics::barplot(matrix(parts), horiz = TRUE, axes = FALSE, las = 1,
                    names.arg = "file system", border = NA, xlim = range(scale),
                    col = c("#4477AA", "#BBBBBB", "#EEEEEE"))
  graphics::axis(1, scale, bytes_text(scale))
  graphics::title(adj = 0, cex.main = 1, main = sprintf(
    "%s here, %s others', %s free", bytes_text(parts[1]), bytes_text(parts[2]),
    bytes_text(parts[3])))
}

draw_owners <- function(sums, ...) {
  used <- rowSums(sums) > 0
  shown <- sums[used, rev(seq_len(ncol(sums))), drop = FALSE]
  if (!any(used)) shown <- sums[1, , drop = FALSE]
  scale <- binary_scale(max(colSums(shown)))
  # Bars start at the top and are no wider than those of a few owners.
  empty <- matrix(0, nrow(shown), max(4 - ncol(shown), 0))
  graphics::par(mar = c(3, 11, 2.5, 2))
  graphics::barplot(cbind(empty, shown), horiz = TRUE, las = 1, axes = FALSE,
                    names.arg = c(rep("", ncol(empty)), clip(colnames(shown), 22)),
                    xlim = range(scale), border = NA,
                    col = state_colours[rownames(shown)], ...)
  graphics::axis(1, scale, bytes_text(scale))
  if (any(used))
    graphics::legend(
      "topleft", inset = c(0, -0.13), xpd = NA, horiz = TRUE, bty = "n", border = NA,
      fill = state_colours[rownames(shown)],
      legend = paste(rownames(shown), bytes_text(rowSums(shown)))
    )
}

# Round numbers of the unit that fits, from 0 to `most` or beyond it.
binary_scale <- function(most) {
  most <- max(most, 4) # bytes
  unit <- 1024^floor(log(most, 1024))
  pretty(c(0, most / unit), 4) * unit
}
