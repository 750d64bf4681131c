# The library as two files, smem.c and smem.h.

dist=$build/dist
try 'make dist' make -s -C lib dist
in_dist() { (cd "$dist" && "$@"); }

for compiler in cc gcc clang; do
  try_with $compiler "$compiler -std=c11 -c smem.c" \
    in_dist $compiler -std=c11 -c -o "$scratch/smem.o" smem.c
done
try 'without a warning' in_dist gcc -std=c11 $strict -c -o "$scratch/smem.o" smem.c
try 'it shows what begins with smem_' \
  [ -z "$(nm -g --defined-only "$scratch/smem.o" | awk '$3 !~ /^smem_/')" ]
try_with x86_64-w64-mingw32-gcc 'it compiles for Windows' \
  in_dist x86_64-w64-mingw32-gcc -c -o "$scratch/smem-windows.o" smem.c

sanitized() { # SANITIZER [COMMAND...]
  gcc -std=c11 -g -O1 -fsanitize="$1" -fno-sanitize-recover=all -pthread -I"$dist" \
    -o "$scratch/face-sanitized" $face "$dist/smem.c" && "${@:2}" "$scratch/face-sanitized"
}
try 'with the address sanitizer' sanitized address,undefined
# Where addresses are too random for it, see tests/harness/variants.mk.
setarch -R true 2>/dev/null && fixed='setarch -R'
try 'with the thread sanitizer' sanitized thread ${fixed-}

# Structs end before their last members, as in a header before these came.
older_header() {
  local struct member
  mkdir -p "$scratch/older"
  cp "$dist/smem.h" "$scratch/older/smem.h"
  while read -r struct member; do
    grep -qE "^  .*\\b$member(\\[[A-Z_0-9]+\\])?;" "$scratch/older/smem.h" || return 1
    sed -i -E "/^typedef struct $struct \\{/,/^\\} $struct;/{
        /\\b$member(\\[[A-Z_0-9]+\\])?;/d
      }
      /\\{ sizeof\\($struct\\)/s/, [^,]* \\}/ }/" "$scratch/older/smem.h"
  done <<'END'
smem_error detail
smem_request is_sync
smem_told time
smem_limits spill
END
}
with_older_header() {
  gcc -std=c11 -g -fsanitize=address,undefined -fno-sanitize-recover=all -pthread \
    -I"$dist" -c -o "$scratch/sanitized.o" "$dist/smem.c" &&
    gcc -std=c99 $strict -g -fsanitize=address,undefined -fno-sanitize-recover=all \
      -pthread -I"$scratch/older" -o "$scratch/face-older" $face "$scratch/sanitized.o" &&
    "$scratch/face-older"
}
try 'an older header' older_header
try 'a client of an older header' with_older_header

for_windows() {
  x86_64-w64-mingw32-gcc -std=c11 -O2 -static -I"$dist" -o "$scratch/face.exe" $face \
    "$dist/smem.c"
}
under_wine() {
  local status
  mkdir -p "$WINEPREFIX"
  wineboot -i && wine "$scratch/face.exe"
  status=$?
  wineserver -k
  return $status
}
try_with x86_64-w64-mingw32-gcc 'a client links for Windows' for_windows
try_with wine 'and works under Wine' under_wine
