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
