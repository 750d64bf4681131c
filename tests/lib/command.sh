# The command smem.

command=$prefix/bin/smem
smem=${sanitized-$command}
maker=$scratch/maker
export TZ=UTC LC_ALL=C.UTF-8

# Exit status and output of a call of the command are as expected.
gives() { # STATUS PATTERN ARGUMENT...
  local status out
  out=$("$smem" "${@:3}" 2>&1 </dev/null)
  status=$?
  echo "$out"
  [ "$status" = "$1" ] && grep -qE -- "$2" <<<"$out"
}

try 'what is to be looked at' gcc -std=c11 $strict -I"$prefix/include" \
  -o "$maker" tests/lib/maker.c -L"$prefix/lib" -lsmem

# ---- nothing is there ----------------------------------------------------------

try 'an empty namespace' gives 1 '^No shared memory in this namespace' ls
try 'and its locks' gives 1 '^No lock is held' locks
try 'and its status' gives 0 '^Namespace: lib' stat
try 'nothing to reclaim' gives 0 '^0 removed, 0 B' reclaim
try 'nothing to inspect' gives 1 "no segment has this id" inspect a
try 'nothing to dump' gives 1 "no segment has this id" dump a
try 'nothing to remove' gives 1 "no segment has this id" rm a

# ---- usage ---------------------------------------------------------------------

try 'without arguments' gives 2 '^Usage: smem COMMAND'
try '--help' gives 0 '^Usage: smem COMMAND' --help
try '--version' gives 0 '^smem [0-9.]+$' --version
try 'an unknown command' gives 2 'there is no command "lsx"' lsx
try 'an unknown option' gives 2 "unrecognized option '--foo'" ls --foo
try 'an option of another command' gives 2 'invalid option' ls -y
try 'too few operands' gives 2 'an operand is missing: ID' inspect
try 'too many operands' gives 2 'too many operands' ls a
try 'rm of nothing' gives 1 'cannot free' rm nothing
try 'an id that is none' gives 2 'the id ""' inspect ''
try 'an offset that is none' gives 2 'is not a number of bytes' dump a -- -1
try 'a namespace that is none' gives 2 'must have 1 to 16 characters' ls -n a.b
try 'two namespaces' gives 2 'exclude each other' ls -a -n b
try 'no terminal to watch on' gives 2 'needs a terminal' watch
try 'an interval that is none' gives 2 'number of seconds' watch -i 0
full() { ! "$smem" stat >/dev/full 2>"$scratch/full" && grep -q written "$scratch/full"; }
try 'output that cannot be written' full

helps() { # each command says how it is used, in 80 columns
  local name
  for name in $("$smem" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    "$smem" "$name" --help >"$scratch/help" || return 1
    grep -q "^Usage: smem $name" "$scratch/help" || return 1
    if awk 'length > 80' "$scratch/help" | grep .; then return 1; fi
  done
}
try 'the help of each command' helps

in_manual() { # every command and every option
  local word
  for word in $("$smem" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^\\.B $word\$" lib/man/smem.1 || { echo "$word"; return 1; }
    for word in $("$smem" "$word" --help | sed -nE 's/^  -., --([a-z-]+).*/\1/p'); do
      [ "$word" = help ] || grep -qF -- "\\-\\-${word//-/\\-}" lib/man/smem.1 || {
        echo "--$word"
        return 1
      }
    done
  done
}
try 'smem(1) has every command and option' in_manual

# ---- something is there --------------------------------------------------------

rm -f "$scratch/input"
mkfifo "$scratch/input"
: >"$scratch/ready"
"$maker" <"$scratch/input" >"$scratch/ready" &
made_by=$!
exec 9>"$scratch/input"
until grep -q ready "$scratch/ready" || ! kill -0 $made_by; do sleep 0.05; done
shm=/dev/shm/smem.$SHAREDMEMORY_NAMESPACE
echo damaged >"$shm.damaged"
: >"$shm.incomplete"
chmod 600 "$shm.damaged" "$shm.incomplete"
printf x >"$shm.$(printf 'e\033[31m\n\202')"

try 'ls: a live owner' gives 0 "^1  .* live  +$made_by maker +[0-9:]{5} +freed" ls
try 'ls: one that is to go with its owner' gives 0 "^results .* 9.5 MiB .*process" ls
try 'ls: names are cut' gives 0 '^äö and a na...  ' ls
try 'ls: names are escaped' gives 0 '^e<U\+001B>\[3\.\.\.  ' ls
try 'ls: a damaged one' gives 0 '^damaged +\? +4.0 KiB  damaged' ls
try 'ls: an incomplete one' gives 0 '^incomplete .* 0 B  incomplete' ls
try 'ls: who allocated' gives 0 '  1: f\(x\) <- g\(y\)' ls
try 'ls: the states' gives 0 '^4 live  .*  its owner is there' ls
try 'ls --bytes' gives 0 '^results +[0-9]{8} ' ls --bytes
try 'ls --mapped-by' gives 0 "^  results: $made_by" ls -m
try 'ls --ids' gives 0 '^guarded$' ls -1
try 'ls --all' gives 0 "^namespace $SHAREDMEMORY_NAMESPACE" ls -a
try 'ls --namespace' gives 1 '^No shared memory' ls -n nobodys
try 'stat' gives 0 "^$SHAREDMEMORY_NAMESPACE .* live +4 +" stat
try 'inspect' gives 0 '^00000000  00 68 65 6c 6c 6f .* .hello' inspect guarded
try 'inspect: the owner' gives 0 "^owner +$made_by maker" inspect guarded
try 'inspect: the tag' gives 0 "^tag +a tag" inspect guarded
try 'inspect: the lock' gives 0 "^locked +exclusively by process $made_by since " inspect guarded
try 'inspect: what is wrong' gives 0 '^wrong ' inspect damaged
try 'dump' gives 0 '^00000001  68 65 6c 6c 6f +hello$' dump guarded 1 5
try 'dump to the end' gives 0 '^00000060  00 00 00 00 {37}' dump guarded 0x60
try 'dump --raw' gives 0 '^hello$' dump --raw guarded 1 5
try 'dump beyond the end' gives 3 'cannot read' dump guarded 0 100000
try 'dump of a damaged one' gives 3 'damaged' dump damaged
try 'locks' gives 0 "^guarded  exclusive  $made_by maker  [0-9:]{5}  " locks
no_codes() { ! "$smem" ls -m | grep -q $'\033' && "$smem" ls | awk 'length > 80 { exit 1 }'; }
try 'nothing that a terminal obeys, 80 columns' no_codes
no_codes_in_json() { ! "$smem" ls --json | LC_ALL=C grep -q '[^ -~]' ||
  ! "$smem" ls --json | grep -q $'\033'; }
try 'nor in JSON' no_codes_in_json
ascii() { LC_ALL=C gives 0 '^<U\+00E4><U\+\.\.\.  ' ls; }
try 'in a locale of ASCII' ascii

try_with python3 'JSON' python3 tests/lib/documents.py "$smem" "$made_by"
try_with python3 'on a terminal' python3 tests/lib/terminal.py "$smem"
has_r() { Rscript -e 'library(sharedmemory); library(jsonlite)'; }
if has_r >/dev/null 2>&1; then
  try 'R says the same' Rscript tests/lib/same.R "$smem"
else
  echo 'skipped: R says the same: there is no R with the package and jsonlite'
  ((skipped++))
fi

completes() { # WORD... is completed to the last of them
  bash -c '
    source <("$1" completion bash)
    COMP_WORDS=("${@:1:$#-1}") COMP_CWORD=$(($# - 2))
    _smem "$1" "${COMP_WORDS[COMP_CWORD]}"
    [[ " ${COMPREPLY[*]} " == *" ${*: -1} "* ]]' _ "$smem" "$@"
}
try 'commands are completed' completes rec reclaim
try 'options are completed' completes ls --j --json
try 'ids are completed' completes inspect gua guarded

# ---- removing ------------------------------------------------------------------

try 'rm: what is alive stays' gives 3 'guarded stays: .* \(live\)' rm guarded
try 'rm: what is damaged stays' gives 3 'damaged stays: ' rm damaged
try 'rm: what is nobody'\''s goes' gives 0 '' rm incomplete
try 'rm --yes' gives 0 '' rm --yes damaged
try 'rm: several, one of which is not there' gives 1 'no segment' rm -y 1 nothing
exec 9>&-
wait "$made_by"
try 'a maker that ends takes its own along' gives 0 '^1 live|^1 orphan' ls
rm -f "$shm".e*
try 'rm of an orphan' gives 0 '' rm guarded

"$maker" dies
try 'orphans' gives 0 '^4 orphan  .*  its owner is dead' ls
try 'the lock of a dead holder' gives 0 '^guarded  dead  ' locks
try 'reclaim --dry-run' gives 1 '^2 would be removed, 9.5 MiB' reclaim --dry-run
try 'reclaim' gives 1 '^2 kept: it lives until somebody frees it' reclaim
try 'reclaim --persistent asks' gives 3 'nothing was removed: 2 ' reclaim -p
try 'reclaim --persistent --yes' gives 0 '^2 removed, ' reclaim -p -y
try 'and all is gone' gives 1 '^No shared memory' ls
"$maker" dies
try 'reclaim --all' gives 1 "^results .* $SHAREDMEMORY_NAMESPACE$" reclaim --all --dry-run
try 'reclaim --json' gives 0 '"removed": true' reclaim -p -y --json
gone() { ! ls /dev/shm | grep -F "$SHAREDMEMORY_NAMESPACE"; }
try 'the namespace is gone too' gone

small() { [ "$(strip -o "$scratch/stripped" "$command" && wc -c <"$scratch/stripped")" \
  -lt $((150 * 1024)) ]; }
try 'it takes less than 150 KiB, stripped' small
