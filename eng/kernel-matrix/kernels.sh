# Kernels of the matrix, from Debian's security suites: fetch_kernel leaves vmlinuz, modules.cpio and version in the cache.

kernels=(5.10 6.1 6.12)
declare -A kernel_suite=([5.10]=bullseye-security [6.1]=bookworm-security [6.12]=bookworm-security)
declare -A kernel_package=([5.10]=linux-image-cloud-amd64 [6.1]=linux-image-cloud-amd64 [6.12]=linux-image-6.12-cloud-amd64)

# What the tests use and Debian builds as modules.
kernel_modules=(veth dummy 8021q sch_ingress cls_bpf act_gact nf_conntrack nf_conntrack_netlink
  iptable_filter iptable_nat ip6table_filter xt_conntrack xt_nat)

# The base address that this machine's own apt sources use for Debian's security archive.
debian_security_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m 1 -E '/debian-security/?$' ||
    die "no debian-security archive in this machine's apt sources: the kernels come from there, run this on Debian"
}

# apt with sources, lists and cache of its own, so that the machine's package state is not touched.
private_apt() {
  local folder=$1 command=$2
  shift 2
  # An archived suite's index is past its date for good.
  "$command" -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$folder/lists" \
    -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache" -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root "$@"
}

fetch_kernel() {
  local kernel=$1 folder=$cache/$1 mirror package
  [[ ! -f $folder/version || $(cat "$folder/module-list" 2>/dev/null) != "${kernel_modules[*]}" ]] || return 0
  mirror=$(debian_security_mirror)
  rm -rf "$folder"
  mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/package"
  echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror ${kernel_suite[$kernel]} main" \
    >"$folder/apt/sources.list"
  private_apt "$folder/apt" apt-get update || die "$kernel: apt cannot read suite ${kernel_suite[$kernel]} of $mirror"
  package=$(private_apt "$folder/apt" apt-cache depends "${kernel_package[$kernel]}" | awk '/Depends: linux-image/ { print $2; exit }')
  [[ $package == linux-image-"$kernel"* ]] ||
    die "$kernel: package ${kernel_package[$kernel]} in ${kernel_suite[$kernel]} brings '$package', correct eng/kernel-matrix/kernels.sh"
  echo "kernel-matrix: downloading $package" >&2
  (cd "$folder/apt" && private_apt "$folder/apt" apt-get download "$package" >&2) || die "$kernel: apt cannot download $package"
  dpkg-deb -x "$folder"/apt/*.deb "$folder/package"
  unpack_kernel "$folder" "${package#linux-image-}"
}

# The version file comes last: its presence says that the rest is complete.
unpack_kernel() {
  local folder=$1 version=$2 tree=$1/modules
  mv "$folder/package/boot/vmlinuz-$version" "$folder/vmlinuz"
  # busybox cannot load a compressed module.
  find "$folder/package/lib/modules" -name '*.ko.xz' -exec xz -d {} +
  depmod -b "$folder/package" "$version"
  mkdir "$tree"
  select_modules "$folder/package" "$version" | (cd "$folder/package" && xargs cp --parents -t "$tree")
  depmod -b "$tree" "$version"
  (cd "$tree" && find lib | cpio -o -H newc --quiet) >"$folder/modules.cpio"
  rm -rf "$folder/package" "$folder/apt" "$tree"
  echo "${kernel_modules[*]}" >"$folder/module-list"
  echo "$version" >"$folder/version"
}

# Only the modules of the list with what they depend on: every byte is copied at boot.
select_modules() {
  local package=$1 version=$2
  (cd "$package" && ls lib/modules/"$version"/modules.{order,builtin,builtin.modinfo})
  modprobe -d "$package" -S "$version" -D -a "${kernel_modules[@]}" |
    awk -v skip="$package/" '$1 == "insmod" && !seen[$2]++ { print substr($2, length(skip) + 1) }'
}
