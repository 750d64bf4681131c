# Prints all sources as one:  awk -v version=V -f amalgamate.awk FILE.c...
#
# Headers of ours come once, where the first file includes them. What two files call
# by one name, for each of them is private, gets the file's name behind it: in text
# that is neither comment, string nor member of a struct. Macros end with their file.

BEGIN {
  for (i = 1; i < ARGC; i++) collect(ARGV[i])
  preamble()
  for (i = 1; i < ARGC; i++) {
    at_file = ARGV[i]
    print_file(at_file)
    forget_macros()
  }
}

function preamble(   line) {
  print "/* libsmem " version " as one file, made from many: see smem.h."
  print " *"
  while ((getline line <"../LICENSE") > 0) {
    print (line == "" ? " *" : " * " line)
  }
  print " */"
  # For what the systems' headers show; before the first of them.
  print "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif"
  print "#ifndef _FILE_OFFSET_BITS\n#define _FILE_OFFSET_BITS 64\n#endif"
  while ((getline line <"../src/os/windows_system.h") > 0)
    if (line ~ /^#define _[A-Z]/) print line
  close("../src/os/windows_system.h")
  seen["../inst/include/smem.h"] = 1
  print "#include \"smem.h\""
}

# ---- names ---------------------------------------------------------------------

# Which names a file has for itself, at its outermost level.
function collect(path,   line, before, inside, variable) {
  while ((getline line <path) > 0) {
    if (line ~ /^static .*\($/ || line ~ /^static [^(=]*$/) before = line
    if (line ~ /^static /) own(path, declared(line))
    else if (before != "" && line ~ /^[a-z_0-9]+\(/) own(path, declared("x " line))
    if (line !~ /^static /) before = ""
    if (line ~ /^enum [a-z_0-9 ]*\{/) inside = 1
    if (inside) constants(path, line)
    if (line ~ /\}/) inside = 0
    if (line ~ /^(struct|enum|union) [a-z_0-9]+ \{/) {
      split(line, word, " ")
      own(path, word[2])
    }
    if (line ~ /^static .*\{$/ && line !~ /\(/) variable = 1
    if (variable && line ~ /^\} [a-z_0-9]+[;[]/) own(path, declared("x" substr(line, 2)))
    if (line ~ /^\}/) variable = 0
  }
  close(path)
}

# "static struct a *name(int x) {", "static int name[3] = {", "static bool name;",
# "static void (*name)(void);"
function declared(line) {
  sub(/^static /, "", line)
  if (match(line, /^[^(]*\(\*/)) line = "x " substr(line, RLENGTH + 1)
  sub(/\).*$/, "", line)
  sub(/[(=;[].*$/, "", line)
  sub(/ +$/, "", line)
  sub(/^.*[ *]/, "", line)
  return line
}

function constants(path, line,   part, count, i) {
  gsub(/\/\*.*\*\/|^enum [a-z_0-9 ]*\{/, "", line)
  count = split(line, part, ",")
  for (i = 1; i <= count; i++)
    if (match(part[i], /^ *[A-Z][A-Z_0-9]*/)) {
      part[i] = substr(part[i], RSTART, RLENGTH)
      gsub(/ /, "", part[i])
      own(path, part[i])
    }
}

function own(path, name) {
  if (name == "" || (path, name) in owned) return
  owned[path, name]
  owners[name]++
}

# "../src/core/access/free.c" is "access_free".
function short_of(path,   part, count) {
  sub(/\.c$/, "", path)
  count = split(path, part, "/")
  return part[count - 1] "_" part[count]
}

# ---- text ----------------------------------------------------------------------

function print_file(path,   line, included) {
  seen[path] = 1
  print "\n/* ---- " substr(path, 8) " ---- */"
  while ((getline line <path) > 0) {
    if (line ~ /^#define / && path ~ /\.c$/) {
      included = line
      sub(/^#define /, "", included)
      sub(/[^A-Za-z_0-9].*$/, "", included)
      macros[included]
    }
    if (line !~ /^#include "/) {
      print path ~ /\.c$/ ? renamed(line) : line
      continue
    }
    gsub(/^#include "|"$/, "", line)
    included = resolved(path, line)
    if (!(included in seen)) print_file(included)
  }
  close(path)
}

function forget_macros(   name) {
  for (name in macros) print "#undef " name
  split("", macros)
}

function resolved(path, name) {
  sub(/[^\/]*$/, "", path)
  path = path name
  while (sub(/[^\/.]+\/\.\.\//, "", path)) {}
  return path
}

# A line of the file at_file with its own names as they are in one file.
function renamed(line,   result, token) {
  result = ""
  while (line != "") {
    if (in_comment) {
      token = match(line, /\*\//) ? substr(line, 1, RSTART + 1) : line
      in_comment = !RSTART
    } else if (match(line, /^\/\*/)) {
      token = "/*"
      in_comment = 1
    } else if (match(line, /^("([^"\\]|\\.)*"|'([^'\\]|\\.)*')/) ||
               match(line, /^(\.|->)[A-Za-z_][A-Za-z_0-9]*/)) {
      token = substr(line, 1, RLENGTH)
    } else if (match(line, /^[A-Za-z_0-9]+/)) {
      token = substr(line, 1, RLENGTH)
      if (owners[token] > 1 && (at_file, token) in owned) {
        result = result token "_" short_of(at_file)
        line = substr(line, RLENGTH + 1)
        continue
      }
    } else {
      token = substr(line, 1, 1)
    }
    result = result token
    line = substr(line, length(token) + 1)
  }
  return result
}
