# The examples, as their first lines say.

try 'examples/producer.c' gcc $strict $(smem --cflags) -o "$scratch/producer" \
  examples/producer.c $(smem --libs) -lm
try 'and runs' "$scratch/producer"
consumed() { Rscript examples/consumer.R | grep -x '1000000 numbers, from -1.000 to 1.000'; }
has_package() { Rscript -e 'library(sharedmemory)' >/dev/null 2>&1; }
if has_package; then
  try 'examples/consumer.R has the numbers' consumed
else
  echo 'skipped: examples/consumer.R: there is no R with the package'
  ((skipped++))
  try 'the segment is there' "$prefix/bin/smem" rm -y waves
fi

# The lines of README, as they stand there.
quick() {
  local lines
  lines=$(sed -n '/^## Without R/,/^## /p' README.md | sed -n '/^```sh/,/^```/p' | grep -v '^```')
  [ "$(wc -l <<<"$lines")" = 3 ] || return 1
  if ! has_package; then
    lines=$(sed 's/&& Rscript.*/\&\& build\/lib\/smem rm -y waves/' <<<"$lines")
  fi
  bash -ec "$lines"
}
try 'the three lines of README' quick

# The example of smem(7), in a program.
example_of_page() {
  {
    printf '#include <%s.h>\n' stdio stdlib smem
    echo 'int main(void) {'
    sed -n '/^\.EX/,/^\.EE/p' lib/man/smem.7 | grep -v '^\.E' |
      sed 's/\\(dq/"/g; s/\\e/\\/g'
    echo 'return error.code != SMEM_OK; }'
  } >"$scratch/page.c"
  gcc -std=c99 $strict $(smem --cflags) -o "$scratch/page" "$scratch/page.c" \
    $(smem --libs)
}
try 'the example of smem(7)' example_of_page
try 'and runs' "$scratch/page"
try 'and has made its segment' "$prefix/bin/smem" rm -y results

squares() { "$scratch/squares" | grep -x 328350; }
try_with g++ 'examples/segment.cpp' g++ -std=c++11 $strict $(smem --cflags) \
  -o "$scratch/squares" examples/segment.cpp $(smem --libs)
try_with g++ 'and runs' squares

python=$(command -v /usr/bin/python3 || command -v python3)
if "$python" -c 'import numpy' >/dev/null 2>&1; then
  doubled() { "$python" examples/segment.py | grep -x 999000.0; }
  try 'examples/segment.py' doubled
else
  echo 'skipped: examples/segment.py: there is no numpy'
  ((skipped++))
fi
