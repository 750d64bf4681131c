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

# The time of today, the day of other days.
format_when <- function(time) {
  today <- format(time, "%F") == format(Sys.time(), "%F")
  ifelse(is.na(time), "",
         ifelse(today, format(time, "%H:%M"), format(time, "%m-%d")))
}

format_owner <- function(pid, command) {
  ifelse(is.na(pid), "",
         ifelse(is.na(command), as.character(pid),
                paste(pid, basename(ifelse(is.na(command), "", command)))))
}

# Cut to a number of columns, saying so.
clip <- function(text, width) {
  # What is no text, as a damaged name may be, has no width.
  text <- iconv(enc2utf8(as.character(text)), "UTF-8", "UTF-8", sub = "byte")
  text[is.na(text)] <- ""
  long <- nchar(text, "width") > width
  text[long] <- paste0(strtrim(text[long], width - 3), "...")
  text
}

# The same at the other end, for what matters most at its end.
clip_start <- function(text, width) {
  reverse <- function(x) {
    vapply(strsplit(x, ""), function(ch) paste(rev(ch), collapse = ""), "")
  }
  reverse(clip(reverse(enc2utf8(text)), width))
}

print_columns <- function(columns, left) {
  cells <- Map(function(text, name) {
    justify <- if (name %in% left) "left" else "right"
    formatC_utf8(c(name, as.character(text)), justify)
  }, columns, names(columns))
  cat(sub(" +$", "", do.call(paste, c(unname(cells), sep = "  "))), sep = "\n")
}

# formatC() counts bytes; format() counts columns.
formatC_utf8 <- function(text, justify) {
  format(enc2utf8(text), justify = justify)
}
