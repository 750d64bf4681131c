# How tables of this package are written: for people, at 80 columns.

format_bytes <- function(x) {
  if (length(x) == 0) return(character())
  units <- c("B", "KiB", "MiB", "GiB", "TiB", "PiB")
  known <- ifelse(is.na(x), 0, x)
  power <- pmin(floor(log(pmax(known, 1), 1024)), 5)
  value <- known / 1024^power
  carry <- value >= 1023.5 & power < 5 # would be written as 1024
  power <- power + carry
  value <- ifelse(carry, 1, value)
  text <- sprintf("%.*f %s", ifelse(power == 0 | value >= 99.95, 0L, 1L), value,
                  units[power + 1])
  text[is.na(x)] <- "?"
  format(text, justify = "right")
}

# One size, or several, inside a sentence.
bytes_text <- function(x) trimws(format_bytes(x))

# Whole numbers, all digits of them.
format_count <- function(x) {
  ifelse(is.na(x), "?", format(x, scientific = FALSE, big.mark = ",", trim = TRUE))
}

# The time of today, the day of other days.
format_when <- function(time) {
  today <- format(time, "%F") == format(Sys.time(), "%F")
  ifelse(is.na(time), "",
         ifelse(today, format(time, "%H:%M"), format(time, "%m-%d")))
}

format_owner <- function(pid, command) {
  ifelse(is.na(pid), "",
         ifelse(is.na(command), as.character(pid),
                paste(pid, basename(printable(command)))))
}

# Text from elsewhere, as it may go to a terminal. Whoever may write to /dev/shm can
# give a file a name that is not text, or has line ends and escape codes in it: it
# would forge rows, or worse. Marks that reverse the direction of writing forge as
# well. NA is nothing.
printable <- function(text) {
  text <- iconv(enc2utf8(as.character(text)), "UTF-8", "UTF-8", sub = "byte")
  text[is.na(text)] <- ""
  bad <- "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]"
  for (i in grep(bad, text, perl = TRUE)) {
    parts <- strsplit(text[i], "")[[1]]
    told <- grepl(bad, parts, perl = TRUE)
    parts[told] <- sprintf("<U+%04X>", utf8ToInt(paste(parts[told], collapse = "")))
    text[i] <- paste(parts, collapse = "")
  }
  text
}

# Cut to a number of columns, saying so.
clip <- function(text, width) {
  text <- printable(text)
  long <- nchar(text, "width") > width
  text[long] <- paste0(strtrim(text[long], width - 3), "...")
  text
}

# The same at the other end, for what matters most at its end.
clip_start <- function(text, width) {
  reverse <- function(x) {
    vapply(strsplit(x, ""), function(ch) paste(rev(ch), collapse = ""), "")
  }
  reverse(clip(reverse(printable(text)), width))
}

print_columns <- function(columns, left) {
  cells <- Map(function(text, name) {
    justify <- if (name %in% left) "left" else "right"
    # Not formatC(), which counts bytes, not columns.
    format(c(name, printable(text)), justify = justify)
  }, columns, names(columns))
  cat(sub(" +$", "", do.call(paste, c(unname(cells), sep = "  "))), sep = "\n")
}

# The first n rows of a table of segments, as `columns` shows them. Returns these rows.
print_top <- function(x, n, columns, left) {
  top <- x[seq_len(min(n, nrow(x))), , drop = FALSE]
  print_columns(columns(top), left)
  if (nrow(x) > n) cat("... and", nrow(x) - n, "more\n")
  top
}

# Says so.
is_empty_table <- function(x) {
  if (nrow(x) == 0) cat("No shared memory in this namespace.\n")
  nrow(x) == 0
}
