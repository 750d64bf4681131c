# The bytes of references, as somebody who knows about the checksum may make them.

# FNV-1a over all but the bytes 48 to 55, in limbs of 16 bits.
checksum <- function(state) {
  hash <- c(0x2325, 0x8422, 0x9ce4, 0xcbf2)
  for (byte in as.integer(state[-(49:56)])) {
    hash[1] <- bitwXor(hash[1], byte)
    shifted <- c(0, 0, hash[1:2] * 256)
    hash <- hash * 0x1b3 + shifted
    for (i in 1:3) {
      hash[i + 1] <- hash[i + 1] + hash[i] %/% 65536
      hash[i] <- hash[i] %% 65536
    }
    hash[4] <- hash[4] %% 65536
  }
  as.raw(rbind(hash %% 256, hash %/% 256))
}

with_checksum <- function(state) replace(state, 49:56, checksum(state))

# ---- arrays: external pointers, which are serialized as flags, state, tag, attributes

serialize_header <- function() {
  bytes <- serialize(NULL, NULL)
  bytes[seq_len(length(bytes) - 4)]
}

array_state <- function(a) {
  header <- serialize_header()
  unserialize(c(header, serialize(a, NULL)[-seq_len(length(header) + 4)]))
}

# The array around another state: any R object.
with_array_state <- function(a, state) {
  size_of <- function(x) length(serialize(x, NULL)) - length(serialize_header())
  before <- length(serialize_header()) + 4
  bytes <- serialize(a, NULL)
  unserialize(c(
    bytes[seq_len(before)], serialize(state, NULL)[-seq_len(before - 4)],
    bytes[-seq_len(before + size_of(array_state(a)))]
  ))
}
