#!/usr/bin/env bash
# Usage: eng/lay-out.sh
#
# Lays out artifacts/portcullis/ from the release build: the executable portcullis, plugins/<Name>/ for every plugin, examples/.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
[[ $# -eq 0 ]] || refuse "unknown argument '$1': see --help"

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
