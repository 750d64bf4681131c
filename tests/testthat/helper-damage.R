# Files that are changed behind everybody's back.

change_byte <- function(file, offset) {
  byte <- readBin(file, "raw", offset + 1)[offset + 1]
  write_into(file, offset, xor(byte, as.raw(1)))
}

write_into <- function(file, offset, bytes) {
  con <- file(file, "r+b")
  on.exit(close(con))
  seek(con, offset, rw = "write")
  writeBin(bytes, con)
}

truncate_to <- function(file, size) {
  bytes <- readBin(file, "raw", size)
  con <- file(file, "wb")
  on.exit(close(con))
  writeBin(bytes, con)
}
