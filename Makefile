# `make help` says what there is to make.
#
# Everything is built below build/, so that neither src/ nor the user's R library
# is touched. What a target needs and the machine lacks is installed first, see
# tools/setup.

# Tests expect messages in English and a character set that has more than ASCII.
export LC_ALL := $(if $(filter Linux,$(shell uname -s)),C,en_US).UTF-8
export LANGUAGE := en
export R_LIBS := $(CURDIR)/build/library:$(CURDIR)/build/cran:$(R_LIBS)

# Folders too: their time changes when a file in them goes. (Not demo itself, which
# is a target's name.)
PACKAGE := DESCRIPTION NAMESPACE LICENSE .Rbuildignore $(wildcard demo/*) \
  $(shell find R src man inst vignettes \
    ! -name '*.o' ! -name '*.so' ! -name '*.dll' 2>/dev/null)
INSTALLED := build/library/sharedmemory/DESCRIPTION

# Installing, building and testing are one after the other; what can be done in
# parallel inside of these is.
.NOTPARALLEL:
.PHONY: all help demo test test-r test-core test-lib test-all differential sanitize \
  windows windows-glue valgrind musl portable gnu2x m32 fuzz model analyze coverage \
  coverage-r check-valgrind check-asan test-package sid trixie strict style format workflows \
  check site document bench bench-share bench-published bench-share-here \
  bench-published-here torture clean

all: setup-demo $(INSTALLED)

help:
	@sed -n 's/^#: //p' Makefile

#: make            build and install the package into build/library
#: make demo       the life cycle of a segment between two R processes
#: make test       every R test, every C test, and base functions on shared objects
#: make test-r     only the R tests; FILTER=name: only test-name*.R
#: make test-core  only the C tests: of the core and of the layer below, without R
#: make test-lib   the C library (see lib/Makefile), as it is when it is installed;
#:                 once more in a Debian that has no R, which needs root
demo: setup-demo $(INSTALLED)
	@Rscript demo/lifecycle.R
test: setup-test setup-core $(INSTALLED)
	@tools/test r differential-share os core
test-r: setup-test $(INSTALLED)
	@Rscript tools/test-r $(FILTER)
test-core: setup-core
	@tools/test os core
test-lib: setup-lib setup-debian
	@tools/test lib lib-without-r

#: make test-all   all of the tests, in every build: what CI runs
test-all: setup-all demo
	@tools/test -j 2 sid r differential differential-share core lib lib-without-r user \
	  clang asan tsan portable musl m32 gnu2x valgrind valgrind-r asan-r windows \
	  os $(patsubst %,os-%,user clang asan tsan portable musl m32 valgrind windows) \
	  strict windows-glue style spelling graph workflows model analyze site fuzz-short torture \
	  check

#: make torture    try to break it, an hour or more; SECONDS=, CALLS= for less
torture: SECONDS ?= 600
torture: CALLS ?= 1000000
torture: setup-torture $(INSTALLED)
	@tests/torture/run $(SECONDS) $(CALLS)

#: make differential  every function of base, stats, utils and some packages, on an
#:                 ordinary vector and on a view; FULL=full: with all there is;
#:                 WAY=share: on what share() makes
differential: setup-test $(INSTALLED)
	@DIFFERENTIAL_WAY=$(or $(WAY),view) tests/differential/run $(FULL)

#: make sanitize   C tests with the address and the thread sanitizer
#: make windows    C tests of the Windows build, under Wine
#: make valgrind   C tests under valgrind
#: make musl       C tests with another C library
#: make portable   C tests with only what every POSIX system has
#: make gnu2x      C tests as C of the next standard
#: make m32        C tests as a program of 32 bits
sanitize: setup-sanitize
	@tools/test os-asan os-tsan asan tsan
windows valgrind musl portable gnu2x m32: %: setup-%
	@tools/test os-$@ $@

#: make fuzz       coverage-guided fuzzing of what is read from others, for 10
#:                 minutes; SECONDS=n: for so long
#: make model      what processes wait for each other with, as models, by spin; with
#:                 mistakes made on purpose, which must be found
#: make analyze    static analysis: gcc, clang-tidy, cppcheck
#: make coverage   what the C tests do not reach, against tests/uncovered.md;
#: make coverage-r the same of the R tests, a report only
#: make check-valgrind  some of the R tests with R under valgrind
#: make check-asan  some of the R tests with the address sanitizer in the package
#: make test-package  what depends on R: its tests, and R CMD check for the rest
#: make sid        make test-package with the newest R, that of Debian sid; needs root
#: make trixie     the same with that of Debian trixie
fuzz: setup-fuzz
	@$(MAKE) --no-print-directory -C tests/fuzz run
model: setup-model
	@tools/test model
analyze: setup-analyze
	@tools/test analyze
coverage: setup-coverage
	@tools/coverage c
coverage-r: setup-coverage-r
	@tools/coverage r
check-valgrind: setup-valgrind setup-test $(INSTALLED)
	@tools/check-valgrind
check-asan: setup-test $(INSTALLED)
	@tools/test asan-r
test-package: setup-check setup-others $(INSTALLED)
	@tools/test r check-rest
sid trixie: setup-debian
	@tools/debian $@

#: make strict     compile all C, warnings are errors; no circles, no looking up
#: make windows-glue  whether the package compiles and links for Windows
#: make workflows  whether .github/workflows holds what can run
#: make style      whether all code has the form that .clang-format and .lintr say, and
#:                 all papers are spelled well
#: make format     bring C into that form
#: make check      R CMD check --as-cran
#: make bench      time of everything, against the bare system calls and others
strict: setup-demo
	@tools/test strict graph
windows-glue: setup-windows-glue
	@tools/test windows-glue
style: setup-style
	@tools/test style spelling
format: setup-style
	@tools/style --fix
workflows:
	@tools/test workflows
check: setup-check
	@tools/test check
#: make bench-share  share() beside serialize() and other packages, with this R and
#:                 with that of Debian sid, which needs root
#: make bench-published  the same with what others published about theirs
bench: setup-bench $(INSTALLED)
	@bench/run
bench-share bench-published: bench-%: bench-%-here setup-debian
	@tools/debian sid make --no-print-directory bench-$*-here
	@cp -u build/sid/sharedmemory/bench/results-$*.* bench/ 2>/dev/null || true
bench-share-here bench-published-here: bench-%-here: setup-peers $(INSTALLED)
	@bench/run $*

#: make site       the web site, into build/site, looked at in a browser
#: make document   help pages and NAMESPACE from the comments in R/
#: make clean      remove build/
site: setup-site $(INSTALLED)
	@tools/test site
document: setup-document $(INSTALLED)
	@Rscript tools/document
clean:
	rm -rf build

setup-%:
	@tools/setup $*

$(INSTALLED): $(PACKAGE)
	@tools/install
	@touch $@
