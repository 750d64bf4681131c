# Builds and runs a suite of tests in C, in all variants; the Makefile of the suite,
# which includes this, says which layers of src/ it has. `make run` is the one to use;
# each target builds below $(BUILD) and ends with one line, "N passed, N failed, N
# skipped". FILTER="word..." runs the tests with one of these words in their names,
# and those of a file.c.

SUITE := $(notdir $(CURDIR))
BUILD ?= ../../build/$(SUITE)
FILTER ?=
MAKEFLAGS += --no-print-directory

# Every file guards itself by its system, so all are compiled everywhere.
SOURCE := ../../src
HARNESS := ../harness
HEADERS := $(wildcard *.h $(HARNESS)/*.h ../torture/*.h) \
  $(shell find $(SOURCE) $(SOURCE)/../inst -name '*.h')
TESTED := $(shell find $(LAYERS:%=$(SOURCE)/%) -name '*.c')
TESTS ?= $(wildcard *.c)
OBJECTS = $(patsubst %.c,$(DIRECTORY)/tests/%.o,$(TESTS)) \
  $(patsubst $(HARNESS)/%.c,$(DIRECTORY)/harness/%.o,$(wildcard $(HARNESS)/*.c)) \
  $(patsubst $(SOURCE)/%.c,$(DIRECTORY)/%.o,$(TESTED))

# What a test leaves out of a request is 0.
WARNINGS := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Werror \
  -Wno-missing-field-initializers
DEFINES := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
POSIX := $(DEFINES) -DSHAREDMEMORY_TEST_SYSCALLS -pthread
# Sanitizers: fewer rounds, more time (see test.h).
SLOW := -O1 -g -fno-omit-frame-pointer -DTEST_SLOWNESS=8
SLOWEST := -O1 -g -DTEST_SLOWNESS=40

# Address space layout with as many random bits as some kernels use is more than
# TSan of older compilers can cope with; containers may forbid to turn it off.
UNRANDOM := $(shell setarch -R true 2>/dev/null && echo setarch -R)

# What differs in compiler and flags alone. portable: the macOS branch, on Linux.
# gnu2x: the next standard, as far as the compiler knows it (what comes last on the
# command line counts). m32: sizes of files are 64 bits wide there too; gcc's note that it aligns
# words of 64 bits in another way than it did concerns none of ours.
VARIANTS := run clang musl portable gnu2x m32
$(VARIANTS): COMPILER := gcc
clang: COMPILER := clang
musl: COMPILER := musl-gcc
musl: MORE := -static
portable: MORE := -DSHAREDMEMORY_OS_PORTABLE
gnu2x: MORE := -std=gnu2x
m32: MORE := -m32 -Wno-psabi

.PHONY: $(VARIANTS) coverage asan tsan valgrind windows user clean
$(VARIANTS):
	@$(MAKE) program NAME=$@ CC=$(COMPILER) FLAGS="$(POSIX) -O2 -g $(MORE)"
	@$(BUILD)/$@/$(SUITE)-tests $(FILTER)

# For tools/coverage. Whoever is not root adds to the same counts. They are written at
# the end of each process, by whatever user it is then, and some tests have set a
# limit on files.
coverage:
	@$(MAKE) program NAME=coverage CC=gcc FLAGS="$(POSIX) -O0 -g --coverage \
	  -fprofile-update=atomic -fprofile-filter-files=/src/"
	@find $(BUILD)/coverage -name '*.gcda' -delete
	@chmod -R a+rwX $(BUILD)/coverage
	@umask 0; trap '' XFSZ; $(BUILD)/coverage/$(SUITE)-tests $(FILTER)
	@umask 0; trap '' XFSZ; setpriv --reuid=65534 --regid=65534 --clear-groups \
	  $(BUILD)/coverage/$(SUITE)-tests $(FILTER)

# As somebody who is not root, from whom the modes of files keep things.
user:
	@$(MAKE) program NAME=run CC=gcc FLAGS="$(POSIX) -O2 -g"
	@setpriv --reuid=65534 --regid=65534 --clear-groups \
	  $(BUILD)/run/$(SUITE)-tests $(FILTER)

asan:
	@$(MAKE) program NAME=asan CC=gcc FLAGS="$(POSIX) $(SLOW) \
	  -fsanitize=address,undefined -fno-sanitize-recover=all -DTEST_ASAN"
	@ASAN_OPTIONS=detect_stack_use_after_return=1 \
	  $(BUILD)/asan/$(SUITE)-tests $(FILTER)

# die_after_fork=0: some tests start threads in a child that was forked by a
# process with threads, which is fine where the parent's hold nothing it needs.
tsan:
	@$(MAKE) program NAME=tsan CC=gcc \
	  FLAGS="$(POSIX) $(SLOW) -fsanitize=thread -DTEST_TSAN"
	@TSAN_OPTIONS=die_after_fork=0:halt_on_error=1 \
	  $(UNRANDOM) $(BUILD)/tsan/$(SUITE)-tests $(FILTER)

valgrind:
	@$(MAKE) program NAME=valgrind CC=gcc \
	  FLAGS="$(POSIX) $(SLOWEST) -DTEST_VALGRIND"
	@valgrind --quiet --error-exitcode=99 --leak-check=full \
	  --show-leak-kinds=definite --errors-for-leak-kinds=definite \
	  $(BUILD)/valgrind/$(SUITE)-tests $(FILTER)

# Wine's own messages are not the tests'; its server ends with the run. On Windows
# itself the program just runs.
windows: export WINEPREFIX = $(abspath $(BUILD)/windows/wine)
windows: export WINEDEBUG = -all
windows: export WINEARCH = win64
windows:
	@$(MAKE) program NAME=windows CC=x86_64-w64-mingw32-gcc \
	  FLAGS="$(DEFINES) -O2 -g -static" EXE=.exe
ifeq ($(OS),Windows_NT)
	@$(BUILD)/windows/$(SUITE)-tests.exe $(FILTER)
else
	@mkdir -p "$$WINEPREFIX"; wineboot -i >/dev/null 2>&1; \
	wine $(BUILD)/windows/$(SUITE)-tests.exe $(FILTER) 2>/dev/null; status=$$?; \
	wineserver -k; exit $$status
endif

clean:
	rm -rf $(BUILD)

# ---- one variant: NAME, CC, FLAGS, EXE ---------------------------------------

DIRECTORY = $(BUILD)/$(NAME)
.PHONY: program
program: $(DIRECTORY)/$(SUITE)-tests$(EXE)

# The sources see the directory only through the command line of the recursive
# call, so the rules below have nothing to match without it.
ifdef NAME
MAKEFILES_USED := Makefile $(HARNESS)/variants.mk
$(DIRECTORY)/$(SUITE)-tests$(EXE): $(OBJECTS)
	@$(CC) $(FLAGS) -o $@ $^

$(DIRECTORY)/tests/%.o: %.c $(HEADERS) $(MAKEFILES_USED)
	@mkdir -p $(@D)
	@$(CC) $(WARNINGS) $(FLAGS) -c -o $@ $<

$(DIRECTORY)/harness/%.o: $(HARNESS)/%.c $(HEADERS) $(MAKEFILES_USED)
	@mkdir -p $(@D)
	@$(CC) $(WARNINGS) $(FLAGS) -c -o $@ $<

$(DIRECTORY)/%.o: $(SOURCE)/%.c $(HEADERS) $(MAKEFILES_USED)
	@mkdir -p $(@D)
	@$(CC) $(WARNINGS) $(FLAGS) -c -o $@ $<
endif
