# Prints the names of the functions that a header declares, one a line. Comments are
# left out, and so is what does not end with a semicolon at the outermost level.
{
  while (match($0, /\/\*/)) {
    head = substr($0, 1, RSTART - 1)
    rest = substr($0, RSTART + 2)
    while (!match(rest, /\*\//))
      if ((getline rest) <= 0) exit
    $0 = head " " substr(rest, RSTART + 2)
  }
}
/^extern "C"/ { next }
/^#/ {
  while (/\\$/ && (getline) > 0) {}
  next
}
{
  count = split($0, characters, "")
  for (i = 1; i <= count; i++) {
    c = characters[i]
    if (c == "{") depth++
    else if (c == "}") depth -= depth > 0
    else if (depth > 0) continue
    else if (c == ";") { tell(statement); statement = "" }
    else statement = statement c
  }
  statement = statement " "
}
function tell(statement) {
  if (statement ~ /(^| )typedef / || !match(statement, /smem_[a-z0-9_]+\(/)) return
  print substr(statement, RSTART, RLENGTH - 1)
}
