# Building, installing, and what stands in the header.

smem() { pkg-config "$@" smem; }

try 'make' make -s -C lib
try 'make install' make -s -C lib install PREFIX="$prefix"

# What the compiler says that the header declares, without the way of the build.
declared() {
  gcc -x c -fsyntax-only -aux-info "$scratch/declared" "$prefix/include/smem.h" &&
    sed -nE 's/^.*\*\/ extern [^(]*[ *](smem_[a-z0-9_]*) \(.*/\1/p' \
      "$scratch/declared" | sort -u
}
exported() { nm -D --defined-only "$prefix/lib/libsmem.so" | awk '$2 != "A" { print $3 }' |
  sed 's/@.*//' | sort; }
used() { nm -u "$scratch/face.o" | awk '/ smem_/ { print $2 }' | sort -u; }
same_names() { [ -s "$1" ] && diff "$1" "$2"; }

declared >"$scratch/declared.txt"
exported >"$scratch/exported.txt"
try 'the library exports what the header declares, and nothing else' \
  same_names "$scratch/declared.txt" "$scratch/exported.txt"

for standard in c99 c11 c17; do
  for compiler in gcc clang; do
    try_with $compiler "the header is $standard ($compiler)" \
      $compiler -std=$standard $strict $(smem --cflags) -c -o "$scratch/face.o" $face
  done
done
for standard in c++11 c++20; do
  for compiler in g++ clang++; do
    try_with $compiler "the header is $standard ($compiler)" \
      $compiler -x c++ -std=$standard $strict $(smem --cflags) -c \
      -o "$scratch/facepp.o" $face
  done
done
used >"$scratch/used.txt"
try 'face.c calls every function' \
  same_names "$scratch/declared.txt" "$scratch/used.txt"

try 'a client links with the shared library' \
  gcc -o "$scratch/face" "$scratch/face.o" $(smem --libs)
try 'and works' "$scratch/face"
soname() { readelf -d "$scratch/face" | grep -q 'NEEDED.*libsmem\.so\.[0-9]'; }
try 'and asks for the library by its number' soname
try_with g++ 'a client in C++ links' \
  g++ -o "$scratch/facepp" "$scratch/facepp.o" $(smem --libs)
try_with g++ 'and works' "$scratch/facepp"
try 'a client links with the static library' gcc -o "$scratch/face-static" \
  "$scratch/face.o" -Wl,-Bstatic $(smem --libs) -Wl,-Bdynamic -pthread
try 'and works' env LD_LIBRARY_PATH= "$scratch/face-static"

with_cmake() {
  mkdir -p "$scratch/cmake"
  cat >"$scratch/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.13)
project(client C)
find_package(smem REQUIRED CONFIG)
add_executable(client $PWD/$face)
target_link_libraries(client smem::smem)
add_executable(client-static $PWD/$face)
target_link_libraries(client-static smem::static)
END
  cmake -S "$scratch/cmake" -B "$scratch/cmake/build" -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build "$scratch/cmake/build" && "$scratch/cmake/build/client" &&
    env LD_LIBRARY_PATH= "$scratch/cmake/build/client-static"
}
try_with cmake 'find_package() of CMake' with_cmake

try 'the tests of the core build with the installed library' \
  make -s -C tests/lib BUILD="$scratch/core" "$scratch/core/core-tests"
add_counts "$scratch/core/core-tests"

# ---- the manual ----------------------------------------------------------------

man=$prefix/share/man
has_page() { # every function has one, with a headline
  local name page
  while read -r name; do
    page=$man/man3/$name.3
    if grep -q '^\.so ' "$page"; then page=$man/$(sed 's/^\.so //' "$page"); fi
    grep -A 1 '^\.SH NAME' "$page" | grep -qE "\b$name\b.* .- [A-Z].*[a-z]" || {
      echo "no page, or no headline: $name"
      return 1
    }
  done <"$scratch/declared.txt"
}
try 'every function has a page' has_page
codes() {
  gcc -E -P "$prefix/include/smem.h" | tr ',' '\n' |
    sed -nE '/typedef enum smem_code/,/SMEM_CODES/s/.*(SMEM_[A-Z_]+).*/\1/p' |
    grep -v SMEM_CODES | sort
}
told_codes() { sed -n '/^\.SH ERRORS/,/^\.PP/s/^\.B \(SMEM_.*\)/\1/p' lib/man/smem.7 | sort; }
all_codes() { [ -n "$(codes)" ] && diff <(codes) <(told_codes); }
try 'smem(7) has every error' all_codes
try_with mandoc 'the pages are well formed' \
  sh -c "cd '$man' && mandoc -T lint -W error man1/* man3/* man7/*"

# ---- installing elsewhere, compatibility ---------------------------------------

staged() {
  local stage=$scratch/stage
  make -s -C lib install PREFIX=/usr DESTDIR="$stage" &&
    grep -qx 'prefix=/usr' "$stage/usr/lib/pkgconfig/smem.pc" &&
    ! grep -rq "$stage" "$stage" &&
    make -s -C lib uninstall PREFIX=/usr DESTDIR="$stage" &&
    [ -z "$(find "$stage" ! -type d)" ]
}
try 'make install with DESTDIR, and uninstall leaves nothing' staged

# There is no release yet, so the comparison is tried on this version: on itself, and
# on two that had something which is not there now.
sources() { rm -rf "$scratch/other" && mkdir "$scratch/other" &&
  cp -R DESCRIPTION LICENSE inst lib src "$scratch/other"; }
compared() { make -s -C lib abi AGAINST="$scratch/other"; }
finds() { ! compared >"$scratch/abi" 2>&1 && grep -E "$1" "$scratch/abi"; }
same_interface() { sources && compared; }
other_struct() {
  sources &&
    sed -i '/^typedef struct smem_told/,/^}/s/^  bool died;/  uint64_t more;\n&/' \
      "$scratch/other/inst/include/smem.h" && finds "'uint64_t more'"
}
other_function() {
  sources &&
    sed -i 's/^uint64_t smem_random(void);/&\nint smem_more(void);/' \
      "$scratch/other/inst/include/smem.h" &&
    echo 'int smem_more(void) { return 0; }' >>"$scratch/other/src/core/base/struct.c" &&
    finds 'Removed function'
}
try_with abidiff 'the binary interface is that of itself' same_interface
try_with abidiff 'and not one with another struct' other_struct
try_with abidiff 'nor one with another function' other_function
