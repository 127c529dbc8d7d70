#!/usr/bin/env bash
# Usage: ./demo.sh [--datapath ebpf|iptables] [--keep] [-o json]
#
# Builds, then runs 'portcullis demo': an example cluster of network namespaces on this machine, the example policies one after
# another, a real connection for every pair after each. Removes everything it made. Exit code 0 only if all connections ended as
# expected. Needs root and the .NET 10 SDK.
. "$(dirname "${BASH_SOURCE[0]}")/eng/common.sh"
help_if_asked "$@"
require_root "the demo makes network namespaces and loads eBPF programs"
./build.sh >&2
exec artifacts/portcullis/portcullis demo "$@"
