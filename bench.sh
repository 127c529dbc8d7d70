#!/usr/bin/env bash
# Usage: ./bench.sh [FILTER]
#
# Builds, then runs the benchmarks, or those whose name contains FILTER:
#   compile   policies to rules: full and incremental compile times, memory
#   verdict   the eBPF programs against an empty one, by BPF_PROG_TEST_RUN
# Results are in artifacts/benchmarks/. Needs root and the .NET 10 SDK.
. "$(dirname "${BASH_SOURCE[0]}")/eng/common.sh"
help_if_asked "$@"
[[ $# -le 1 ]] || refuse "more than one filter: see --help"
require_root "the benchmarks load eBPF programs"
./build.sh

filter=${1:-}
results=$PWD/artifacts/benchmarks
mkdir -p "$results"
ran=0

suite() {
  local name=$1 project=$2
  shift 2
  if [[ $name == *"$filter"* ]]; then
    echo "== $name"
    dotnet run -c Release --project "$project" -- "$@" | tee "$results/$name.txt"
    ran=$((ran + 1))
  fi
}

suite compile benchmarks/Benchmarks.csproj compile
suite services benchmarks/Benchmarks.csproj services
suite verdict benchmarks/Packets/Packets.csproj "$results"
[[ $ran -gt 0 ]] || refuse "no benchmark has a name containing '$filter': see --help"
