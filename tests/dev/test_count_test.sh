#!/bin/bash
# What `./dev test` makes of the results that test programs leave: the sums, and each failure with what it said.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# One program of each kind: well, with a failed and a skipped case, crashed, failed after its cases, with much to say, no
# GoogleTest.
cat > "$folder/ctest.xml" <<'XML'
  <testcase name="well" classname="well" time="1" status="run"/>
  <testcase name="broken" classname="broken" time="1" status="fail"/>
  <testcase name="crashed" classname="crashed" time="1" status="fail"/>
  <testcase name="late" classname="late" time="1" status="fail"/>
  <testcase name="long" classname="long" time="1" status="fail"/>
  <testcase name="shell" classname="shell" time="1" status="run"/>
XML
cat > "$folder/well.json" <<'JSON'
{"testsuites": [{"testsuite": [{"classname": "A", "name": "one", "status": "RUN", "result": "COMPLETED"}]}]}
JSON
cp "$folder/well.json" "$folder/late.json"
cat > "$folder/broken.json" <<'JSON'
{"testsuites": [{"testsuite": [
  {"classname": "A", "name": "one", "status": "RUN", "result": "COMPLETED", "failures": [
    {"failure": "a_test.cpp:7\nValue of: why\n  Actual: \"\tlost\"", "type": ""}, {"failure": "and 'this'", "type": ""}]},
  {"classname": "A", "name": "two", "status": "RUN", "result": "SKIPPED"},
  {"classname": "A", "name": "three", "status": "RUN", "result": "COMPLETED"}]}]}
JSON
# Far longer than what is shown of it, and than a pipe holds.
jq -n '{testsuites: [{testsuite: [{classname: "A", name: "long", failures: [{failure: ([range(20000) | "line \(.)"] | join("\n"))}]}]}]}' \
  > "$folder/long.json"

got=$(
  . "$root/tools/common.sh"
  . "$root/tools/test.sh"
  count_suite dev unit "$folder" >/dev/null
  summary
) && code=0 || code=$?
wanted='1 skipped (each says why in its output)
failed: dev/unit: broken A.one
  a_test.cpp:7
  Value of: why
    Actual: "	lost"
  and '\''this'\''
failed: dev/unit: crashed
failed: dev/unit: late ended badly after its cases
failed: dev/unit: long A.long
'"$(printf '  line %s\n' {0..19})"'
4 passed, 4 failed'
if [ "$code" != 1 ] || [ "$got" != "$wanted" ]; then
  printf 'FAILED: exit %s, wanted 1; output:\n%s\nwanted:\n%s\n' "$code" "$got" "$wanted"
  exit 1
fi
