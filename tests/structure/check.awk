# See check.sh. First the targets (name, folder, links, sources), then "--", then the includes (file, line, path).

function rank(folder) {
  if (folder == "src/base" || folder == "src/metrics") return 0
  if (folder == "src/async") return 1
  if (folder == "src/state") return 2
  if (folder == "src/model") return 3
  if (folder ~ /^src\/(kube|kvstore|netlink|datapath)$/) return 4
  if (folder ~ /^src\//) return 5
  if (folder ~ /^apps\//) return 6
  return 7
}

function reaches(from, to,    n, i, parts) {
  if ((from, to) in memo) return memo[from, to]
  memo[from, to] = 0  # ends a cycle
  n = split(links[from], parts, " ")
  for (i = 1; i <= n; i++)
    if (parts[i] in folder_of && (parts[i] == to || reaches(parts[i], to))) return memo[from, to] = 1
  return 0
}

# The library that offers an include path, which is relative to src/ or to the root: longest folder first.
function owner(path,    dir) {
  dir = path
  while (sub(/\/[^\/]*$/, "", dir)) {
    if (("src/" dir) in library) return library["src/" dir]
    if (dir in library) return library[dir]
    if (dir in in_folder) return ""  # a folder of programs alone, below a library: nobody else includes from it
  }
  return ""
}

function problem(text) {
  print text
  problems++
}

/^--$/ { reading = 1; for (t in folder_of) targets++; next }

!reading {
  folder_of[$1] = $2
  links[$1] = $3
  in_folder[$2] = in_folder[$2] " " $1
  # The folder's library is the one named after it; programs, tests and generated code live beside it.
  name = $2
  sub(/^(src|apps)\//, "", name)
  gsub(/\//, "_", name)
  if ($1 == "weft_" name) library[$2] = $1
  n = split($4, parts, " ")
  for (i = 1; i <= n; i++) used_by[$2 "/" parts[i]] = used_by[$2 "/" parts[i]] " " $1 " "
  next
}

{
  wanted = owner($3)
  if (wanted == "") next
  # The targets of the nearest folder upwards that has any: one of them must see what the file includes. A
  # library's own files must be covered by the library itself, and only tests/ and other targets' sources by the others.
  folder = $1
  while (sub(/\/[^\/]*$/, "", folder) && !(folder in in_folder)) continue
  if (!(folder in in_folder)) next
  checked++
  mine = (folder in library) ? library[folder] : ""
  if (mine == wanted) next
  rest = substr($1, length(folder) + 2)
  elsewhere = ($1 in used_by) && index(used_by[$1], " " mine " ") == 0
  if (mine != "" && rest !~ /^tests\// && !elsewhere) {
    if (!reaches(mine, wanted))
      problem($1 ":" $2 ": includes \"" $3 "\", but " mine " does not link " wanted ": add " wanted " to LINKS in " folder "/CMakeLists.txt, or drop the include")
    next
  }
  ok = 0
  n = split(in_folder[folder], candidates, " ")
  for (i = 1; i <= n; i++) if (candidates[i] == wanted || reaches(candidates[i], wanted)) ok = 1
  if (!ok)
    problem($1 ":" $2 ": includes \"" $3 "\", but no target of " folder " links " wanted ": add it to LINKS or TEST_LINKS in " folder "/CMakeLists.txt, or drop the include")
}

END {
  for (target in folder_of) {
    n = split(links[target], parts, " ")
    for (i = 1; i <= n; i++) {
      to = parts[i]
      if (!(to in folder_of) || to == target) continue
      if (target ~ /^weft_/ && folder_of[to] ~ /^(src|apps)\// && rank(folder_of[to]) > rank(folder_of[target]))
        problem(folder_of[target] "/CMakeLists.txt: " target " links " to ", which stands above it; links run apps -> features -> {kube, kvstore, datapath, netlink} -> model -> state -> async -> base: move the code that needs it up, or what it needs down")
      if (target < to && reaches(target, to) && reaches(to, target))
        problem(folder_of[target] "/CMakeLists.txt: " target " and " to " link each other: move what both need into a folder below them")
    }
  }
  if (targets == 0 || checked == 0) problem("nothing to check: " targets + 0 " targets, " checked + 0 " includes; is the structure file from this tree?")
  if (problems) exit 1
  print targets " targets and " checked " includes agree"
}
