# See check.sh. First the targets (name, folder, links, sources, threads), then "--", then the lines that start or hold a
# thread (file, line, text). ThreadSanitizer's build has the unit tests of folders that are marked THREADS: a folder that
# starts threads, in its code or in its tests, must be.

function problem(text) {
  print text
  problems++
}

/^--$/ { reading = 1; next }

!reading {
  known[$2] = 1
  # The unit tests of a folder are one program, named after it.
  name = $2
  sub(/^(src|apps)\//, "", name)
  gsub(/\//, "_", name)
  if ($1 == name "_test") {
    test_of[$2] = $1
    marked[$2] = $5 == "threads"
  }
  next
}

{
  folder = $1
  while (sub(/\/[^\/]*$/, "", folder) && !(folder in known)) continue
  found++
  if (folder in test_of && !marked[folder] && !told[folder]++)
    problem($1 ":" $2 ": starts a thread, but ThreadSanitizer does not see " test_of[folder] ": mark the library in " folder "/CMakeLists.txt with THREADS")
}

END {
  if (problems) exit 1
  print found + 0 " lines with threads, none in a folder whose unit tests ThreadSanitizer misses"
}
