# See check.sh. First the targets (name, folder, links, sources), then "--", then the lines of all .cpp files (file,
# line, text). The sanitizer builds compile the files of a library or of a test together, in batches: what two of them define in
# anonymous namespaces (or static, or as a constant) under one name and, of functions, with equal parameters, is then
# defined twice. clang-format makes this readable by line: namespaces do not indent, and end with a comment.

function problem(text) {
  print text
  problems++
}

# Parameters without names and default values: "const Foo& foo, int n = 0" -> "const Foo&,int".
function types_of(text,    i, c, depth, part, out) {
  text = text ","
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c ~ /[<({\[]/) depth++
    if (c ~ /[>)}\]]/) depth--
    if (c == "," && depth == 0) {
      sub(/ = .*/, "", part)
      gsub(/^ +| +$/, "", part)
      if (part ~ /[ &*][A-Za-z_][A-Za-z_0-9]*$/ && part !~ /^(const|unsigned|struct|class) [A-Za-z_0-9]+$/) sub(/[A-Za-z_][A-Za-z_0-9]*$/, "", part)
      gsub(/ +$/, "", part)
      out = out part ","
      part = ""
    } else {
      part = part c
    }
  }
  return out
}

function scope(    i, out) {
  for (i = 1; i <= depth_of_names; i++) if (names[i] != "") out = out names[i] "::"
  return out
}

function defined(name, rest, what,    key) {
  key = scope() name rest
  n_targets = split(targets_of[file], in_targets, " ")
  for (t = 1; t <= n_targets; t++) {
    if ((in_targets[t], key) in first && first[in_targets[t], key] != file) {
      if (text_of[in_targets[t], key] == what && what ~ /^using /) continue  # an alias may be said twice
      problem(file ":" line ": " name rest " is defined in " first[in_targets[t], key] " too, and the sanitizer builds compile both together (CONTRIBUTING, unity builds): give it one home, in a header of the folder, or another name")
    } else {
      first[in_targets[t], key] = file
      text_of[in_targets[t], key] = what
    }
  }
  checked++
}

# One declaration from its first column to "{", ";" or "=".
function declaration(text, internal,    name, open, i, c, depth, params, head) {
  while (sub(/^template <[^>]*> */, "", text)) continue
  gsub(/\[\[[a-z_]+\]\] */, "", text)
  if (text ~ /^using [A-Za-z_0-9]+ =/) {
    name = text
    sub(/^using /, "", name)
    sub(/ .*/, "", name)
    if (internal) defined(name, "", text)
    return
  }
  if (text ~ /^(struct|class|union|enum|enum class) [A-Za-z_0-9]+[^;(]*{/) {
    name = text
    sub(/^(struct|class|union|enum class|enum) /, "", name)
    if (name ~ /^[A-Za-z_0-9]*</) return  # a specialization
    sub(/[^A-Za-z_0-9].*/, "", name)
    if (internal) defined(name, "", text)
    return
  }
  if (text ~ /^(using|namespace|struct|class|union|enum|friend|extern|static_assert|public|private|case|default|return)/) return
  fixed = text ~ /^(static |inline )*(constexpr|static|const|constinit) /
  if (!internal && !fixed) return
  open = index(text, "(")
  head = open ? substr(text, 1, open - 1) : text
  if (open == 0 || head ~ / = / || head ~ /[{;\[]/) {
    # A variable.
    sub(/ = .*/, "", head)
    sub(/[{;\[=].*/, "", head)
    sub(/ +$/, "", head)
    if (head !~ / [*&]*[A-Za-z_0-9]+$/) return
    name = head
    sub(/.*[ *&]/, "", name)
    defined(name, "", text)
    return
  }
  name = head
  sub(/.*[ *&]/, "", name)
  if (name !~ /^[A-Za-z_][A-Za-z_0-9]*$/ || head !~ /[ *&]/) return  # an operator, a member, a macro
  for (i = open; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "(") depth++
    if (c == ")" && --depth == 0) break
  }
  params = substr(text, open + 1, i - open - 1)
  if (text ~ /;$/ && text !~ /{/) {
    # A declaration says nothing twice; an object made with arguments does.
    if (!fixed) return
    defined(name, "", text)
    return
  }
  defined(name, "(" types_of(params) ")", text)
}

BEGIN { FS = "\t" }

/^--$/ && !reading { reading = 1; next }

!reading {
  n = split($4, parts, " ")
  if ($1 ~ /^weft_/ || $5 != "")
    for (i = 1; i <= n; i++) targets_of[$2 "/" parts[i]] = targets_of[$2 "/" parts[i]] " " $1
  next
}

{
  if ($1 != file) {
    file = $1
    depth_of_names = 0
    anonymous = 0
    begun = ""
  }
  if (!(file in targets_of)) next
  line = $2
  text = substr($0, length($1) + length($2) + 3)
  if (begun == "") {
    if (text ~ /^namespace [A-Za-z_:0-9]* ?{$/) {
      name = text
      gsub(/^namespace | ?{$/, "", name)
      names[++depth_of_names] = name
      if (name == "") anonymous++
      next
    }
    if (text ~ /^} *\/\/ namespace/) {
      if (names[depth_of_names--] == "") anonymous--
      next
    }
    if (text !~ /^[A-Za-z_\[]/) next
  }
  sub(/ *\/\/.*/, "", text)
  sub(/^ +/, " ", text)
  begun = begun (begun == "" || begun ~ /\($/ ? "" : " ") text
  gsub(/  +/, " ", begun)
  # Over when it opens a body or ends; a line of its own before that is the head of what follows.
  if (begun ~ /[{;]/ || begun ~ /^#/) {
    declaration(begun, anonymous > 0)
    begun = ""
  }
}

END {
  if (checked == 0) problem("nothing to check for unity builds; is the structure file from this tree?")
  if (problems) exit 1
  print checked " names of anonymous namespaces are apart"
}
