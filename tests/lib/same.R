# `smem ls --json` tells what listSharedObjects() tells:  same.R SMEM
suppressPackageStartupMessages({
  library(sharedmemory)
  library(jsonlite)
})
smem <- commandArgs(TRUE)[1]

# Some more than there is: of this process, a shared object, one that was traced.
# The incomplete one is to stay.
options(sharedmemory.trace = TRUE, sharedmemory.reclaim = FALSE)
allocateSharedMemory(c(10, 5000), lifetime = "process")
x <- share(data.frame(n = runif(1e4), k = 1:1e4), name = "frame")
options(sharedmemory.trace = FALSE)

in_r <- listSharedObjects(mappedBy = TRUE)
in_c <- fromJSON(system2(smem, c("ls", "--json", "-m"), stdout = TRUE))$segments
stopifnot(all(in_c$namespace == Sys.getenv("SHAREDMEMORY_NAMESPACE")))
in_c$namespace <- NULL
# A name that is not text: JSON has half a surrogate for the byte.
known <- validUTF8(in_r$Id)
stopifnot(sum(!known) == 1, sum(known) >= 8)
in_r <- in_r[known, ]
in_c <- in_c[match(in_r$Id, in_c$Id), ]

stopifnot(identical(names(in_c), names(in_r)))
for (column in setdiff(names(in_r), c("created", "since", "mappedBy")))
  stopifnot("a column differs" = all.equal(as.character(in_c[[column]]),
                                           as.character(in_r[[column]])))
for (column in c("created", "since"))
  stopifnot(all.equal(in_c[[column]], as.numeric(in_r[[column]]), tolerance = 1e-12))
pids <- function(x) vapply(x, paste, "", collapse = " ")
stopifnot(identical(pids(in_c$mappedBy), pids(in_r$mappedBy)))

# And what is for people: the table is the same, line by line.
mine <- capture.output(print(listSharedObjects(), n = Inf))
its <- system2(smem, "ls", stdout = TRUE)
if (!identical(mine, its)) {
  print(mine)
  print(its)
  stop("the table differs")
}
freeSharedMemory("frame")
