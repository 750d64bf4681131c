# Prints a header with those that it includes in quotes in their place, so that it
# stands alone:  awk -f header.awk smem.h
function print_file(path,   line, folder) {
  folder = path
  sub("[^/]*$", "", folder)
  while ((getline line <path) > 0) {
    if (line !~ /^#include "/) {
      print line
      continue
    }
    gsub(/^#include "|"$/, "", line)
    print_file(folder line)
  }
  close(path)
}
BEGIN { print_file(ARGV[1]) }
