# Builds of several compilers and C libraries, and of 32 and 64 bits, at the same locks,
# semaphores, events and barriers.

builds=()
party_by() { # NAME COMPILER OPTION...
  "${@:2}" -std=c11 -O2 -c -o "$scratch/smem-$1.o" "$dist/smem.c" &&
    "${@:2}" -std=c11 -O2 $strict -I"$dist" -o "$scratch/party-$1" tests/lib/party.c \
      "$scratch/smem-$1.o" -pthread && builds+=("$1")
}
can_build() { # COMPILER OPTION...
  echo 'int main(void) { return 0; }' | "$@" -x c -o "$scratch/can" - 2>/dev/null
}
while read -r name compiler; do
  if can_build $compiler; then
    try "party.c by $compiler" party_by "$name" $compiler
  else
    echo "skipped: party.c by $compiler: it does not build here"
    ((skipped++))
  fi
done <<'END'
gcc gcc
clang clang
musl musl-gcc -static
m32 gcc -m32 -Wno-psabi
END

# Each twice, the second time in a pid namespace of its own where that may be made,
# while one of the first build dies there with the lock.
apart=$(unshare --pid --fork true 2>/dev/null && echo unshare --pid --fork)
party() { "$scratch/party-$1" "${@:2}"; }
together() { # ROUNDS
  local build pid pids=() parties=$((2 * ${#builds[@]})) first=${builds[0]}
  party "$first" make "$parties" || return 1
  for build in "${builds[@]}"; do
    party "$build" work "$parties" "$1" &
    pids+=($!)
    $apart "$scratch/party-$build" work "$parties" "$1" &
    pids+=($!)
  done
  ($apart "$scratch/party-$first" die "$parties") 2>/dev/null
  party "$first" begin "$parties"
  for pid in "${pids[@]}"; do wait "$pid" || return 1; done
  party "${builds[-1]}" check "$parties" "$1"
}
[ -n "$apart" ] || {
  echo 'skipped: in a pid namespace: it may not be made here'
  ((skipped++))
}
try "builds together: ${builds[*]}" together 2000

without_descriptors() {
  party "${builds[0]}" make 2 && party "${builds[0]}" holds &&
    "$prefix/bin/smem" rm -y party permits begin all
}
if [ -d /proc/self/fd ]; then
  try 'who waits holds no descriptor for it' without_descriptors
else
  echo 'skipped: who waits holds no descriptor for it: there is no /proc/self/fd'
  ((skipped++))
fi
