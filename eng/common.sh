# Shared by the scripts at the root; sourced, never run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

# Ends with "the environment lacks something".
refuse() {
  echo "$(basename "$0"): $1" >&2
  exit 2
}

# Prints the calling script's leading comment when it is asked for help.
help_if_asked() {
  for argument in "$@"; do
    if [[ $argument == --help || $argument == -h ]]; then
      sed -n '2,/^[^#]/ { /^#/ s/^# \{0,1\}//p }' "$0"
      exit 0
    fi
  done
}

require_root() {
  [[ $(id -u) -eq 0 ]] || refuse "$1: run it as root"
}

require_sdk() {
  command -v dotnet >/dev/null || refuse "dotnet: not found: install the .NET 10 SDK and put it on PATH"
  dotnet --version >/dev/null 2>&1 ||
    refuse "dotnet: no SDK of the version that global.json asks for: install the .NET 10 SDK"
}

# Mounts the BPF file system where it is missing, until this script and everything it has started are gone, however they end: they hold
# descriptor 9. It stays while somebody has something pinned there; what the kernel itself puts there (*.debug) goes along.
borrow_bpffs() {
  mountpoint -q /sys/fs/bpf && return
  mount -t bpf bpf /sys/fs/bpf 2>/dev/null || return 0
  exec 9> >(
    trap '' INT TERM HUP
    cat >/dev/null
    [[ -n $(find /sys/fs/bpf -mindepth 1 ! -name '*.debug' -print -quit) ]] || umount /sys/fs/bpf
  )
}
