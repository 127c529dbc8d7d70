# The part of the initramfs that all kernels share: tools, .NET runtime, built tests.

# Copies files into the tree under the same path, with the libraries they are linked with.
add_files() {
  local tree=$1 file
  shift
  for file in "$@"; do
    install -D "$file" "$tree$file"
    add_libraries_of "$tree" "$file"
  done
}

add_libraries_of() {
  local tree=$1 library
  ldd "$2" | awk '$(NF - 1) ~ /^\// { print $(NF - 1) }' | while read -r library; do
    [[ -f $tree$library ]] || install -D "$library" "$tree$library"
  done
}

library_path() {
  ldconfig -p | awk -v name="$1" '$1 == name && !found { print $NF; found = 1 }'
}

add_tools() {
  local tree=$1 tool
  install -D "$(command -v busybox)" "$tree/bin/busybox"
  ln -s busybox "$tree/bin/sh"
  for tool in ip tc bpftool; do
    add_files "$tree" "$(command -v "$tool")"
  done
  add_iptables "$tree"
}

# The legacy backend: all kernels of the matrix have it, and it needs the fewest modules.
add_iptables() {
  local tree=$1 program name
  program=$(command -v xtables-legacy-multi)
  add_files "$tree" "$program"
  for name in iptables ip6tables; do
    ln -s "${program##*/}" "$tree${program%/*}/$name"
  done
  # Matches and targets, loaded by name.
  # shellcheck disable=SC2046
  add_files "$tree" $(dpkg -L iptables | grep -E '/xtables/lib(x|ip6?)t_.*\.so$')
}

# The installed runtime as it is: nothing has to be published, and its assemblies are compiled ahead already.
add_runtime() {
  local tree=$1 dotnet version
  dotnet=$(dirname "$(realpath "$(command -v dotnet)")")
  version=$(dotnet --list-runtimes | awk '$1 == "Microsoft.NETCore.App" && $2 ~ /^10\./ { version = $2 } END { print version }')
  [[ -n $version ]] || die "no .NET 10 runtime beside the SDK"
  mkdir -p "$tree/dotnet/shared/Microsoft.NETCore.App" "$tree/dotnet/host/fxr"
  cp -r "$dotnet/host/fxr/$version" "$tree/dotnet/host/fxr/"
  cp -r "$dotnet/shared/Microsoft.NETCore.App/$version" "$tree/dotnet/shared/Microsoft.NETCore.App/"
  add_libraries_of "$tree" "$dotnet/shared/Microsoft.NETCore.App/$version/libcoreclr.so"
  # Loaded by name at run time: ldd does not see them.
  add_files "$tree" "$(library_path libbpf.so.1)" "$(library_path libssl.so.3)" "$(library_path libcrypto.so.3)"
}

# Makes the folder and, beside it, the archive of the same name with .cpio.
build_base() {
  local tree=$1 suite
  rm -rf "$tree"
  add_tools "$tree"
  add_runtime "$tree"
  install -D "$root/eng/kernel-matrix/init" "$tree/init"
  echo "${test_arguments[*]}" >"$tree/arguments"
  mkdir -p "$tree"/{proc,sys,dev,run,tmp,root,etc,sbin,tests}
  for suite in "${suites[@]}"; do
    cp -r "$root/artifacts/bin/$suite/release" "$tree/tests/$suite"
  done
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$tree.cpio"
  rm -rf "$tree"
}
