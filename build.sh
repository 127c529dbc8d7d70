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

# The build output is complete; a publish would only copy it again.
target=artifacts/portcullis
new=$target.new
rm -rf "$new"
mkdir -p "$new/plugins"
cp -R artifacts/bin/Host/release/. "$new/"
for project in plugins/*/*.csproj; do
  name=$(basename "$project" .csproj)
  cp -R "artifacts/bin/$name/release" "$new/plugins/$name"
done
cp -R examples "$new/examples"
rm -rf "$target"
mv "$new" "$target"
echo "built $target/portcullis with the plugins $(cd "$target/plugins" && echo *)"
