#!/usr/bin/env bash
# Usage: ./build.sh
#
# Installs missing build and run-time packages, builds everything and lays out artifacts/portcullis/: the executable portcullis,
# plugins/<Name>/ for every plugin, examples/. Needs the .NET 10 SDK; needs root only when a package is missing.
. "$(dirname "${BASH_SOURCE[0]}")/eng/common.sh"
help_if_asked "$@"
[[ $# -eq 0 ]] || refuse "unknown argument '$1': see --help"
require_sdk
eng/install-deps.sh

dotnet build portcullis.slnx -c Release -v quiet --tl:off -clp:NoSummary
eng/lay-out.sh
