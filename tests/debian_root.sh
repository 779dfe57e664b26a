#!/usr/bin/env bash
# Makes a folder with a Debian release and some of its packages, once: debian_root.sh FOLDER RELEASE PACKAGE,…
# Needs root and debootstrap.
set -euo pipefail
folder=$1 release=$2 packages=$3
if [ "$(id -u)" != 0 ]; then
  echo "Other Debian releases are started with another root folder: run this as root." >&2
  exit 1
fi
# Whatever the packages were when it was made: another list makes it anew.
[ "$(cat "$folder/.packages" 2>/dev/null)" = "$release $packages" ] && exit
command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >&2
# From where this system has its own packages, where they are Debian's.
mirror=()
grep -qx 'ID=debian' /etc/os-release && mirror+=("$(apt-get indextargets --format '$(SITE)' | head -1)")
echo "Fetching $packages of Debian $release into $folder" >&2
rm -rf "${folder:?}"
mkdir -p "$(dirname "$folder")"
debootstrap --variant=minbase --include="$packages" "$release" "$folder" "${mirror[@]}" >"$folder.log"
rm -rf "$folder"/var/cache/apt/archives/*.deb
echo "$release $packages" >"$folder/.packages"
