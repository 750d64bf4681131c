# Writes the pages of section 3 from the comments of the public header:
#   awk -v version=V -v folder=MAN3 -f pages.awk smem.h
#
# A paragraph of the header, from one blank line to the next, is a page, named after
# its first function; its other functions are links to it. A comment belongs to the
# function behind it. Types that the functions take are shown as the header has them.

/^\/\* ---- / {
  section = $0
  gsub(/^\/\* -+ | -+( \*\/)?$/, "", section)
  introduction = ""
  if ($0 !~ /\*\/$/) introduction = comment_text("")
  next
}
/^$/ { end_paragraph(); next }
/^#/ {
  while (/\\$/ && (getline) > 0) {}
  next
}
/^extern "C"|^}$/ { next }
/^\/\*/ { pending = comment_text($0); source = source comment_source; next }
{
  statement = $0
  while (!is_whole(statement)) {
    if ((getline) <= 0) break
    statement = statement "\n" $0
  }
  take(statement)
}
END {
  end_paragraph()
  for (i = 1; i <= pages; i++) write_page(i)
}

# ---- reading -------------------------------------------------------------------

# The words of a comment that begins on this line, or went on from the one before.
function comment_text(line,   text) {
  comment_source = line == "" ? "" : line "\n"
  text = line
  while (line !~ /\*\/$/ && (getline line) > 0) {
    comment_source = comment_source line "\n"
    text = text "\n" line
  }
  gsub(/(^|\n) *\/\* ?/, "\n", text)
  gsub(/ *\*\/$/, "", text)
  gsub(/\n \*$/, "\n", text)
  gsub(/\n \*\n/, "\n\n", text)
  gsub(/\n \* ?/, "\n", text)
  sub(/^\n+/, "", text)
  return text
}

function without_comments(text,   start, rest) {
  while (start = index(text, "/*")) {
    rest = substr(text, start)
    if (!index(rest, "*/")) return substr(text, 1, start - 1)
    text = substr(text, 1, start - 1) substr(rest, index(rest, "*/") + 2)
  }
  return text
}

function is_whole(statement,   bare, opened, closed, comment) {
  comment = statement
  opened = gsub(/\/\*/, "", comment)
  closed = gsub(/\*\//, "", comment)
  if (opened != closed) return 0
  bare = without_comments(statement)
  sub(/[ \n]+$/, "", bare)
  opened = gsub(/\{/, "{", bare)
  closed = gsub(/\}/, "}", bare)
  return opened == closed && bare ~ /;$/
}

function take(statement,   bare, name, behind) {
  bare = without_comments(statement)
  sub(/[ \n]+$/, "", bare)
  source = source statement "\n"
  if (bare ~ /^(typedef|enum) /) {
    name = bare
    if (match(name, /smem_[a-z_]+\(/)) name = substr(name, RSTART, RLENGTH - 1)
    sub(/;$/, "", name)
    sub(/^.*[ }*]/, "", name)
    if (bare ~ /^typedef /) new_types = new_types " " name
    return
  }
  if (!match(bare, /smem_[a-z0-9_]+\(/)) return
  name = substr(bare, RSTART, RLENGTH - 1)
  functions++
  function_name[functions] = name
  prototype[functions] = bare
  if (match(statement, /\/\*.*\*\/$/)) {
    behind = substr(statement, RSTART + 3, RLENGTH - 6)
    pending = pending (pending == "" ? "" : "\n\n") capital(behind) "."
  }
  says[functions] = pending
  pending = ""
  if (first == 0) first = functions
}

function capital(text) { return toupper(substr(text, 1, 1)) substr(text, 2) }

function end_paragraph(   i, n, name) {
  n = split(new_types, name, " ")
  for (i = 1; i <= n; i++) {
    type_source[name[i]] = source
    type_page[name[i]] = first ? pages + 1 : 0
  }
  if (first) {
    pages++
    page_first[pages] = first
    page_last[pages] = functions
    page_section[pages] = section
    page_introduction[pages] = introduction
  }
  first = 0
  new_types = source = pending = ""
}

# ---- writing -------------------------------------------------------------------

function roff(text) {
  gsub(/\\/, "\\e", text)
  gsub(/-/, "\\-", text)
  gsub(/\n\n+/, "\n.PP\n", text)
  gsub(/\n\./, "\n\\\\\\&.", text)
  gsub(/\n\\&\.PP/, "\n.PP", text)
  gsub(/\n'/, "\n\\\\\\&'", text)
  return text
}

# `x` is a word of the program.
function prose(text) {
  text = roff(text)
  while (match(text, /`[^`]+`/))
    text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 2) \
      "\\fR" substr(text, RSTART + RLENGTH)
  return text
}

function first_sentence(text) {
  gsub(/\n/, " ", text)
  gsub(/`/, "", text)
  if (match(text, /[.:;]( |$)/)) text = substr(text, 1, RSTART - 1)
  return text
}

function write_page(page,   file, i, names, k, type, shown, words, n, own) {
  file = folder "/" function_name[page_first[page]] ".3"
  for (i = page_first[page]; i <= page_last[page]; i++)
    names = names (names == "" ? "" : ", ") function_name[i]
  printf ".TH %s 3 \"\" \"libsmem %s\"\n.SH NAME\n%s \\- %s\n", \
    function_name[page_first[page]], version, names, \
    roff(first_sentence(says[page_first[page]])) >file
  print ".SH SYNOPSIS\n.nf\n.B #include <smem.h>" >file
  for (i = page_first[page]; i <= page_last[page]; i++)
    printf ".PP\n%s\n", roff(prototype[i]) >file
  print ".fi" >file
  for (i = page_first[page]; i <= page_last[page]; i++) {
    n = split(prototype[i], words, /[^a-z0-9_]+/)
    for (k = 1; k <= n; k++) {
      type = words[k]
      if (!(type in type_source) || type ~ /^smem_(code|error)$/) continue
      if (type_source[type] in own) continue
      own[type_source[type]]
      if (type_page[type] && type_source[type] !~ /\{/) continue
      shown = shown "\n" type_source[type]
    }
  }
  print ".SH DESCRIPTION" >file
  if (page_introduction[page] != "") print prose(page_introduction[page]) >file
  for (i = page_first[page]; i <= page_last[page]; i++) {
    if (page_first[page] != page_last[page])
      printf ".SS %s()\n", function_name[i] >file
    else if (page_introduction[page] != "")
      print ".PP" >file
    print prose(says[i]) >file
  }
  if (shown != "")
    printf ".SH TYPES\n.nf\n%s\n.fi\n", roff(substr(shown, 2)) >file
  print ".SH RETURN VALUE\nA function that can fail returns\n.B SMEM_OK\n" \
    "or a code, and says more in\n.IR *error ;\nsee\n.BR smem (7)\n" \
    "for all codes, and for what holds of all functions." >file
  print ".SH SEE ALSO\n.BR smem (7)" >file
  for (i = 1; i <= pages; i++)
    if (i != page && page_section[i] == page_section[page])
      printf ".br\n.BR %s (3)\n", function_name[page_first[i]] >file
  close(file)
  for (i = page_first[page] + 1; i <= page_last[page]; i++) {
    print ".so man3/" function_name[page_first[page]] ".3" \
      >(folder "/" function_name[i] ".3")
    close(folder "/" function_name[i] ".3")
  }
}
