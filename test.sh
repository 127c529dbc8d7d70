#!/usr/bin/env bash
# Usage: ./test.sh [NAME...]
#
# Builds, then runs every test project, or those whose name contains one of NAMEs. Prints what failed, and what was skipped and
# why; the last line is "N passed, N failed, N skipped"; exit code 1 on any failure. A test program that crashes or hangs counts as a failure, and so
# does anything the tests leave in the kernel. Where qemu is installed, eng/kernel-matrix.sh --quick runs too
# (all of it with PORTCULLIS_KERNEL_MATRIX=full). Results are in artifacts/test-results/. Needs root and the .NET 10 SDK.
. "$(dirname "${BASH_SOURCE[0]}")/eng/common.sh"
help_if_asked "$@"
require_root "the tests make network namespaces and load eBPF programs"
# The tests want the BPF file system. What is mounted for them goes with them; the kernel puts files of its own there (*.debug).
if ! mountpoint -q /sys/fs/bpf && mount -t bpf portcullis-tests /sys/fs/bpf; then
  trap '[[ -n $(find /sys/fs/bpf -mindepth 1 ! -name "*.debug" -print -quit) ]] || umount /sys/fs/bpf' EXIT
fi

./build.sh

results=artifacts/test-results
limit=15m
passed=0 failed=0 skipped=0
rm -rf "$results"
mkdir -p "$results"

# What tests could leave behind.
kernel_state() {
  find /run/netns -mindepth 1 2>/dev/null || true
  find /sys/fs/bpf/portcullis -mindepth 1 2>/dev/null || true
  tc qdisc show 2>/dev/null | grep clsact || true
  ip -o link show | sed -n 's/^[0-9]*: \([^:]*\):.*/link \1/p'
}

wanted() {
  [[ $# -eq 1 ]] && return 0
  local name=$1 part
  shift
  for part in "$@"; do
    [[ $name == *"$part"* ]] && return 0
  done
  return 1
}

# One attribute of the <assembly> element of a result file.
count() {
  sed -n "s/.*<assembly [^>]*[^-a-z]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

run() {
  local name=$1 program=artifacts/bin/$1/release/Portcullis.$1 xml=$results/$1.xml log=$results/$1.log code=0
  local started=$SECONDS
  timeout --kill-after=30s "$limit" "$program" -noColor -noLogo -result-xml "$xml" >"$log" 2>&1 || code=$?
  if [[ ! -s $xml || -z $(count "$xml" total) ]]; then
    failed=$((failed + 1))
    cat "$log"
    echo "$name: CRASHED with exit code $code"
    return
  fi
  local p f s e
  p=$(count "$xml" passed) f=$(count "$xml" failed) s=$(count "$xml" skipped) e=$(count "$xml" errors)
  if [[ $((f + e)) -eq 0 && $code -ne 0 ]]; then
    e=1
  fi
  passed=$((passed + p)) failed=$((failed + f + e)) skipped=$((skipped + s))
  if [[ $((f + e)) -gt 0 ]]; then
    grep -v -E '^ *(Discovering|Discovered|Starting|Finished):' "$log" || true
  fi
  # Each skipped test and, on the line below it, why.
  grep -A 1 ' \[SKIP\]$' "$log" | grep -v '^--$' || true
  echo "$name: $p passed, $((f + e)) failed, $s skipped in $((SECONDS - started)) s"
}

# Other kernels, in emulated guests: what depends most on the kernel, or everything with PORTCULLIS_KERNEL_MATRIX=full.
kernel_matrix() {
  local log=$results/kernel-matrix.log started=$SECONDS code=0 arguments=(--no-build) p f s
  [[ ${PORTCULLIS_KERNEL_MATRIX:-} == full ]] || arguments+=(--quick)
  if ! command -v qemu-system-x86_64 >/dev/null; then
    skip_kernel_matrix "qemu-system-x86_64 is not installed: apt-get install qemu-system-x86, or run eng/kernel-matrix.sh, which does"
    return
  fi
  eng/kernel-matrix.sh "${arguments[@]}" >"$log" 2>&1 || code=$?
  if [[ $code -eq 2 ]]; then
    skip_kernel_matrix "$(grep 'kernel-matrix: ' "$log" | tail -n 1)"
    return
  fi
  grep -v '^kernel-matrix: \(downloading\|installing\)' "$log" || true
  if read -r p _ f _ s _ < <(tr -d , <"$log" | grep -E '^[0-9]+ passed [0-9]+ failed [0-9]+ skipped$'); then
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  else
    failed=$((failed + 1))
    echo "kernel-matrix: did not end; see $log"
  fi
  echo "kernel-matrix: $((SECONDS - started)) s"
}

skip_kernel_matrix() {
  skipped=$((skipped + 1))
  echo "kernel-matrix [SKIP]"
  echo "  $1"
}

# A real API server for the tests that want one: the first call on a machine builds it, which is no test's time. Where it cannot be had,
# those tests are skipped with the reason.
if wanted EndToEnd.Tests "$@"; then
  eng/apiserver.sh >/dev/null || true
fi

kernel_state | sort >"$results/kernel.before"
for project in tests/*Tests/*Tests.csproj; do
  name=$(basename "$project" .csproj)
  if wanted "$name" "$@"; then
    run "$name"
  fi
done
if wanted kernel-matrix "$@"; then
  kernel_matrix
fi
kernel_state | sort >"$results/kernel.after"

if left=$(comm -13 "$results/kernel.before" "$results/kernel.after") && [[ -n $left ]]; then
  failed=$((failed + 1))
  printf 'FAILED: the tests left in the kernel:\n%s\n' "$left"
fi
if [[ $((passed + failed)) -eq 0 ]]; then
  refuse "no test project has a name containing: $*"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
