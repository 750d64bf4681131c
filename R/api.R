#' The C interface for other packages
#'
#' A package in C or C++ uses the same segments, ids and rules of ownership as the R
#' functions, from any thread, by one table of functions.
#'
#' The package says in its `DESCRIPTION`
#'
#' ```
#' LinkingTo: sharedmemory
#' Imports: sharedmemory
#' ```
#'
#' imports one function of sharedmemory, whichever, in its `NAMESPACE`, so that it is
#' loaded, and asks for the table when its own library is loaded. `Makevars` needs
#' nothing.
#'
#' ```
#' #include <sharedmemory.h>
#' static const sharedmemory_api *shm;
#'
#' void R_init_client(DllInfo *dll) {
#'   shm = sharedmemory_init("client");
#' }
#' ```
#'
#' `vignette("c-api", package = "sharedmemory")` goes through two complete packages,
#' in C and in C++, that are installed with this one and meant to be copied:
#' `system.file("examples", package = "sharedmemory")`.
#'
#' @eval local({
#'   # The headers themselves, without what a compiler needs around them: in Rd files,
#'   # too, lines that begin with #ifdef mean something.
#'   shown <- function(name, title) {
#'     header <- readLines(file.path("inst/include", name))
#'     ends <- grep("^#ifdef", header)
#'     said <- header[c(seq_len(grep("^#ifndef", header) - 1),
#'                      seq(ends[1] + 3, ends[2] - 1))]
#'     c(paste0("@section ", title, ":"), "```c", said, "```")
#'   }
#'   c(shown("sharedmemory.h", "The header"),
#'     shown("smem.h", "The types and functions"))
#' })
#'
#' @seealso [sharedmemory] for what segments, ids and namespaces are.
#' @name sharedmemory-c-api
#' @aliases sharedmemory.h
NULL
