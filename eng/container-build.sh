#!/usr/bin/env bash
# Usage: eng/container-build.sh [--tag NAME] [--arch amd64|arm64]
#
# Builds deploy/container/Dockerfile with buildah on base images made here, without any container registry: a Debian 12 by
# debootstrap, and the same with this machine's .NET SDK. Both are kept in buildah's storage as localhost/portcullis-base and
# localhost/portcullis-sdk; remove them (buildah rmi) to make them anew. --tag: default localhost/portcullis:latest.
# --arch arm64 cross-builds what depends on the architecture and stops before the last stage, which needs an arm64 base image.
# Downloads Debian and NuGet packages. Installs buildah and debootstrap when missing. Needs root and the .NET 10 SDK.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
tag=localhost/portcullis:latest arch=$(dpkg --print-architecture)
while [[ $# -gt 0 ]]; do
  [[ $# -ge 2 ]] || refuse "'$1': unknown argument, or it lacks its value: see --help"
  case $1 in
    --tag) tag=$2 ;;
    --arch) arch=$2 ;;
    *) refuse "unknown argument '$1': see --help" ;;
  esac
  shift 2
done
[[ $arch == amd64 || $arch == arm64 ]] || refuse "--arch $arch: amd64 or arm64"
require_root "buildah and debootstrap make root file systems"
require_sdk

suite=bookworm
base=localhost/portcullis-base:$suite
sdk=localhost/portcullis-sdk:$suite

missing=()
for package in buildah debootstrap; do
  command -v "$package" >/dev/null || missing+=("$package")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  echo "installing ${missing[*]}"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } >/dev/null ||
    refuse "apt-get could not install ${missing[*]}"
fi

work=$(mktemp -d)
container=''
cleanup() {
  [[ -z $container ]] || buildah rm "$container" >/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# Arguments: image, folder that becomes its root file system.
commit() {
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$2" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet "$container" "$1" >/dev/null
  buildah rm "$container" >/dev/null
  container=''
}

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  echo "making $base"
  debootstrap --variant=minbase "$suite" "$work/base" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; refuse "debootstrap failed"; }
  rm -rf "$work/base/var/cache/apt/archives"/*.deb "$work/base/var/lib/apt/lists"/*
  commit "$base" "$work/base"
fi

if ! buildah inspect --type image "$sdk" >/dev/null 2>&1; then
  echo "making $sdk"
  debootstrap --variant=minbase --include=ca-certificates,libicu72,libssl3,libstdc++6,zlib1g "$suite" "$work/sdk" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; refuse "debootstrap failed"; }
  rm -rf "$work/sdk/var/cache/apt/archives"/*.deb "$work/sdk/var/lib/apt/lists"/*
  mkdir -p "$work/sdk/usr/share/dotnet"
  cp -R "$(dirname "$(readlink -f "$(command -v dotnet)")")/." "$work/sdk/usr/share/dotnet/"
  ln -s /usr/share/dotnet/dotnet "$work/sdk/usr/bin/dotnet"
  # NuGet is reached from the build as from this machine, also through a proxy with an authority of its own.
  cp /usr/local/share/ca-certificates/*.crt "$work/sdk/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$work/sdk" update-ca-certificates >/dev/null 2>&1
  commit "$sdk" "$work/sdk"
fi

target=()
[[ $arch == "$(dpkg --print-architecture)" ]] || target=(--target build)
echo "building $tag for $arch"
buildah build --isolation chroot --pull-never --layers --file deploy/container/Dockerfile --tag "$tag" "${target[@]}" \
  --build-arg "SDK_IMAGE=$sdk" --build-arg "BASE_IMAGE=$base" --build-arg "TARGETARCH=$arch" \
  --volume "${NUGET_PACKAGES:-$HOME/.nuget/packages}:/root/.nuget/packages" .
