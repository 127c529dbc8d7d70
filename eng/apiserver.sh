#!/usr/bin/env bash
# Usage: eng/apiserver.sh [--help]
#
# Provides a real API server for tests: etcd and kubectl from Debian, and kube-apiserver 1.20.2 built from Debian's source package
# `kubernetes`. Prints the folder that holds the three programs. The first call downloads about 130 MB from this machine's own apt
# mirror and builds for about five minutes on two processors; the result is kept in the user's cache folder
# (portcullis/apiserver.2; the number grows with what is built), nothing is installed. Delete that folder to build anew.
# Exit: 0 the programs are there; 2 they cannot be had here, with the reason on the last line of stderr.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
help_if_asked "$@"
[[ $# -eq 0 ]] || refuse "unknown argument '$1': see --help"

suite=bookworm
packages=(golang-1.19-go golang-1.19-src etcd-server kubernetes-client rsync libpopt0 libxxhash0)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/apiserver.2
work=$cache.build

# apt with sources, lists and cache of its own, so that the machine's package state is not touched and root is not needed.
private_apt() {
  apt-get -qq -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/apt/lists" \
    -o Dir::State::status=/dev/null -o Dir::Cache="$work/apt/cache" -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root "$@"
}

download() {
  local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg type
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m 1 -E '/debian/?$') ||
    refuse "no debian archive in this machine's apt sources: the API server is built from Debian's packages, run this on Debian"
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  for type in deb deb-src; do
    echo "$type [signed-by=$keyring] $mirror $suite main"
  done >"$work/apt/sources.list"
  private_apt update || refuse "apt cannot read suite $suite of $mirror"
  (cd "$work" && private_apt source --download-only kubernetes && private_apt download "${packages[@]}") ||
    refuse "apt cannot download kubernetes' source and ${packages[*]} from $mirror"
}

unpack() {
  local package patch
  mkdir "$work/source" "$work/tools"
  tar -xzf "$work"/kubernetes_*.orig.tar.gz -C "$work/source" --strip-components=1
  tar -xJf "$work"/kubernetes_*.debian.tar.xz -C "$work/source"
  while read -r patch; do
    patch -s -p1 -d "$work/source" <"$work/source/debian/patches/$patch"
  done <"$work/source/debian/patches/series"
  mend_map_iteration "$work/source/vendor/github.com/modern-go/reflect2"
  for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/tools"
  done
}

# reflect2 1.0.1 asks the runtime for a map's iterator as it was before Go 1.18. With Go 1.19 that corrupts memory, and the server dies of the
# first custom resource. The iterator belongs to the caller since then; its size is that of reflect.hiter.
mend_map_iteration() {
  sed -i -e 's/^\(func mapiterinit(.*\)) \*hiter$/\1, it *hiter)/' \
    -e 's/^\t\/\/ rest fields are ignored$/\tpointers [6]unsafe.Pointer\n\tnumbers  [4]uintptr/' "$1/unsafe_link.go"
  sed -i -e '/^func (type2 \*UnsafeMapType) UnsafeIterate(/a \\tit := new(hiter)\n\tmapiterinit(type2.rtype, *(*unsafe.Pointer)(obj), it)' \
    -e 's/^\t\thiter:      mapiterinit(.*$/\t\thiter:      it,/' "$1/unsafe_map.go"
}

# A build environment of its own: neither this machine's Go nor its settings take part.
build() {
  local tools=$work/tools
  printf '%s\n' "KUBE_GIT_COMMIT='debian'" "KUBE_GIT_TREE_STATE='clean'" "KUBE_GIT_VERSION='v1.20.2'" \
    "KUBE_GIT_MAJOR='1'" "KUBE_GIT_MINOR='20'" >"$work/version"
  mkdir -p "$work/home"
  env -i HOME="$work/home" PATH="$tools/usr/lib/go-1.19/bin:$tools/usr/bin:$PATH" GOROOT="$tools/usr/lib/go-1.19" \
    LD_LIBRARY_PATH="$tools/usr/lib/$(gcc -print-multiarch)" CGO_ENABLED=0 GOFLAGS=-mod=vendor KUBE_GIT_VERSION_FILE="$work/version" \
    nice -n 10 make -C "$work/source" WHAT=cmd/kube-apiserver >"$work/build.log" 2>&1 ||
    { tail -n 20 "$work/build.log" >&2; refuse "kube-apiserver does not build: see $work/build.log"; }
}

if [[ ! -x $cache/kube-apiserver ]]; then
  for program in apt-get dpkg-deb make gcc patch flock; do
    command -v "$program" >/dev/null || refuse "$program: not found, and building the API server needs it"
  done
  mkdir -p "$(dirname "$cache")"
  exec 9>"$cache.lock"
  flock 9
fi
# Another process may have built while this one waited.
if [[ ! -x $cache/kube-apiserver ]]; then
  echo "building kube-apiserver 1.20.2 into $cache: about five minutes on two processors, once" >&2
  rm -rf "$work" "$cache"
  download
  unpack
  build
  mkdir "$work/programs"
  install -t "$work/programs" "$work/tools/usr/bin/etcd" "$work/tools/usr/bin/kubectl" "$work/source/_output/bin/kube-apiserver"
  mv "$work/programs" "$cache"
  rm -rf "$work"
fi
echo "$cache"
