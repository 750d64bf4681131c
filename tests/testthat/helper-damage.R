# Files that are changed behind everybody's back.

change_byte <- function(file, offset) {
  con <- file(file, "r+b")
  on.exit(close(con))
  seek(con, offset, rw = "read")
  byte <- readBin(con, "raw", 1)
  seek(con, offset, rw = "write")
  writeBin(xor(byte, as.raw(1)), con)
}

truncate_to <- function(file, size) {
  bytes <- readBin(file, "raw", size)
  con <- file(file, "wb")
  on.exit(close(con))
  writeBin(bytes, con)
}
