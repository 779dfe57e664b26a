#!/usr/bin/env bash
# Makes a folder with Debian trixie's RabbitMQ 4 and one with Debian sid's MySQL 9, once; prints the variables that the
# tests read. Needs root (chroot, mount) and debootstrap; takes two minutes and 1.3 GB the first time.
set -euo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/video2mp3-newest"

if [ "$(id -u)" != 0 ]; then
  echo "The servers of other Debian releases are started with chroot: run this as root." >&2
  exit 1
fi
command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >&2
# From where this system has its own packages.
mirror=$(apt-get indextargets --format '$(SITE)' | head -1)

make_root() { # release, package
  [ -e "$cache/$1/.complete" ] && return
  echo "Fetching $2 of Debian $1 into $cache/$1" >&2
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache"
  debootstrap --variant=minbase --include="$2" "$1" "$cache/$1" "$mirror" >"$cache/$1.log"
  rm -rf "$cache/$1"/var/cache/apt/archives/*.deb
  touch "$cache/$1/.complete"
}
make_root trixie rabbitmq-server
make_root sid mysql-server
echo "VIDEO2MP3_TESTS_RABBITMQ_ROOT=$cache/trixie VIDEO2MP3_TESTS_MYSQL_ROOT=$cache/sid"
