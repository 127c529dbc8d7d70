#!/usr/bin/env bash
# Usage: ./bench.sh [quick|full] [FILTER]
#        ./bench.sh compare BEFORE.json AFTER.json
#        ./bench.sh report [RESULTS.json]
#
# Builds, then runs the benchmarks, or those whose name contains FILTER. quick, the default, takes at most 5 minutes, full at most 60.
#   verdict    the eBPF programs against an empty one and single lookups, by BPF_PROG_TEST_RUN
#   lookup     one packet against 10 to 100,000 rules: programs alone, and real packets on every datapath
#   traffic    TCP throughput, connects, datagrams, round trips, processor time through policed pods
#   update     one change until it is enforced, against rules
#   attach     pods that come to a node all at once
#   compile    policies to rules: full and incremental compile times, memory
#   services   the same for Services, backends and nodes
#   start      the agent from start to enforcing, and its memory
#   churn      the agent under 100 changes a second
# Results are in artifacts/benchmarks/: results.json, results.md, charts/. Everything happens in network namespaces of its own, which
# go with it, also when it is interrupted. What this machine lacks is skipped with a reason.
# compare says what became slower between two results.json; exit code 1 when something did. report writes figures and charts of a run
# into docs/performance.md. Needs root and the .NET 10 SDK.
. "$(dirname "${BASH_SOURCE[0]}")/eng/common.sh"
help_if_asked "$@"

program=artifacts/bin/Benchmarks/release/Portcullis.Benchmarks
results=artifacts/benchmarks/results.json

need_program() {
  require_sdk
  [[ -x $program ]] || dotnet build benchmarks -c Release -v quiet --tl:off -clp:NoSummary
}

case ${1:-} in
  compare)
    [[ $# -eq 3 ]] || refuse "compare needs two files: see --help"
    need_program
    exec "$program" "$@"
    ;;
  report)
    [[ $# -le 2 ]] || refuse "report needs at most one file: see --help"
    need_program
    exec "$program" report "${2:-$results}"
    ;;
esac

profile=quick
if [[ ${1:-} == quick || ${1:-} == full || ${1:-} == smoke ]]; then
  profile=$1
  shift
fi
[[ $# -le 1 ]] || refuse "more than one filter: see --help"
require_root "the benchmarks make network namespaces and load eBPF programs"
./build.sh

if ! command -v iperf3 >/dev/null || ! command -v nft >/dev/null; then
  echo "installing iperf3 nftables"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends iperf3 nftables >/dev/null 2>&1 ||
    echo "note: apt-get could not install iperf3 and nftables: what needs them is skipped" >&2
fi
exec "$program" run "${1:-}" --profile "$profile"
