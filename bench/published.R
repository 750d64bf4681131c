# What others published as the measure of their packages, scaled to two workers, beside
# this one: see README.md.

# The example of mori's README: means of bootstrap samples, by mirai.
published_bootstrap <- function() {
  if (!has_package("mirai")) {
    message("mori's example needs mirai")
    return(list(works = list(), end = function() NULL))
  }
  data <- as.data.frame(matrix(stats::rnorm(5 * bootstrap_rows()), ncol = 5))
  mirai::daemons(2)
  mirai::everywhere(.libPaths(paths), paths = .libPaths())
  bootstrap <- function(i, data) colMeans(data[sample(nrow(data), replace = TRUE), ])
  environment(bootstrap) <- globalenv()
  map <- function(data) {
    force(data)
    function() {
      gc(full = TRUE)
      seconds({
        means <- mirai::mirai_map(1:8, bootstrap, .args = list(data = data))[]
        stopifnot(lengths(means) == 5)
      })
    }
  }
  kept <- lapply(share_by[installed_of(c("mori", "SharedObject"))], function(share) {
    share(data)
  })
  list(works = list(
    work("mori: 8 bootstrap colMeans() on 2 workers", 1, map(share(data)), map(data),
         rounds = 2, others = lapply(kept, map), also = c(mori = 1, SharedObject = 1),
         warm = FALSE)
  ), end = function() mirai::daemons(0))
}

# A rehearsal takes fewer.
bootstrap_rows <- function() if (most_rounds() < 2) 5e4 else 5e6

# The benchmark of memshare's paper: sd() of each of 10,000 columns, the sharing
# included. The paper has as many rows, and 32 workers; this machine has less of both.
published_columns <- function() {
  x <- matrix(stats::runif(1e7), ncol = 1e4)
  cluster <- new_worker(2)
  deviation <- function(j, x) stats::sd(x[, j])
  environment(deviation) <- globalenv()
  by_column <- function(share) {
    force(share)
    function() {
      gc(full = TRUE)
      seconds({
        shared <- share(x)
        result <- parallel::parSapply(cluster, seq_len(ncol(x)), deviation, shared)
        stopifnot(length(result) == ncol(x))
      })
    }
  }
  by_memshare <- function() {
    gc(full = TRUE)
    seconds({
      result <- memshare::memApply(X = x, MARGIN = 2, FUN = function(v) stats::sd(v),
                                   CLUSTER = cluster, NAMESPACE = memshare_space())
      stopifnot(length(result) == ncol(x))
    })
  }
  others <- lapply(share_by[installed_of(c("mori", "SharedObject"))], by_column)
  if (has_package("memshare")) others$memshare <- by_memshare
  list(works = list(
    work("memshare: sd() of 10,000 columns on 2 workers", 1, by_column(share),
         function() {
           gc(full = TRUE)
           seconds(parallel::parApply(cluster, x, 2, stats::sd))
         }, rounds = 5, others = others,
         also = c(mori = 1, memshare = 1, SharedObject = 1))
  ), end = function() parallel::stopCluster(cluster))
}

published_groups <- list(published_bootstrap = published_bootstrap,
                         published_columns = published_columns)
