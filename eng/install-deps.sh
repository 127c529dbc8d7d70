#!/usr/bin/env bash
# Usage: eng/install-deps.sh
#
# Installs what building and running Portcullis needs and what is missing here (Debian 12, Ubuntu 22.04 and later). Says what it does;
# does nothing when nothing is missing. Needs root only then.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
[[ $# -eq 0 ]] || refuse "unknown argument '$1': see --help"

# clang and the headers build the eBPF programs; libbpf1 loads them; the rest is what datapaths, demo and tests call.
packages=(clang llvm libbpf-dev libbpf1 linux-libc-dev iptables ipset iproute2 util-linux procps conntrack)

# Ubuntu 22.04 has only libbpf 0: the eBPF plugin then says that libbpf.so.1 is missing, and iptables takes over.
if ! apt-cache show libbpf1 >/dev/null 2>&1 && apt-cache show libbpf0 >/dev/null 2>&1; then
  packages=("${packages[@]/libbpf1/libbpf0}")
fi

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
  done
else
  for program in clang llvm-strip ip ipset iptables-restore nsenter; do
    command -v "$program" >/dev/null || refuse "$program: not found, and this is not a system with apt: install ${packages[*]}"
  done
fi

if [[ ${#missing[@]} -gt 0 ]]; then
  require_root "missing packages ${missing[*]}"
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    refuse "apt-get could not install ${missing[*]}"
  fi
fi
