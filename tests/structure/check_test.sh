#!/bin/bash
# The structure check finds what it is there to find: a small tree with one fault at a time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/src/{base,state,kube,mesh}/tests
echo '#include "base/a.h"' > "$tree/src/state/s.cpp"
echo '#include "state/s.h"' > "$tree/src/kube/k.h"
echo '#include "kube/k.h"' > "$tree/src/mesh/tests/m_test.cpp"
touch "$tree/src/mesh/m.cpp"
printf 'namespace {\nconstexpr int kOne = 1;\n}  // namespace\n' > "$tree/src/base/a.cpp"
good() {
  printf 'weft_base\tsrc/base\tfmt::fmt\ta.cpp\nweft_state\tsrc/state\tweft_base\nweft_kube\tsrc/kube\tweft_state\n'
  printf 'weft_mesh\tsrc/mesh\tweft_base\nmesh_test\tsrc/mesh\tweft_mesh weft_kube\n'
}

expect() {  # expect EXIT PATTERN DESCRIPTION, structure on stdin
  local wanted=$1 pattern=$2 what=$3 got=0 out
  cat > "$tree/structure.txt"
  out=$(bash "$here/check.sh" "$tree/structure.txt" "$tree" 2>&1) || got=$?
  if [ "$got" != "$wanted" ] || ! grep -q -- "$pattern" <<<"$out"; then
    printf 'FAILED %s: exit %s, wanted %s; output, wanted to match "%s":\n%s\n' "$what" "$got" "$wanted" "$pattern" "$out"
    exit 1
  fi
}

good | expect 0 'agree' 'a tree in order'
good | sed 's/\tweft_state$/\tweft_base/' | expect 1 'src/kube/k.h:1: includes "state/s.h", but weft_kube does not link weft_state: add weft_state to LINKS' 'a missing link'
good | sed 's/^mesh_test.*/mesh_test\tsrc\/mesh\tweft_mesh/' | expect 1 'm_test.cpp:1: includes "kube/k.h", but no target of src/mesh links weft_kube' "a test's missing link"
good | sed 's/^weft_base.*/weft_base\tsrc\/base\tweft_state/' | expect 1 'weft_base links weft_state, which stands above it' 'a link upwards'
good | sed 's/^weft_state.*/weft_state\tsrc\/state\tweft_base weft_kube/' | expect 1 'link each other' 'a cycle'
echo '#include "kube/k.h"' > "$tree/src/mesh/m.cpp"
good | expect 1 'src/mesh/m.cpp:1: .* weft_mesh does not link weft_kube' 'a library that leans on the links of its test'
good | sed 's/^weft_mesh.*/&\tm.cpp/' | expect 1 'src/mesh/m.cpp:1: .* weft_mesh does not link weft_kube' 'the same, of a listed source'
good | sed 's/^mesh_test.*/&\tm.cpp/' | expect 0 'agree' "a source of the test beside the library's folder"
: | expect 2 'configure the build first' 'no structure'

# Names that two files of one library define: m.cpp has the first, n.cpp the second.
both() { good | sed 's/^weft_mesh.*/weft_mesh\tsrc\/mesh\tweft_base\tm.cpp n.cpp/'; }
twice() {  # twice NAME CODE [CODE]
  printf 'namespace weft::mesh {\nnamespace {\n\n%b\n\n}  // namespace\n}  // namespace weft::mesh\n' "$2" > "$tree/src/mesh/m.cpp"
  printf 'namespace weft::mesh {\nnamespace {\n\n%b\n\n}  // namespace\n}  // namespace weft::mesh\n' "${3:-$2}" > "$tree/src/mesh/n.cpp"
  if [ -n "$1" ]; then
    both | expect 1 "src/mesh/n.cpp:[0-9]*: $1 is defined in src/mesh/m.cpp too" "twice: $2"
  else
    both | expect 0 'are apart' "side by side: $2 and ${3:-}"
  fi
}
twice kPage 'constexpr int kPage = 256;' 'constexpr long kPage{9};'
twice kPages 'const std::map<int, int> kPages{{1, 2}};'
twice hooks 'constexpr Hook hooks[] = {\n    {1},\n};'
twice complaints 'thread_local std::string complaints;'
twice Grant 'struct Grant {\n  int role;\n};' 'class Grant : public Base {\n};'
twice Way 'enum class Way { in, out };'
twice Rows 'using Rows = std::vector<int>;' 'using Rows = std::vector<long>;'
twice 'info_of(int,)' 'Result<Info> info_of(int fd) {\n  return {};\n}' 'Result<Info> info_of(int map) { return {}; }'
twice 'joined(const std::string&,char,)' 'std::string joined(const std::string& a,\n                   char by) {\n}'
twice 'each(const T&,)' 'template <class T>\nvoid each(const T& t) {\n}'
twice '' 'int size(int a) {\n}' 'int size(long a) {\n}'
twice '' 'using Rows = std::vector<int>;'
twice '' 'void later(int a);'
twice '' 'constexpr int kOne = 1;' 'constexpr int kOther = 1;\nint f() {\n  constexpr int kOne = 1;\n}'
twice '' 'struct One {\n  int port;\n};' 'struct Two {\n  int port;\n};'
printf 'namespace a {\nnamespace {\nconstexpr int kOne = 1;\n}  // namespace\n}  // namespace a\n' > "$tree/src/mesh/m.cpp"
sed 's/ a / b /; s/ a$/ b/' "$tree/src/mesh/m.cpp" > "$tree/src/mesh/n.cpp"
both | expect 0 'are apart' 'names of two namespaces'
printf 'namespace {\nconstexpr int kOne = 1;\n}  // namespace\n' | tee "$tree/src/mesh/m.cpp" > "$tree/src/mesh/n.cpp"
good | sed 's/^mesh_test.*/mesh_test\tsrc\/mesh\tweft_mesh weft_kube\tm.cpp n.cpp\tone-thread/' | expect 1 'src/mesh/n.cpp:2: kOne is defined in src/mesh/m.cpp too' 'two files of a test'
good | sed 's/^mesh_test.*/mesh_tool\tsrc\/mesh\tweft_mesh weft_kube\tm.cpp n.cpp\t/' | expect 0 'are apart' 'two files of a program, which is compiled file by file'

# Threads of a folder whose test is not for ThreadSanitizer.
rm "$tree"/src/mesh/[mn].cpp
marked() { good | sed "s/^mesh_test.*/mesh_test\tsrc\/mesh\tweft_mesh weft_kube\tm_test.cpp\t$1/"; }
unseen='starts a thread, but ThreadSanitizer does not see mesh_test: mark the library in src/mesh/CMakeLists.txt with THREADS'
echo '  std::thread([&] { f(); }).join();' > "$tree/src/mesh/m.cpp"
marked one-thread | expect 1 "src/mesh/m.cpp:1: $unseen" 'a thread in a library'
marked threads | expect 0 'none in a folder whose unit tests ThreadSanitizer misses' 'a thread in a library that is marked'
echo '  boost::asio::thread_pool pool{1};' > "$tree/src/mesh/m.cpp"
marked one-thread | expect 1 "src/mesh/m.cpp:1: $unseen" 'a pool of threads'
echo '  int n = std::thread::hardware_concurrency(); std::this_thread::yield();' > "$tree/src/mesh/m.cpp"
marked one-thread | expect 0 'none in a folder whose unit tests ThreadSanitizer misses' 'no thread'
echo '  const std::jthread asker([&] { f(); });' > "$tree/src/mesh/tests/n_test.cpp"
marked one-thread | expect 1 "src/mesh/tests/n_test.cpp:1: $unseen" 'a thread in a test'
echo "ok"
