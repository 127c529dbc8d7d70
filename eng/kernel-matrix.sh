#!/usr/bin/env bash
# Runs the eBPF datapath's tests on the kernels of the matrix, each booted in qemu under software emulation.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/kernels
work=$root/artifacts/kernel-matrix
. "$root/eng/kernel-matrix/kernels.sh"
. "$root/eng/kernel-matrix/initramfs.sh"

# Test projects that run in every guest.
suites=(Datapath.Ebpf.Tests)
# What xunit runs of them with --quick: packets through the programs, real connections, beside others' filters. An emulated guest takes
# longer for a flood of a million packets than permits live.
quick=()
for methods in \
  Packets.{VerdictTests,HostileTests,IcmpErrorTests,FragmentTests,SourceTests,AuditTests}.'*' Packets.ReplyTests.Reply'*' \
  Attached.EbpfDatapathTests.{Connections,ForeignFilters,Agent_ThatAttaches,Vlan}'*' Attached.InterfaceLifeTests.Interface_Renamed'*'; do
  quick+=(-method "*.$methods")
done
# Seconds after which a guest counts as hung.
guest_timeout=${PORTCULLIS_GUEST_SECONDS:-7200}

usage() {
  cat <<EOF
usage: eng/kernel-matrix.sh [--kernel VERSION]... [--list] [--help]

Boots Debian's kernels in qemu (no KVM needed) with an initramfs that holds the .NET runtime and the built tests of
${suites[*]}, runs these tests as root in the guest and prints passed, failed and skipped for each kernel.

  --kernel VERSION   only this kernel; may be given several times
  --quick            only the tests that depend most on the kernel: attachment, and packets
  --no-build         the tests are built already
  --list             print the kernels and exit
  --help             print this and exit

Kernels are downloaded once, by apt, into $cache; delete a kernel's folder to get its newest package.
Missing packages (qemu-system-x86, busybox-static, cpio, kmod, iproute2, bpftool, xz-utils,
iptables) are installed with apt.
A guest may take PORTCULLIS_GUEST_SECONDS (7200): emulated, the kernel verifies the programs for minutes.
The console of each guest is kept in artifacts/kernel-matrix/VERSION.log.
Exit: 0 every test passed on every kernel, 1 some did not, 2 usage or environment.
EOF
}

die() {
  echo "kernel-matrix: $*" >&2
  exit 2
}

parse_arguments() {
  selected=()
  test_arguments=()
  must_build=yes
  while (($# > 0)); do
    case $1 in
      --kernel)
        [[ -n ${2:-} && -n ${kernel_suite[$2]:-} ]] || die "--kernel ${2:-}: unknown kernel, choose one of: ${kernels[*]}"
        selected+=("$2")
        shift
        ;;
      --quick) test_arguments=("${quick[@]}") ;;
      --no-build) must_build=no ;;
      --list) printf '%s\n' "${kernels[@]}"; exit 0 ;;
      --help) usage; exit 0 ;;
      *) die "$1: unknown argument, see --help" ;;
    esac
    shift
  done
  ((${#selected[@]} > 0)) || selected=("${kernels[@]}")
}

# Arguments: command, package. Collects packages whose command is missing.
need() {
  command -v "$1" >/dev/null || missing+=("$2")
}

install_missing_packages() {
  local missing=()
  need qemu-system-x86_64 qemu-system-x86
  need busybox busybox-static
  need cpio cpio
  need depmod kmod
  need ip iproute2
  need bpftool bpftool
  need xz xz-utils
  need xtables-legacy-multi iptables
  ((${#missing[@]} > 0)) || return 0
  ((EUID == 0)) || die "missing packages ${missing[*]}: install them or run as root"
  echo "kernel-matrix: installing ${missing[*]}" >&2
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install ${missing[*]}"
}

build_suites() {
  command -v dotnet >/dev/null || die "dotnet: not found, install the .NET 10 SDK"
  local suite
  for suite in "${suites[@]}"; do
    dotnet build "$root/tests/$suite" -c Release -v q -nologo -clp:NoSummary >&2 || die "$suite: does not build"
  done
}

# The guest's exit code does not reach qemu's: the console carries the results up to the guest's end mark.
boot() {
  local kernel=$1
  cat "$work/base.cpio" "$cache/$kernel/modules.cpio" >"$work/$kernel.initramfs"
  timeout --foreground --kill-after=10 "$guest_timeout" qemu-system-x86_64 \
    -accel tcg,thread=multi -machine pc -cpu max -smp 2 -m 2048 \
    -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -kernel "$cache/$kernel/vmlinuz" -initrd "$work/$kernel.initramfs" \
    -append "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on" \
    </dev/null >"$work/$kernel.log" 2>&1 || true
  rm "$work/$kernel.initramfs"
}

# Prints "passed failed skipped" of one console log. A suite without a summary, or a guest that did not reach its end, is one failure.
count_results() {
  tr -d '\r' <"$1" | awk -v suites="${#suites[@]}" '
    /^   .* Total: [0-9]+, Errors: / {
      counts = substr($0, index($0, " Total: "))
      gsub(/[^0-9]+/, " ", counts)
      split(counts, n, " ") # total, errors, failed, skipped, not run
      summaries++; failed += n[2] + n[3]; skipped += n[4]; passed += n[1] - n[3] - n[4] - n[5]
    }
    /^portcullis-suite-exit 0$/ { clean++ }
    /^portcullis-end$/ { ended = 1 }
    END {
      if (failed == 0 && (summaries != suites || clean != suites || !ended || passed == 0)) { failed = 1 }
      print passed + 0, failed + 0, skipped + 0
    }'
}

run_kernel() {
  local kernel=$1 start=$SECONDS log=$work/$1.log passed failed skipped
  boot "$kernel"
  read -r passed failed skipped < <(count_results "$log")
  echo "$kernel ($(<"$cache/$kernel/version")): $passed passed, $failed failed, $skipped skipped, $((SECONDS - start)) s"
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
  ((failed > 0)) || return 0
  grep -q '^portcullis-end' "$log" || echo "$kernel: the guest did not finish within $guest_timeout s or died" >&2
  grep -A 4 -E '\[FAIL\]|^Unhandled|Kernel panic|BUG:' "$log" >&2 || tail -20 "$log" >&2
  echo "$kernel: the whole console is in ${log#"$root"/}" >&2
}

main() {
  local kernel
  parse_arguments "$@"
  install_missing_packages
  mkdir -p "$work"
  for kernel in "${selected[@]}"; do
    fetch_kernel "$kernel"
  done
  if [[ $must_build == yes ]]; then
    build_suites
  fi
  trap 'rm -rf "$work/base" "$work"/*.cpio "$work"/*.initramfs' EXIT
  build_base "$work/base"

  total_passed=0 total_failed=0 total_skipped=0
  for kernel in "${selected[@]}"; do
    run_kernel "$kernel"
  done
  echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
  ((total_failed == 0))
}

main "$@"
